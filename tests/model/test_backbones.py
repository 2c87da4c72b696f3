import importlib
import inspect

import keras
import numpy as np
import pytest

from kerastl.errors import UsageError
from kerastl.model.boundaries import trace_calls
from kerastl.model.build import scale_pixels
from kerastl.model.sources.applications import BACKBONES
from kerastl.model.sources.table import find_backbone
from kerastl.settings import ModelSettings

# What families make of one pixel, from their `preprocess_input`.
CONSTANT = (255, 128, 0)
CAFFE = (-103.939, 11.221, 131.320)
SYMMETRIC = (1.0, 0.004, -1.0)
STANDARDIZED = (2.249, 0.205, -1.804)
# Parameters without the classifier, as https://keras.io/api/applications/ builds them, and
# the last block.
NETWORKS = {
    "ConvNeXtTiny": (27_820_128, "stage4"),
    "ConvNeXtSmall": (49_454_688, "stage4"),
    "ConvNeXtBase": (87_566_464, "stage4"),
    "ConvNeXtLarge": (196_230_336, "stage4"),
    "ConvNeXtXLarge": (348_147_968, "stage4"),
    "DenseNet121": (7_037_504, "conv5"),
    "DenseNet169": (12_642_880, "conv5"),
    "DenseNet201": (18_321_984, "conv5"),
    "EfficientNetB0": (4_049_571, "block7"),
    "EfficientNetB1": (6_575_239, "block7"),
    "EfficientNetB2": (7_768_569, "block7"),
    "EfficientNetB3": (10_783_535, "block7"),
    "EfficientNetB4": (17_673_823, "block7"),
    "EfficientNetB5": (28_513_527, "block7"),
    "EfficientNetB6": (40_960_143, "block7"),
    "EfficientNetB7": (64_097_687, "block7"),
    "EfficientNetV2B0": (5_919_312, "block6"),
    "EfficientNetV2B1": (6_931_124, "block6"),
    "EfficientNetV2B2": (8_769_374, "block6"),
    "EfficientNetV2B3": (12_930_622, "block6"),
    "EfficientNetV2S": (20_331_360, "block6"),
    "EfficientNetV2M": (53_150_388, "block7"),
    "EfficientNetV2L": (117_746_848, "block7"),
    "InceptionResNetV2": (54_336_736, "block8_10"),
    "InceptionV3": (21_802_784, "mixed10"),
    "MobileNet": (3_228_864, "conv_13"),
    "MobileNetV2": (2_257_984, "block_16"),
    "MobileNetV2_035": (410_208, "block_16"),
    "MobileNetV3Large": (2_996_352, "expanded_conv_14"),
    "MobileNetV3Small": (939_120, "expanded_conv_10"),
    "NASNetLarge": (84_916_818, "normal_concat_18"),
    "NASNetMobile": (4_269_716, "normal_concat_12"),
    "ResNet50": (23_587_712, "conv5"),
    "ResNet101": (42_658_176, "conv5"),
    "ResNet152": (58_370_944, "conv5"),
    "ResNet50V2": (23_564_800, "conv5"),
    "ResNet101V2": (42_626_560, "conv5"),
    "ResNet152V2": (58_331_648, "conv5"),
    "VGG16": (14_714_688, "block5"),
    "VGG19": (20_024_384, "block5"),
    "Xception": (20_861_480, "block14"),
}


def scaled(row, pixels):
    return keras.ops.convert_to_numpy(scale_pixels(pixels, row.scaling))


def build(name, size=None):
    row = BACKBONES[name]
    size = size or row.minimum_size
    return getattr(keras.applications, row.builder)(
        include_top=False, weights=None, input_shape=(size, size, 3), **row.arguments
    )


def test_every_builder_has_a_row():
    builders = {
        name for name, value in vars(keras.applications).items() if inspect.isfunction(value)
    }
    assert {row.builder for row in BACKBONES.values()} == builders
    assert set(BACKBONES) == set(NETWORKS) == builders | {"MobileNetV2_035"}
    assert len(builders) == 40
    assert {name: row.parameters for name, row in BACKBONES.items()} == {
        name: parameters for name, (parameters, _) in NETWORKS.items()
    }


@pytest.mark.parametrize("row", BACKBONES.values(), ids=lambda row: row.name)
def test_scaling_is_that_of_the_family(row):
    module = importlib.import_module(f"keras.applications.{row.module}")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 3, 3, 3)).astype(np.float32)
    np.testing.assert_allclose(
        scaled(row, pixels), module.preprocess_input(pixels.copy()), atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ResNet50", CAFFE),
        ("VGG16", CAFFE),
        ("ResNet50V2", SYMMETRIC),
        ("MobileNetV2", SYMMETRIC),
        ("InceptionV3", SYMMETRIC),
        ("Xception", SYMMETRIC),
        ("NASNetMobile", SYMMETRIC),
        ("DenseNet121", STANDARDIZED),
        ("EfficientNetB0", CONSTANT),
        ("EfficientNetV2B0", CONSTANT),
        ("MobileNetV3Small", CONSTANT),
        ("ConvNeXtTiny", CONSTANT),
    ],
)
def test_constant_image_reaches_the_network_as_published(name, expected):
    pixels = np.full((1, 2, 2, 3), CONSTANT, np.float32)
    np.testing.assert_allclose(scaled(BACKBONES[name], pixels)[0, 0, 0], expected, atol=1e-3)


def test_misspelled_name_gets_the_near_one():
    with pytest.raises(UsageError, match=r"backbone='Resnet5': .* Did you mean 'ResNet50'"):
        find_backbone(ModelSettings(backbone="Resnet5", image_size=224))


def test_too_small_images_are_refused_with_the_minimum():
    with pytest.raises(UsageError, match=r"image_size=20: is below the 32 pixels that ResNet50"):
        find_backbone(ModelSettings(backbone="ResNet50", image_size=20))
    assert find_backbone(ModelSettings(backbone="ResNet50", image_size=32)).name == "ResNet50"


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["ResNet50", "InceptionV3", "Xception", "MobileNetV2"])
def test_minimum_size_is_what_the_builder_takes(name):
    build(name)
    with pytest.raises(ValueError, match="Input size must be at least"):
        build(name, BACKBONES[name].minimum_size - 1)


def check_network(name):
    network = build(name)
    labels = BACKBONES[name].blocks.label([call.layer.name for call in trace_calls(network)[2]])
    found = [label for label in labels if label]
    assert (network.count_params(), found[-1]) == NETWORKS[name]
    assert len(set(found)) >= 4


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", ["MobileNet", "MobileNetV2", "MobileNetV2_035", "ResNet50", "VGG16", "InceptionV3"]
)
def test_parameters_and_top_block(name):
    check_network(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_parameters_top_block_and_minimum_size_of_every_backbone(name):
    check_network(name)
    with pytest.raises(ValueError, match="Input size must be at least"):
        build(name, BACKBONES[name].minimum_size - 1)
