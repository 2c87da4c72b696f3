import keras
import numpy as np
import pytest

import fakes
from kerastl.model import folding
from kerastl.model.folding import fold, fold_one


@pytest.fixture
def model():
    return fakes.tiny_net(include_top=False, weights=None, input_shape=(16, 16, 3), name="tiny")


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype("float32")


def test_folded_model_computes_what_the_model_does(model, images):
    expected = model(images, training=False)
    np.testing.assert_allclose(fold_one(model)(images), expected, atol=1e-5)
    inner = keras.Model(model.input, [model.get_layer("block1_add").output, model.output])
    block, top = fold(inner)(images)
    np.testing.assert_allclose(top, expected, atol=1e-5)
    assert block.shape == (2, 8, 8, 6)


def test_folded_weights_are_those_of_the_moment(model, images):
    function, before = fold_one(model), model(images, training=False)
    for weight in model.weights:
        weight.assign_add(np.ones(weight.shape))
    np.testing.assert_allclose(function(images), before, atol=1e-5)


def test_model_too_large_for_constants_is_called_as_it_is(model, images, monkeypatch):
    monkeypatch.setattr(folding, "MAX_FOLDED_BYTES", 0)
    expected = model(images, training=False)
    np.testing.assert_array_equal(fold_one(model)(images), expected)
