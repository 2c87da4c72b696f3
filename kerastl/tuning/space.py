"""What a search may change: flags with ranges in place of values; imports no Keras."""

import contextlib
import csv
import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError, bad_value, unknown_name
from kerastl.model.backbones import BACKBONES, NAMED_WEIGHTS, check_weights
from kerastl.settings.images import LARGEST_SIZE
from kerastl.settings.model import BUNDLED

# What may be searched: all that changes training, and nothing that changes the images which trials
# are compared on.
SEARCHABLE = (
    "backbone",
    "image_size",
    "resize",
    "batch_size",
    "dropout",
    "head_epochs",
    "head_learning_rate",
    "finetune_epochs",
    "finetune_learning_rate",
    "unfreeze_from",
    "optimizer",
    "momentum",
    "weight_decay",
    "schedule",
    "warmup_epochs",
    "class_weights",
    "augment",
    "augment_views",
)
_FIELDS = {field.name: field for field in dataclasses.fields(Config)}
# Digits of a number that is drawn: enough to tell settings apart, few enough to be read.
_DIGITS = 4
_FORM = re.compile(r"(choice|uniform|log|int)\s*\((.*)\)", re.DOTALL)
_FORMS = "choice(A,B), uniform(LOW,HIGH), log(LOW,HIGH) or int(LOW,HIGH)"


@dataclasses.dataclass(frozen=True)
class Condition:
    """What another flag has to be for a flag to matter.

    Attributes:
        parent: The other flag.
        holds: Says whether a value of it is one with which the flag matters.
        words: That in words.
    """

    parent: str
    holds: Callable[[Any], bool]
    words: str


_FINETUNES = Condition("finetune_epochs", lambda epochs: epochs > 0, "above 0")
CONDITIONS = {
    "head_learning_rate": Condition("head_epochs", lambda epochs: epochs > 0, "above 0"),
    "finetune_learning_rate": _FINETUNES,
    "unfreeze_from": _FINETUNES,
    "warmup_epochs": _FINETUNES,
    "momentum": Condition("optimizer", lambda name: name == "sgd", "sgd"),
    "augment_views": Condition("augment", bool, "not empty"),
}


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values that show whether all are allowed."""
        return self.values


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: The smallest.
        high: The largest.
        is_log: Whether equal ratios are equally likely, rather than equal differences.
        is_whole: Whether only whole numbers are meant.
    """

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values that show whether all are allowed."""
        return (self.low, self.high)

    def clean(self, value: float) -> float:
        """Gives a drawn number with few digits, within the range."""
        if self.is_whole:
            return int(value)
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


@dataclasses.dataclass(frozen=True)
class Space:
    """The flags that a search changes.

    Attributes:
        config: Everything else, and the values that the first trial has.
        dimensions: Flag -> its values; a flag that another depends on comes before it.
        first: Values that are tried before any other, after the flags as given.
    """

    config: Config
    dimensions: Mapping[str, Choice | Range]
    first: tuple[Mapping[str, Any], ...] = ()

    def config_for(self, values: Mapping[str, Any]) -> Config:
        """Gives the config of a trial.

        Args:
            values: Of each flag that matters with the others' values; texts for choices, as
                keras-tuner has them, or the values themselves.

        Returns:
            The config; flags that do not matter have their defaults.

        Raises:
            UsageError: If the values do not go together.
        """
        changes: dict[str, Any] = {}
        for name, value in values.items():
            dimension = self.dimensions[name]
            if isinstance(dimension, Range):
                changes[name] = dimension.clean(value)
            else:
                changes[name] = _from_text(name, value) if isinstance(value, str) else value
        if "=" in str(changes.get("backbone", "")):
            changes["backbone"], _, changes["weights"] = changes["backbone"].partition("=")
        for name, condition in CONDITIONS.items():
            parent = changes.get(condition.parent, getattr(self.config, condition.parent))
            if not condition.holds(parent):
                changes[name] = _FIELDS[name].default
        return dataclasses.replace(self.config, **changes)

    def values_of(self, config: Config) -> dict[str, Any]:
        """Lists what a config has of the flags that are searched and matter to it."""
        return {
            name: self._value_of(name, config)
            for name in self.dimensions
            if name not in CONDITIONS
            or CONDITIONS[name].holds(getattr(config, CONDITIONS[name].parent))
        }

    def has(self, config: Config) -> bool:
        """Says whether a config could be drawn."""
        return all(self._is_in(name, value) for name, value in self.values_of(config).items())

    def active_values(self, name: str) -> list[Any] | None:
        """Lists the values of a flag's parent with which it matters, None if it always does."""
        condition = CONDITIONS.get(name)
        if condition is None or condition.parent not in self.dimensions:
            return None
        parent = self.dimensions[condition.parent]
        values = (
            range(int(parent.low), int(parent.high) + 1)
            if isinstance(parent, Range)
            else parent.values
        )
        return [value for value in values if condition.holds(value)]

    def image_sizes(self) -> list[int]:
        """Lists the sizes in pixels that show whether all are allowed."""
        sizes = self.dimensions.get("image_size")
        return list(map(int, sizes.examples)) if sizes else [self.config.image_size]

    def weights_files(self) -> list[str]:
        """Lists the files of weights that its configs may name, in order."""
        backbones = self.dimensions.get("backbone")
        names = backbones.examples if backbones else ()
        weights = {name.partition("=")[2] or self.config.weights for name in names}
        return sorted((weights or {self.config.weights}).difference(NAMED_WEIGHTS))

    def to_text(self) -> dict[str, str]:
        """Gives each range as it is written in a file."""
        return {name: _to_text(dimension) for name, dimension in self.dimensions.items()}

    def _value_of(self, name: str, config: Config) -> Any:
        """Gives a config's value of a flag as the ranges have it: a backbone with its weights."""
        value = getattr(config, name)
        dimension = self.dimensions[name]
        with_weights = f"{value}={config.weights}"
        if isinstance(dimension, Choice) and with_weights in dimension.values:
            return with_weights
        return value

    def _is_in(self, name: str, value: Any) -> bool:
        dimension = self.dimensions[name]
        if isinstance(dimension, Range):
            return bool(dimension.low <= value <= dimension.high)
        return value in dimension.values


def read_space(ranges: Mapping[str, str], config: Config) -> Space:
    """Reads a search space.

    Args:
        ranges: Flag -> its values, as in `{"dropout": "uniform(0,0.5)", "augment":
            'choice("",flip)'}`. A backbone may bring its weights, as in `choice(A=FILE,B)`.
        config: The flags as they are given; each value of the ranges has to go with them.

    Raises:
        UsageError: If there is no range, a flag is unknown or no matter of a search, or a value
            is outside the flag's limits.
    """
    if not ranges:
        raise bad_value(
            "search_space", "", "is empty", "Give a range, as in --dropout=uniform(0,0.5)"
        )
    for name in ranges:
        if name not in _FIELDS:
            raise unknown_name("search_space", name, SEARCHABLE, what="a flag")
        if name not in SEARCHABLE:
            raise bad_value(
                "search_space",
                name,
                "cannot be searched: it changes no result, or the images that trials are compared "
                "on",
                f"Give it as a plain flag. Searchable: {', '.join(SEARCHABLE)}",
            )
    space = Space(
        config,
        {name: _read_dimension(name, ranges[name]) for name in SEARCHABLE if name in ranges},
    )
    for name, dimension in space.dimensions.items():
        _check_dimension(space, name, dimension)
    return space


def default_space(config: Config, blocks: list[str]) -> Space:
    """Gives what is searched where no space is given.

    It is where fine-tuning pays on small sets of photographs: AdamW at 2e-4 to 1e-3 with a warm-up,
    from the middle or below, with and without mirrored copies, and a third more pixels. What was
    best by hand is tried first (measured on CIFAR-10 with MobileNetV2; the README has the numbers).

    Args:
        config: The flags as they are given.
        blocks: The backbone's blocks from the input up.
    """
    ranges = {
        "optimizer": "choice(adamw)",
        "finetune_learning_rate": "log(0.0002,0.001)",
        "finetune_epochs": "int(4,6)",
        "warmup_epochs": "choice(1.0)",
        "dropout": "choice(0.0,0.2)",
        "augment": 'choice("",flip)',
        "augment_views": "choice(2)",
    }
    if config.weights == "none":
        epochs = config.finetune_epochs
        ranges["finetune_learning_rate"] = "log(0.0005,0.005)"
        ranges["finetune_epochs"] = f"int({epochs},{2 * epochs})"
        return read_space(ranges, config)
    # A third more pixels, as a number that networks halve five times without a rest; none for
    # weights that are good at one size alone.
    larger = config.image_size
    if config.weights != BUNDLED:
        larger = min(32 * round(larger * 4 / 3 / 32), LARGEST_SIZE)
    depths = dict.fromkeys(blocks[round(len(blocks) * share)] for share in (6 / 16, 3 / 16))
    ranges["image_size"] = f"choice({','.join(map(str, sorted({config.image_size, larger})))})"
    ranges["unfreeze_from"] = f"choice({','.join(depths)})"
    by_hand = {
        "optimizer": "adamw",
        "finetune_learning_rate": 0.0005,
        "finetune_epochs": 6,
        "warmup_epochs": 1.0,
        "dropout": 0.0,
        "augment": "flip",
        "augment_views": 2,
        "image_size": larger,
        "unfreeze_from": list(depths)[-1],
    }
    return dataclasses.replace(read_space(ranges, config), first=(by_hand,))


def _read_dimension(name: str, text: str) -> Choice | Range:
    match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise bad_value("search_space", f"{name}={text}", "is no range", f"Write {_FORMS}")
    form, inside = match[1], match[2].strip()
    parts = next(csv.reader([inside], skipinitialspace=True), [])
    if form == "choice":
        if not parts:
            raise bad_value("search_space", f"{name}={text}", "has no value", "Write choice(A,B)")
        return Choice(tuple(dict.fromkeys(_from_text(name, part.strip()) for part in parts)))
    return _read_range(name, text, form, parts)


def _read_range(name: str, text: str, form: str, parts: list[str]) -> Range:
    given = f"{name}={text}"
    kind = _FIELDS[name].type
    if kind not in (int, float):
        raise bad_value(
            "search_space", given, "is of a flag that is no number", "Write choice(A,B)"
        )
    if (form == "int") != (kind is int):
        takes = "int(LOW,HIGH)" if kind is int else "uniform(LOW,HIGH) or log(LOW,HIGH)"
        raise bad_value("search_space", given, "is of the wrong kind", f"Write {takes}")
    try:
        low, high = (kind(part) for part in parts)
    except ValueError as error:
        raise bad_value(
            "search_space", given, "has no two numbers", f"Write {form}(LOW,HIGH)"
        ) from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise bad_value("search_space", given, "does not rise", "Write the lower number first")
    if form == "log" and low <= 0:
        raise bad_value(
            "search_space", given, "has no logarithm", "Start above 0, or write uniform(LOW,HIGH)"
        )
    return Range(low, high, is_log=form == "log", is_whole=form == "int")


def _from_text(name: str, text: str) -> Any:
    kind = _FIELDS[name].type
    if kind is str:
        return text
    try:
        return kind(text)  # type: ignore[operator]
    except ValueError as error:
        words = "a whole number" if kind is int else "a number"
        raise bad_value("search_space", f"{name}={text}", f"is not {words}", "Give one") from error


def _to_text(dimension: Choice | Range) -> str:
    if isinstance(dimension, Range):
        form = "int" if dimension.is_whole else "log" if dimension.is_log else "uniform"
        return f"{form}({dimension.low!r},{dimension.high!r})"
    return f"choice({','.join(map(_quoted, dimension.values))})"


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if "," in text or not text else text


def _parent_value(space: Space, name: str) -> dict[str, Any]:
    """Gives a flag's parent a value with which the flag matters, if it has one in the space.

    Raises:
        UsageError: If it never matters.
    """
    if name not in CONDITIONS:
        return {}
    condition = CONDITIONS[name]
    active = space.active_values(name)
    if active is None:
        active = [
            value for value in [getattr(space.config, condition.parent)] if condition.holds(value)
        ]
    if not active:
        raise bad_value(
            "search_space",
            name,
            f"never matters, as {condition.parent} is never {condition.words}",
            f"Leave it out, or let {condition.parent} be {condition.words}",
        )
    return {condition.parent: active[-1]} if condition.parent in space.dimensions else {}


def _check_dimension(space: Space, name: str, dimension: Choice | Range) -> None:
    """Builds a config of each value that shows whether all are allowed."""
    parent = _parent_value(space, name)
    others = {other: known.examples[-1] for other, known in space.dimensions.items()}
    for value in dimension.examples:
        try:
            config = space.config_for({**parent, name: value})
        except KerastlError as error:
            # It may go only with another value of a flag that is searched too.
            with contextlib.suppress(KerastlError):
                space.config_for({**others, **parent, name: value})
                continue
            raise UsageError(f"search_space={name}: {error}") from error
        if name == "backbone":
            if config.backbone not in BACKBONES:
                raise unknown_name(
                    "search_space",
                    config.backbone,
                    BACKBONES,
                    what="a backbone of keras.applications",
                )
            check_weights(config.weights)
