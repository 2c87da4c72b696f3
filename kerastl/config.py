"""What a run is asked to do, as frozen values. Imports neither absl nor TensorFlow."""

import dataclasses
import math
import os
import pathlib
import re
from typing import Literal

import platformdirs

from kerastl.errors import UsageError, bad_value, closest, unknown_name

PhaseName = Literal["head", "finetune", "scratch"]

# The user's cache folder, by the rules of the operating system.
AUTO = "auto"

# A `Source` that `run` is given, which only Python can do.
FROM_PYTHON = "python"

# The weights that come with the package, the network that they are of, and the side of the drawn
# pictures that they were trained on, in pixels.
BUNDLED = "bundled"
BUNDLED_BACKBONE = "MobileNetV2_035"
BUNDLED_SIZE = 48

# Largest side of the network's input, in pixels.
LARGEST_SIZE = 4096

# Unfreezes every layer of the backbone.
ALL_LAYERS = "all"

_PATHS = ("run_dir", "export_dir", "cache_dir", "tfds_dir", "weights", "splits_from")

# Random changes of training images: name -> strength where none is given. Only `flip` has none.
AUGMENTATIONS = {"flip": None, "crop": 0.2, "color": 0.3, "randaugment": 0.5}

# What a model can be exported as.
EXPORT_FORMATS = ("savedmodel", "keras", "litert", "litert_int8", "onnx")

_CHOICES = {
    "on_bad_image": ("stop", "skip"),
    "small_classes": ("stop", "train"),
    "near_duplicates": ("group", "report"),
    "best_by": ("accuracy", "balanced_accuracy", "macro_f1", "loss"),
    "class_weights": ("none", "balanced", "sqrt"),
    "resize": ("crop", "pad", "stretch"),
    "optimizer": ("sgd", "adamw"),
    "schedule": ("cosine", "constant"),
    "cache_dtype": ("float32", "float16"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16", "auto"),
}


@dataclasses.dataclass(frozen=True)
class _Range:
    low: float
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and value < math.inf

    def __str__(self) -> str:
        low = f"{'above' if self.open_low else 'at least'} {self.low:g}"
        if math.isinf(self.high):
            return f"{low} and finite"
        high = int(self.high) if float(self.high).is_integer() else self.high
        return f"{low} and {'below' if self.open_high else 'at most'} {high}"


_RANGES = {
    "validation_fraction": _Range(0, 1, open_low=True, open_high=True),
    "test_fraction": _Range(0, 1, open_low=True, open_high=True),
    "examples_per_class": _Range(0),
    "image_size": _Range(0, LARGEST_SIZE),
    "batch_size": _Range(1, 65536),
    "dropout": _Range(0, 1, open_high=True),
    "momentum": _Range(0, 1, open_high=True),
    "weight_decay": _Range(0),
    # NumPy and TensorFlow both take seeds of 32 bits.
    "seed": _Range(0, 2**32 - 1),
    "head_epochs": _Range(0, 100_000),
    "head_learning_rate": _Range(0, open_low=True),
    "finetune_epochs": _Range(0, 100_000),
    "finetune_learning_rate": _Range(0, open_low=True),
    "warmup_epochs": _Range(0),
    "augment_views": _Range(0, 1000),
    "cache_limit_gb": _Range(0),
    "parity_images": _Range(0),
    "max_accuracy_drop": _Range(0, 1),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of training with a fixed set of trainable layers.

    Attributes:
        name: "head" trains only the new head, "finetune" the upper part of a pretrained
            backbone too, "scratch" every layer of a network with random weights.
        epochs: Passes over the training images.
        learning_rate: Peak rate of the phase's schedule.
        warmup_epochs: Epochs, in fractions too, over which the rate rises to its peak.
        unfreeze_from: Block or layer of the backbone from which training starts; `all`;
            empty for the backbone's top block. The head phase has None.
    """

    name: PhaseName
    epochs: int
    learning_rate: float
    warmup_epochs: float
    unfreeze_from: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides a run; each field is a flag of the same name.

    The flags' help (`python -m kerastl.main --help`) says what each field means.

    Raises:
        UsageError: If a value is wrong whatever the data are; the message names the field.
    """

    run_dir: str
    dataset: str
    tfds_dir: str = ""
    validation_fraction: float = 0.1
    test_fraction: float = 0.1
    examples_per_class: int = 0
    splits_from: str = ""
    backbone: str = ""
    weights: str = "imagenet"
    on_bad_image: str = "stop"
    small_classes: str = "stop"
    near_duplicates: str = "group"
    image_column: str = ""
    label_column: str = ""
    split_column: str = ""
    group_column: str = ""
    image_size: int = 0
    resize: str = "crop"
    batch_size: int = 64
    dropout: float = 0.0
    head_epochs: int = 10
    head_learning_rate: float = 0.01
    finetune_epochs: int = 0
    finetune_learning_rate: float = 0.001
    unfreeze_from: str = ""
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup_epochs: float = 0.5
    seed: int = 0
    class_weights: str = "none"
    best_by: str = "accuracy"
    label_issues: bool = False
    augment: str = ""
    augment_views: int = 0
    precision: str = "float32"
    cache_dir: str = AUTO
    cache_limit_gb: float = 0.0
    cache_dtype: str = "float32"
    export_dir: str = ""
    format: str = "savedmodel"
    parity_images: int = 0
    max_accuracy_drop: float = 0.02
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuses what is wrong by itself, field by field and then in combination."""
        for field in dataclasses.fields(self):
            _check_type(field, getattr(self, field.name))
        self._expand_paths()
        for name, limits in _RANGES.items():
            if (value := getattr(self, name)) not in limits:
                raise bad_value(
                    name, value, f"must be {limits}", f"The default is {_default(name)}"
                )
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise unknown_name(name, value, choices, what="one of its choices")
        for name, example in (("run_dir", "runs/first"), ("dataset", "digits")):
            if not getattr(self, name).strip():
                raise bad_value(name, "", "is required", f"Give one, as in --{name}={example}")
        self._fill_in_network()
        self._check_dataset()
        self._check_formats()
        self._check_combinations()

    def _expand_paths(self) -> None:
        # The shell leaves the tilde of --run_dir=~/x as it is, and Python knows none.
        for name in _PATHS:
            object.__setattr__(self, name, os.path.expanduser(getattr(self, name)))

    def _fill_in_network(self) -> None:
        is_bundled = self.weights == BUNDLED
        network, size = (BUNDLED_BACKBONE, BUNDLED_SIZE) if is_bundled else ("ResNet50", 224)
        object.__setattr__(self, "backbone", self.backbone or network)
        object.__setattr__(self, "image_size", self.image_size or size)
        if is_bundled and self.backbone != BUNDLED_BACKBONE:
            raise bad_value(
                "backbone",
                self.backbone,
                f"is another network than weights={BUNDLED} are of",
                f"Use {BUNDLED_BACKBONE} or leave it out, or give other weights",
            )

    def _check_dataset(self) -> None:
        kind, _, name = self.dataset.partition(":")
        if self.dataset not in ("digits", FROM_PYTHON) and not (
            kind in ("tfds", "folder", "csv") and name
        ):
            near = closest(self.dataset, ["digits"])
            advice = f"Did you mean {near[0]!r}? " if near else ""
            raise bad_value(
                "dataset",
                self.dataset,
                "is not a data set",
                f"{advice}Use folder:DIR, csv:FILE, tfds:NAME for a set of TensorFlow Datasets, "
                "or digits",
            )

    def _check_formats(self) -> None:
        for name in self.formats:
            if name not in EXPORT_FORMATS:
                raise unknown_name("format", name, EXPORT_FORMATS, what="a format")

    def _check_combinations(self) -> None:
        if self.validation_fraction + self.test_fraction >= 1:
            raise bad_value(
                "validation_fraction",
                self.validation_fraction,
                f"together with test_fraction={self.test_fraction} leaves nothing to train on",
                "Their sum must stay below 1",
            )
        if self.head_epochs + self.finetune_epochs == 0:
            raise bad_value(
                "head_epochs",
                0,
                "with finetune_epochs=0 trains nothing",
                "Raise one of the two",
            )
        for kind in ("image", "label", "split", "group"):
            if (column := getattr(self, f"{kind}_column")) and not self.dataset.startswith("csv:"):
                raise bad_value(
                    f"{kind}_column",
                    column,
                    f"is of a table, and dataset={self.dataset!r} is none",
                    "Leave it out, or use csv:FILE",
                )
        if not self.augmentations and self.augment_views:
            raise bad_value(
                "augment_views",
                self.augment_views,
                "has nothing to change, as augment is empty",
                "Add --augment=flip or leave it out",
            )
        if self.label_issues and not self._keeps_features:
            raise bad_value(
                "label_issues",
                True,
                "is told from stored features of a frozen network, which this run does not keep",
                "Give it pretrained weights, head epochs and a cache_dir, and no augmentation",
            )
        if self.weights == "none":
            self._check_scratch()

    def _check_scratch(self) -> None:
        if self.head_epochs:
            raise bad_value(
                "weights",
                "none",
                f"head_epochs={self.head_epochs} would train a head on a frozen backbone with "
                "random weights, whose features say little about an image",
                "Use --head_epochs=0 and --finetune_epochs=10 to train every layer, or give "
                "pretrained weights",
            )
        if self.unfreeze_from not in ("", ALL_LAYERS):
            raise bad_value(
                "unfreeze_from",
                self.unfreeze_from,
                "would leave layers with random weights frozen below it, as weights=none",
                "Leave it out or use 'all'",
            )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases in the order of training, without those of no epochs."""
        scratch = self.weights == "none"
        head = Phase(
            name="head",
            epochs=self.head_epochs,
            learning_rate=self.head_learning_rate,
            warmup_epochs=0.0,
            unfreeze_from=None,
        )
        upper = Phase(
            name="scratch" if scratch else "finetune",
            epochs=self.finetune_epochs,
            learning_rate=self.finetune_learning_rate,
            warmup_epochs=self.warmup_epochs,
            unfreeze_from=ALL_LAYERS if scratch else self.unfreeze_from,
        )
        return tuple(phase for phase in (head, upper) if phase.epochs)

    @property
    def augmentations(self) -> tuple[tuple[str, float | None], ...]:
        """The names in `augment` with their strengths, in the order of their application."""
        items = [item.strip() for item in self.augment.split(",")] if self.augment else []
        return tuple(_read_augmentation(self.augment, item) for item in items)

    @property
    def formats(self) -> tuple[str, ...]:
        """The names in `format`, each once."""
        return tuple(dict.fromkeys(name.strip() for name in self.format.split(",")))

    @property
    def is_exact(self) -> bool:
        """Whether nothing is rounded to 16 bits."""
        return self.precision == self.cache_dtype == "float32"

    @property
    def cache_path(self) -> pathlib.Path | None:
        """The feature store's directory, None where nothing is to be stored."""
        # From scratch nothing is frozen.
        return find_cache(self.cache_dir) if self.cache_dir and self.weights != "none" else None

    @property
    def _keeps_features(self) -> bool:
        return bool(self.cache_path and self.head_epochs and not self.augment)

    @property
    def memory_path(self) -> pathlib.Path | None:
        """Where the audit remembers files, None where nothing is to be kept."""
        return find_cache(self.cache_dir) if self.cache_dir else None

    def to_flags(self) -> list[str]:
        """Lists the flags that give this config, `overwrite` aside: it is meant for one run."""
        return [
            f"--{field.name}={_flag_text(getattr(self, field.name))}"
            for field in dataclasses.fields(self)
            if field.name != "overwrite"
        ]


def _read_augmentation(augment: str, item: str) -> tuple[str, float | None]:
    name, has_strength, text = (part.strip() for part in item.partition(":"))
    if name not in AUGMENTATIONS:
        raise unknown_name("augment", name, AUGMENTATIONS, what="a known augmentation")
    if not has_strength:
        return name, AUGMENTATIONS[name]
    strength = float(text) if re.fullmatch(r"\d*\.?\d+", text) else math.nan
    if name == "flip" or not 0 < strength <= 1:
        raise bad_value(
            "augment",
            augment,
            f"{item!r} has a strength where none is taken"
            if name == "flip"
            else f"{item!r} has no strength above 0 and at most 1",
            "Write it as in flip,crop,color:0.3,randaugment",
        )
    return name, strength


def find_cache(cache_dir: str) -> pathlib.Path:
    """Finds the directory that a value of `cache_dir` names."""
    if cache_dir == AUTO:
        cache_dir = platformdirs.user_cache_dir("kerastl", appauthor=False)
    return pathlib.Path(cache_dir)


_KINDS: dict[object, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
}


def _check_type(field: dataclasses.Field, value: object) -> None:
    types, words = _KINDS[field.type]
    # A bool is an int to isinstance, and never meant as a number.
    if not isinstance(value, types) or (isinstance(value, bool) and field.type is not bool):
        raise UsageError(f"{field.name}={value!r}: is not {words}. Give {words}.")
    if isinstance(value, str) and "\0" in value:
        raise bad_value(field.name, value, "holds a NUL character", "Remove it")


def _flag_text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _default(name: str) -> object:
    return next(field.default for field in dataclasses.fields(Config) if field.name == name)
