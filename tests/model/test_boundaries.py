import keras
import numpy as np
import pytest

import fakes
from kerastl.model.network import Network
from kerastl.model.sources.applications import BACKBONES

# Places where a single tensor crosses, the network's input and output among them.
COUNTS = {
    "ResNet50": 39,
    "MobileNetV2": 74,
    "DenseNet121": 79,
    "InceptionV3": 29,
    "NASNetMobile": 5,
}


def build(name):
    size = max(BACKBONES[name].minimum_size, 33)
    keras.utils.set_random_seed(0)
    return getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(size, size, 3)
    )


def tiny():
    return fakes.tiny_net(include_top=False, weights=None, input_shape=(16, 16, 3), name="tiny")


def opened(model):
    # Boundaries are the same whatever row a model is taken for.
    return Network.of(model, BACKBONES["MobileNetV2"])


def check_parts(model, boundaries, network):
    images = np.random.default_rng(0).uniform(-1, 1, (2, *model.input.shape[1:])).astype("float32")
    whole = model(images, training=False)
    # Random weights can make it small; then a fixed tolerance would prove nothing.
    scale = np.abs(whole).max()
    assert np.std(whole) > 0
    # Above the last one, the output itself, there is nothing.
    for boundary in boundaries:
        if boundary.tensor is network.outputs:
            continue
        lower = keras.Model(network.inputs, boundary.tensor)
        upper = keras.Model(boundary.tensor, network.outputs)
        parts = upper(lower(images, training=False), training=False)
        np.testing.assert_allclose(parts / scale, whole / scale, atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_number_of_boundaries(name):
    assert len(opened(build(name)).boundaries) == COUNTS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_number_of_boundaries_of_every_counted_network(name):
    assert len(opened(build(name)).boundaries) == COUNTS[name]


def test_no_boundary_inside_a_residual_block():
    network = opened(tiny())
    below = {network.calls[place.position - 1].layer.name for place in network.boundaries[1:]}
    assert "block1_conv" not in below
    assert {"stem_drop", "block1_add", "block2_bn"} <= below


def test_parts_make_the_whole_at_every_boundary():
    model = tiny()
    network = opened(model)
    check_parts(model, network.boundaries, network)


def test_boundaries_inside_nested_models():
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="a"), keras.layers.ReLU(name="b")],
        name="inner",
    )
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.layers.Conv2D(2, 3, name="c")(inner(images)))
    network = opened(model)
    assert [call.layer.name for call in network.calls] == ["a", "b", "c"]
    assert [call.path for call in network.calls] == [("inner",), ("inner",), ()]
    boundaries = network.boundaries
    assert [place.position for place in boundaries] == [0, 1, 2, 3]
    check_parts(model, boundaries, network)


@pytest.mark.thorough
def test_boundaries_inside_the_nested_models_of_a_convnext():
    network = opened(build("ConvNeXtTiny"))
    below = [network.calls[place.position - 1] for place in network.boundaries[1:]]
    nested = [call for call in below if call.path]
    # A convolution and a normalization each, in the stem and before each later stage.
    assert len({call.path for call in nested}) == 4
    assert len(nested) == 8
    # Input, its normalization, 18 blocks and the last normalization are the others.
    assert len(below) - len(nested) == 20


@pytest.mark.thorough
def test_parts_make_the_whole_of_a_real_backbone():
    model = build("MobileNetV2")
    network = opened(model)
    check_parts(model, network.boundaries[::25], network)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50", "ConvNeXtTiny", "NASNetMobile"])
def test_parts_make_the_whole_at_every_boundary_of_real_backbones(name):
    model = build(name)
    network = opened(model)
    check_parts(model, network.boundaries, network)


def test_layers_are_shared_with_the_model():
    model = tiny()
    network = opened(model)
    shared = keras.Model(network.inputs, network.outputs)
    assert {id(weight) for weight in shared.weights} == {id(weight) for weight in model.weights}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_parts_make_the_whole_for_every_backbone(name):
    model = build(name)
    network = opened(model)
    boundaries = network.boundaries
    assert len(boundaries) >= 5
    # The first, the last and two between.
    check_parts(model, boundaries[:: max(1, len(boundaries) // 3)], network)
