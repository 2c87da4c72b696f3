"""What is known of a pretrained network before it is built: a row, whatever its source.

The rows are in `sources`, a module for each source. Nothing here imports Keras, so that a
misspelled name is refused before a slow import.
"""

import dataclasses
import math
import pathlib
import re
from collections.abc import Callable, Sequence

from kerastl.errors import bad_value, closest
from kerastl.settings import ModelSettings
from kerastl.settings.images import BUNDLED_SIZE
from kerastl.settings.model import BUNDLED, IMAGENET, OWN

# Weights that are not a file.
NAMED_WEIGHTS = (IMAGENET, BUNDLED, OWN, "none")


@dataclasses.dataclass(frozen=True)
class Scaling:
    """Converts RGB pixels in 0..255 to the values that a network was trained on.

    The result is `pixel * scale + offset` for each channel, after the channels are
    converted to BGR if `to_bgr` is set.
    """

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    to_bgr: bool = False


# The three rules are those of `keras.applications.imagenet_utils.preprocess_input`,
# https://github.com/keras-team/keras/blob/v3.15.1/keras/src/applications/imagenet_utils.py
# BGR with ImageNet's mean subtracted, as Caffe's networks were trained.
CAFFE = Scaling((1.0, 1.0, 1.0), (-103.939, -116.779, -123.68), to_bgr=True)
# From 0 to 1, as many networks are trained that nobody published.
UNIT = Scaling((1 / 255,) * 3, (0.0,) * 3)
# From -1 to 1, as TensorFlow's were.
SYMMETRIC = Scaling((1 / 127.5,) * 3, (-1.0,) * 3)
# From 0 to 1, then ImageNet's mean and standard deviation, as PyTorch's were.
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STANDARDIZED = Scaling(
    tuple(1 / (255 * deviation) for deviation in IMAGENET_DEVIATION),  # type: ignore[arg-type]
    tuple(
        -mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)
    ),  # type: ignore[arg-type]
)
# The network scales its own input: its family's `preprocess_input` changes nothing.
INSIDE = None
# Value of `--input_scaling` -> the rule.
_RULES = (UNIT, SYMMETRIC, STANDARDIZED, CAFFE, None)
SCALINGS = dict(zip(("0..1", "-1..1", "imagenet", "caffe", "none"), _RULES, strict=True))


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Reads the block that a layer belongs to from layers' names.

    Attributes:
        patterns: Regular expressions for a layer's name, and what makes the block's name of
            the match.
        at_end: Whether a matching layer closes its block, which then holds the layers since
            the block before. Otherwise it is itself a member.
    """

    patterns: tuple[tuple[str, Callable[[re.Match[str]], str]], ...]
    at_end: bool = False

    def label(self, layer_names: Sequence[str]) -> list[str | None]:
        """Names the block of each layer, None where a layer is in none."""
        own = [self._match(name) for name in layer_names]
        if not self.at_end:
            return own
        labels: list[str | None] = []
        block = None
        for name in reversed(own):
            block = name or block
            labels.append(block)
        return labels[::-1]

    def _match(self, layer_name: str) -> str | None:
        for pattern, name_of in self.patterns:
            if match := re.search(pattern, layer_name):
                return name_of(match)
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backbone:
    """One pretrained network, whatever its source.

    Attributes:
        name: Value of `--backbone`.
        source: Where it comes from: the name of a module of `kerastl.model.sources`, which finds
            rows, and of one of `kerastl.model.building`, which builds networks.
        library: What has it, in words.
        label: What it is called where files are compared by their contents, not by their paths.
        scaling: Input scaling, None where the network does it itself or is known only when it is
            built.
        blocks: How its layers form blocks, None where that follows from names and the graph.
        minimum_size: Smallest image side that it takes, in pixels.
        size_multiple: What image sides must be a multiple of, in pixels.
        usual_size: The image side that it was made for, in pixels, which is never refused; 0 where
            that is not known.
        only_size: The only image side that it takes, in pixels; 0 for any.
        takes_scaling: Whether settings have to give its input scaling.
        parameters: How many, without its classifier; 0 where that is not known.
        sees: What the head sees of it, in words.
        licence: Licence of its weights, where their source names it.
        reads_text: Whether it compares images with texts.
        is_transformer: Whether a transformer, for which a recipe has other rates and depths.
        is_modern: Whether it is one of the few, since 2021 and of at most 100 million parameters
            for images, that differ in how they were trained.
        brings_resize: Whether a rule by which images are resized comes with its weights.
        unwritten: Formats of exports whose converter fails on it.
    """

    name: str
    source: str
    library: str = ""
    label: str = ""
    scaling: Scaling | None = None
    blocks: Blocks | None = None
    minimum_size: int = 32
    size_multiple: int = 1
    usual_size: int = 0
    only_size: int = 0
    takes_scaling: bool = False
    parameters: int = 0
    sees: str = "mean of the map"
    licence: str = ""
    reads_text: bool = False
    is_transformer: bool = False
    is_modern: bool = False
    brings_resize: bool = False
    unwritten: tuple[str, ...] = ()

    @property
    def sizes(self) -> str:
        """The image sides that it takes, in words."""
        if self.only_size:
            return f"{self.only_size}"
        several = self.size_multiple > 1
        taken = f"multiples of {self.size_multiple}" if several else f"{self.minimum_size} and more"
        return f"{taken}, best {self.usual_size}" if self.usual_size else taken

    @property
    def scaled(self) -> str:
        """What it takes pixels as, in words."""
        return name_of_scaling(self.scaling) if self.scaling else "by itself"

    def find_weights(self) -> str:
        """Returns where on this machine its weights are; empty where they are not."""
        return ""

    def why_unlisted(self) -> str:
        """Returns why a list of networks leaves it out, as in "are damaged"; empty if none does."""
        return ""

    def describe_download(self) -> str:
        """Describes where its weights are about to come from, and under which licence.

        Empty where they are on this machine, or their source names no licence.
        """
        return ""

    def check(self, settings: ModelSettings) -> None:
        """Refuses settings that do not go with it, before it is built.

        Raises:
            UsageError: If it takes no such images, scales them by itself, or reads no texts.
        """
        self.check_size(settings.image_size)
        if settings.input_scaling and not self.takes_scaling:
            raise bad_value(
                "input_scaling",
                settings.input_scaling,
                f"is for a network of your own, and {self.name} has a scaling",
                "Leave it out",
            )
        if settings.class_prompts and not self.reads_text:
            raise bad_value(
                "class_prompts",
                settings.class_prompts,
                f"is for a network with a text tower, and {self.name} has none",
                "Leave it out, or use CLIP or SigLIP, as in --backbone=hub:clip_vit_base_patch16",
            )

    def check_formats(self, formats: Sequence[str]) -> None:
        """Refuses formats whose converter fails on it.

        Raises:
            UsageError: If there is one.
        """
        for name in formats:
            if name in self.unwritten:
                raise bad_value(
                    "format",
                    ",".join(formats),
                    f"has {name}, whose converter fails on {self.name}",
                    f"Leave {name} out",
                )

    def accepts(self, image_size: int) -> bool:
        """Returns whether it takes images of this size."""
        return not any(self._problem_of(image_size))

    def check_size(self, image_size: int) -> None:
        """Refuses images of a size that it does not take.

        Raises:
            UsageError: With a size that it takes.
        """
        problem, advice = self._problem_of(image_size)
        if problem:
            raise bad_value("image_size", image_size, problem, advice)

    def _problem_of(self, image_size: int) -> tuple[str, str]:
        if image_size == self.usual_size:
            # Also where patches leave a rest, as 14 of SigLIP's 384: their convolution drops it.
            return "", ""
        if self.only_size not in (0, image_size):
            return (
                f"is not the {self.only_size} pixels that {self.name} takes",
                f"Use --image_size={self.only_size}; images are resized to it",
            )
        if image_size < self.minimum_size:
            return (
                f"is below the {self.minimum_size} pixels that {self.name} needs",
                f"Use --image_size={self.minimum_size} or more; smaller images are enlarged",
            )
        if remainder := image_size % self.size_multiple:
            return (
                f"is no multiple of the {self.size_multiple} pixels of a patch of {self.name}",
                f"Use --image_size={image_size - remainder + self.size_multiple}",
            )
        return "", ""


def name_of_scaling(scaling: Scaling | None) -> str:
    """Returns what `--input_scaling` calls a rule, up to rounding; another one is "its own"."""
    for name, known in SCALINGS.items():
        if scaling is known is None:
            return name
        if scaling and known and scaling.to_bgr == known.to_bgr:
            pairs = zip(scaling.scale + scaling.offset, known.scale + known.offset, strict=True)
            if all(math.isclose(one, other, rel_tol=1e-3) for one, other in pairs):
                return name
    return "its own"


def bundled_size_note(weights: str, image_size: int) -> str:
    """Describes what bundled weights lose at an image size other than theirs; empty at theirs."""
    if weights != BUNDLED or image_size == BUNDLED_SIZE:
        return ""
    return (
        f"image_size={image_size} is not the {BUNDLED_SIZE} px that the bundled weights were "
        "trained at; at 96 px a linear probe on them lost 10 points of accuracy on digits and 6 on "
        "CIFAR-10"
    )


def check_weights(weights: str) -> None:
    """Refuses values that are neither a known name nor a weights file.

    Raises:
        UsageError: If the file is not there, or has another ending.
    """
    if weights in NAMED_WEIGHTS:
        return
    if not pathlib.Path(weights).is_file():
        near = closest(weights, NAMED_WEIGHTS)
        advice = f"Did you mean {near[0]!r}? " if near else ""
        raise bad_value(
            "weights",
            weights,
            "is not a file",
            f"{advice}Use {', '.join(NAMED_WEIGHTS)} or the path of a weights file",
        )
    if not weights.endswith((".h5", ".keras")):
        raise bad_value(
            "weights",
            weights,
            "does not end in .weights.h5, .h5 or .keras",
            "Give a file that Keras wrote",
        )
