import importlib
import inspect

import keras
import numpy as np
import pytest

from kerastl.errors import UsageError
from kerastl.model.backbones import BACKBONES, find_backbone
from kerastl.model.boundaries import flatten
from kerastl.model.build import scale_pixels

# What families make of one pixel, from their `preprocess_input`.
CONSTANT = (255, 128, 0)
CAFFE = (-103.939, 11.221, 131.320)
SYMMETRIC = (1.0, 0.004, -1.0)
STANDARDIZED = (2.249, 0.205, -1.804)
# One network of each family, small enough to build here; its last block.
TOP_BLOCKS = {
    "ConvNeXtTiny": "stage4",
    "DenseNet121": "conv5",
    "EfficientNetB0": "block7",
    "EfficientNetV2B0": "block6",
    "InceptionResNetV2": "block8_10",
    "InceptionV3": "mixed10",
    "MobileNet": "conv_13",
    "MobileNetV2": "block_16",
    "MobileNetV3Small": "expanded_conv_10",
    "NASNetMobile": "normal_concat_12",
    "ResNet50": "conv5",
    "ResNet50V2": "conv5",
    "VGG16": "block5",
    "VGG19": "block5",
    "Xception": "block14",
}


def scaled(row, pixels):
    images = keras.Input(pixels.shape[1:])
    return keras.Model(images, scale_pixels(images, row.scaling))(pixels).numpy()


def build(name, size=None):
    size = size or BACKBONES[name].minimum_size
    return getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(size, size, 3)
    )


def test_every_builder_has_a_row():
    builders = {
        name for name, value in vars(keras.applications).items() if inspect.isfunction(value)
    }
    assert set(BACKBONES) == builders
    assert len(builders) == 40


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


def test_misspelt_name_gets_the_near_one():
    with pytest.raises(UsageError, match=r"backbone='Resnet5': .* Did you mean 'ResNet50'\?"):
        find_backbone("Resnet5", image_size=224)


def test_too_small_images_are_refused_with_the_minimum():
    with pytest.raises(UsageError, match=r"image_size=20: is below the 32 pixels that ResNet50"):
        find_backbone("ResNet50", image_size=20)
    assert find_backbone("ResNet50", image_size=32).name == "ResNet50"


@pytest.mark.parametrize("name", ["ResNet50", "InceptionV3", "Xception", "MobileNetV2"])
def test_minimum_size_is_what_the_builder_takes(name):
    build(name)
    with pytest.raises(ValueError, match="Input size must be at least"):
        build(name, BACKBONES[name].minimum_size - 1)


@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV2", "ResNet50", "VGG16", "InceptionV3"])
def test_top_block(name):
    labels = BACKBONES[name].blocks.label([layer.name for layer in build(name).layers])
    assert [label for label in labels if label][-1] == TOP_BLOCKS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", TOP_BLOCKS)
def test_top_block_of_every_family(name):
    layers = [step.layer.name for step in flatten(build(name)).steps]
    assert [label for label in BACKBONES[name].blocks.label(layers) if label][-1] == TOP_BLOCKS[
        name
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_builds_at_its_minimum(name):
    assert build(name).output.shape[-1] > 100
    with pytest.raises(ValueError, match="Input size must be at least"):
        build(name, BACKBONES[name].minimum_size - 1)
