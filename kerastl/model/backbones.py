"""A table of the networks of `keras.applications`, a row for each.

Nothing here imports Keras, so that a misspelled name is refused before a slow import.
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Sequence

from kerastl.errors import bad_value, closest, unknown_name
from kerastl.settings.images import BUNDLED_SIZE
from kerastl.settings.model import BUNDLED

# Weights that are not a file.
NAMED_WEIGHTS = ("imagenet", BUNDLED, "none")


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


def _same(match: re.Match[str]) -> str:
    return match[1]


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


_CONV = Blocks(((r"^(conv\d)_", _same),))
_BLOCK = Blocks(((r"^(block\d+)", _same),))
_MOBILENET = Blocks(((r"^conv_(?:dw|pw|pad)_(\d+)", lambda match: f"conv_{match[1]}"),))
_MOBILENET_V2 = Blocks(((r"^(block_\d+)_", _same),))
_MOBILENET_V3 = Blocks(((r"^(expanded_conv(?:_\d+)?)_[a-z]", _same),))
_INCEPTION_V3 = Blocks(((r"^(mixed\d+)$", _same),), at_end=True)
# The last block has no activation of its own; what follows it is the top convolution.
_INCEPTION_RESNET = Blocks(
    (
        (r"^(mixed_\d[ab])$", _same),
        (r"^(block\d+_\d+)_ac$", _same),
        (r"^conv_7b$", lambda _: "block8_10"),
    ),
    at_end=True,
)
_NASNET = Blocks(((r"^((?:normal|reduction)_concat_\w+)$", _same),), at_end=True)
# The paper counts its stages from 1, with the downsampling at the start of a stage;
# Keras counts from 0, https://arxiv.org/abs/2201.03545
_CONVNEXT = Blocks(
    (
        (r"_stage_(\d)_", lambda match: f"stage{int(match[1]) + 1}"),
        (r"_downsampling_\w+?_(\d)$", lambda match: f"stage{int(match[1]) + 2}"),
    )
)


@dataclasses.dataclass(frozen=True)
class Backbone:
    """One network of `keras.applications`.

    Attributes:
        name: Value of `--backbone`: the builder's name, plus `_` and `alpha` in hundredths, if
            there is an alpha.
        module: Module of `keras.applications` whose `preprocess_input` belongs to it.
        scaling: Input scaling, None where the network does it itself.
        blocks: How its layers form blocks.
        minimum_size: Smallest image side that the builder takes, in pixels.
        alpha: Factor of the network's width, None for the builder's own.
    """

    name: str
    module: str
    scaling: Scaling | None
    blocks: Blocks
    minimum_size: int = 32
    alpha: float | None = None

    @property
    def builder(self) -> str:
        """Name of the function of `keras.applications`."""
        return self.name.partition("_")[0]

    @property
    def arguments(self) -> dict[str, float]:
        """Arguments of the builder that choose this network."""
        return {} if self.alpha is None else {"alpha": self.alpha}


def _family(
    names: str, module: str, scaling: Scaling | None, blocks: Blocks, minimum_size: int = 32
) -> list[Backbone]:
    return [Backbone(name, module, scaling, blocks, minimum_size) for name in names.split()]


# Which rule belongs to which family is in each family's `preprocess_input`,
# https://keras.io/api/applications/; the sizes are in each builder's `obtain_input_shape`.
BACKBONES = {
    backbone.name: backbone
    for family in (
        _family(
            "ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge",
            "convnext",
            INSIDE,
            _CONVNEXT,
        ),
        _family("DenseNet121 DenseNet169 DenseNet201", "densenet", STANDARDIZED, _CONV),
        _family(
            "EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3 EfficientNetB4 "
            "EfficientNetB5 EfficientNetB6 EfficientNetB7",
            "efficientnet",
            INSIDE,
            _BLOCK,
        ),
        _family(
            "EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3 "
            "EfficientNetV2S EfficientNetV2M EfficientNetV2L",
            "efficientnet_v2",
            INSIDE,
            _BLOCK,
        ),
        _family("InceptionResNetV2", "inception_resnet_v2", SYMMETRIC, _INCEPTION_RESNET, 75),
        _family("InceptionV3", "inception_v3", SYMMETRIC, _INCEPTION_V3, 75),
        _family("MobileNet", "mobilenet", SYMMETRIC, _MOBILENET),
        _family("MobileNetV2", "mobilenet_v2", SYMMETRIC, _MOBILENET_V2),
        [Backbone("MobileNetV2_035", "mobilenet_v2", SYMMETRIC, _MOBILENET_V2, alpha=0.35)],
        _family("MobileNetV3Large MobileNetV3Small", "mobilenet_v3", INSIDE, _MOBILENET_V3),
        _family("NASNetLarge NASNetMobile", "nasnet", SYMMETRIC, _NASNET),
        _family("ResNet50 ResNet101 ResNet152", "resnet", CAFFE, _CONV),
        _family("ResNet50V2 ResNet101V2 ResNet152V2", "resnet_v2", SYMMETRIC, _CONV),
        _family("VGG16", "vgg16", CAFFE, _BLOCK),
        _family("VGG19", "vgg19", CAFFE, _BLOCK),
        _family("Xception", "xception", SYMMETRIC, _BLOCK, 71),
    )
    for backbone in family
}


def find_backbone(name: str, *, image_size: int) -> Backbone:
    """Finds a backbone's row and checks that it takes images of this size.

    Raises:
        UsageError: If no builder has this name, or images of `image_size` are too small.
    """
    if name not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES, what="a backbone of keras.applications")
    backbone = BACKBONES[name]
    if image_size < backbone.minimum_size:
        raise bad_value(
            "image_size",
            image_size,
            f"is below the {backbone.minimum_size} pixels that {name} needs",
            f"Use --image_size={backbone.minimum_size} or more; smaller images are enlarged",
        )
    return backbone


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
