import keras
import numpy as np
import pytest

import fakes
from kerastl.model.backbones import BACKBONES
from kerastl.model.boundaries import find_boundaries, flatten

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


def check_parts(model, boundaries, flat):
    images = np.random.default_rng(0).uniform(-1, 1, (2, *model.input.shape[1:])).astype("float32")
    whole = model(images, training=False)
    # Random weights can make it small; then a fixed tolerance would prove nothing.
    scale = np.abs(whole).max()
    assert np.std(whole) > 0
    # Above the last one, the output itself, there is nothing.
    for boundary in boundaries:
        if boundary.tensor is flat.outputs:
            continue
        lower = keras.Model(flat.inputs, boundary.tensor)
        upper = keras.Model(boundary.tensor, flat.outputs)
        parts = upper(lower(images, training=False), training=False)
        np.testing.assert_allclose(parts / scale, whole / scale, atol=1e-5)


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_number_of_boundaries(name):
    assert len(find_boundaries(flatten(build(name)))) == COUNTS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_number_of_boundaries_of_every_counted_network(name):
    assert len(find_boundaries(flatten(build(name)))) == COUNTS[name]


def test_no_boundary_inside_a_residual_block():
    flat = flatten(tiny())
    below = {flat.steps[place.position - 1].layer.name for place in find_boundaries(flat)[1:]}
    assert "block1_conv" not in below
    assert {"stem_drop", "block1_add", "block2_bn"} <= below


def test_parts_make_the_whole_at_every_boundary():
    model = tiny()
    flat = flatten(model)
    check_parts(model, find_boundaries(flat), flat)


def test_boundaries_inside_nested_models():
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="a"), keras.layers.ReLU(name="b")],
        name="inner",
    )
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.layers.Conv2D(2, 3, name="c")(inner(images)))
    flat = flatten(model)
    assert [step.layer.name for step in flat.steps] == ["a", "b", "c"]
    assert [step.path for step in flat.steps] == [("inner",), ("inner",), ()]
    boundaries = find_boundaries(flat)
    assert [place.position for place in boundaries] == [0, 1, 2, 3]
    check_parts(model, boundaries, flat)


def test_boundaries_inside_the_nested_models_of_a_convnext():
    flat = flatten(build("ConvNeXtTiny"))
    below = [flat.steps[place.position - 1] for place in find_boundaries(flat)[1:]]
    nested = [step for step in below if step.path]
    # A convolution and a normalization each, in the stem and before each later stage.
    assert len({step.path for step in nested}) == 4
    assert len(nested) == 8
    # Input, its normalization, 18 blocks and the last normalization are the others.
    assert len(below) - len(nested) == 20


def test_parts_make_the_whole_of_a_real_backbone():
    model = build("MobileNetV2")
    flat = flatten(model)
    check_parts(model, find_boundaries(flat)[::25], flat)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50", "ConvNeXtTiny", "NASNetMobile"])
def test_parts_make_the_whole_at_every_boundary_of_real_backbones(name):
    model = build(name)
    flat = flatten(model)
    check_parts(model, find_boundaries(flat), flat)


def test_layers_are_shared_with_the_model():
    model = tiny()
    flat = flatten(model)
    shared = keras.Model(flat.inputs, flat.outputs)
    assert {id(weight) for weight in shared.weights} == {id(weight) for weight in model.weights}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_parts_make_the_whole_for_every_backbone(name):
    model = build(name)
    flat = flatten(model)
    boundaries = find_boundaries(flat)
    assert len(boundaries) >= 5
    # The first, the last and two between.
    check_parts(model, boundaries[:: max(1, len(boundaries) // 3)], flat)
