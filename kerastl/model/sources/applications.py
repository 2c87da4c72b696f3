"""The networks of `keras.applications`, a row for each."""

import dataclasses
import re
from collections.abc import Iterable

from kerastl.environment import keras_home
from kerastl.model.backbones import (
    CAFFE,
    INSIDE,
    STANDARDIZED,
    SYMMETRIC,
    Backbone,
    Blocks,
    Scaling,
)
from kerastl.settings.model import BUNDLED_BACKBONE


def _same(match: re.Match[str]) -> str:
    return match[1]


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


# Parameters without the classifier, as https://keras.io/api/applications/ builds the networks.
_PARAMETERS = {
    "ConvNeXtTiny": 27_820_128,
    "ConvNeXtSmall": 49_454_688,
    "ConvNeXtBase": 87_566_464,
    "ConvNeXtLarge": 196_230_336,
    "ConvNeXtXLarge": 348_147_968,
    "DenseNet121": 7_037_504,
    "DenseNet169": 12_642_880,
    "DenseNet201": 18_321_984,
    "EfficientNetB0": 4_049_571,
    "EfficientNetB1": 6_575_239,
    "EfficientNetB2": 7_768_569,
    "EfficientNetB3": 10_783_535,
    "EfficientNetB4": 17_673_823,
    "EfficientNetB5": 28_513_527,
    "EfficientNetB6": 40_960_143,
    "EfficientNetB7": 64_097_687,
    "EfficientNetV2B0": 5_919_312,
    "EfficientNetV2B1": 6_931_124,
    "EfficientNetV2B2": 8_769_374,
    "EfficientNetV2B3": 12_930_622,
    "EfficientNetV2S": 20_331_360,
    "EfficientNetV2M": 53_150_388,
    "EfficientNetV2L": 117_746_848,
    "InceptionResNetV2": 54_336_736,
    "InceptionV3": 21_802_784,
    "MobileNet": 3_228_864,
    "MobileNetV2": 2_257_984,
    "MobileNetV2_035": 410_208,
    "MobileNetV3Large": 2_996_352,
    "MobileNetV3Small": 939_120,
    "NASNetLarge": 84_916_818,
    "NASNetMobile": 4_269_716,
    "ResNet50": 23_587_712,
    "ResNet101": 42_658_176,
    "ResNet152": 58_370_944,
    "ResNet50V2": 23_564_800,
    "ResNet101V2": 42_626_560,
    "ResNet152V2": 58_331_648,
    "VGG16": 14_714_688,
    "VGG19": 20_024_384,
    "Xception": 20_861_480,
}


_MODERN = ("ConvNeXtTiny", "EfficientNetV2S")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Application(Backbone):
    """One network of `keras.applications`.

    Attributes:
        module: Module of `keras.applications` whose `preprocess_input` belongs to it.
        alpha: Factor of the network's width, None for the builder's own. The name is the builder's,
            plus `_` and this in hundredths, if there is one.
    """

    source: str = "applications"
    library: str = "keras.applications"
    module: str
    alpha: float | None = None

    def find_weights(self) -> str:
        """Looks in Keras's folder for a file of the builder's ImageNet weights."""
        if self.name == BUNDLED_BACKBONE:
            return "bundled"
        wanted = re.compile(rf"(weights)?{self.builder}(?!v\d|\d*v\d|_035).*notop.*", re.I)
        folder = keras_home() / "models"
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        names = ((path, re.sub(r"[^a-zA-Z\d]", "", path.name)) for path in files)
        return str(next((path for path, name in names if wanted.match(name)), ""))

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
) -> list["Application"]:
    return [
        Application(
            name=name,
            module=module,
            scaling=scaling,
            blocks=blocks,
            minimum_size=minimum_size,
            parameters=_PARAMETERS[name],
            is_modern=name in _MODERN,
        )
        for name in names.split()
    ]


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
        [
            Application(
                name="MobileNetV2_035",
                module="mobilenet_v2",
                scaling=SYMMETRIC,
                blocks=_MOBILENET_V2,
                alpha=0.35,
                parameters=_PARAMETERS["MobileNetV2_035"],
            )
        ],
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


def list_rows() -> Iterable[Application]:
    """Returns the rows of all networks."""
    return BACKBONES.values()


def find(name: str) -> Application | None:
    """Finds the row of a network; None if no builder has this name."""
    return BACKBONES.get(name)
