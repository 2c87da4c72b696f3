import keras
import numpy as np
import tensorflow as tf

import fakes
from kerastl.model.backbones import SYMMETRIC
from kerastl.model.build import build_classifier
from kerastl.model.constants import without_weights
from kerastl.model.mirrored import probabilities_of

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)


def make():
    """A network that normalizes by tensors, as EfficientNet does, with random weights."""
    images = keras.Input((16, 16, 3))
    normalize = keras.layers.Normalization(mean=[0.5, 0.4, 0.3], variance=[0.2, 0.1, 0.3])
    network = fakes.tiny_net(include_top=False, weights=None, input_shape=(16, 16, 3))
    backbone = keras.Model(images, network(normalize(images)), name="backbone")
    classifier = build_classifier(backbone, scaling=SYMMETRIC, num_classes=4, dropout=0.5)
    kernel = classifier.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    return probabilities_of(classifier)


def test_model_without_weights_computes_the_same():
    model = make()
    constant = without_weights(model)
    assert not constant.weights
    expected = model(IMAGES)
    found = constant(IMAGES)
    assert found.keys() == expected.keys() == {"probabilities"}
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-7)
    # Later changes of the weights are not those of the model that was converted.
    for weight in model.weights:
        weight.assign(weight * 0.5)
    np.testing.assert_array_equal(constant(IMAGES)["probabilities"], found["probabilities"])


def test_graph_takes_nothing_but_images():
    """What else it took would be an input of an ONNX file."""
    constant = without_weights(make())
    spec = tf.TensorSpec([None, 16, 16, 3], name="images")
    traced = tf.function(constant).get_concrete_function(spec)
    assert not traced.captured_inputs


def test_convolutions_of_groups_are_no_functions_of_their_own():
    """ONNX has no such functions."""
    images = keras.Input((16, 16, 4))
    model = keras.Model(images, keras.layers.Conv2D(4, 3, groups=2)(images))
    constant = without_weights(model)
    spec = tf.TensorSpec([None, 16, 16, 4], name="images")
    graph = tf.function(constant).get_concrete_function(spec).graph.as_graph_def()
    inner = [function.signature.name for function in graph.library.function]
    assert any(node.op == "Conv2D" for one in graph.library.function for node in one.node_def)
    assert not [name for name in inner if "conv" in name]
    pixels = np.random.default_rng(0).uniform(size=(2, 16, 16, 4)).astype(np.float32)
    np.testing.assert_allclose(constant(pixels), model(pixels), atol=1e-6)


def test_shifts_along_axes_are_gathered():
    """LiteRT has no operation for them; Swin shifts its windows so."""
    images = keras.Input((6, 5, 3))
    shifted = keras.ops.roll(images, (-2, 1), axis=(1, 2))
    model = keras.Model(images, keras.ops.roll(shifted, 7, axis=2))
    constant = without_weights(model)
    spec = tf.TensorSpec([None, 6, 5, 3], name="images")
    graph = tf.function(constant).get_concrete_function(spec).graph.as_graph_def()
    inner = [node.op for one in graph.library.function for node in one.node_def]
    assert "Roll" not in inner
    assert inner.count("GatherV2") == 3
    pixels = np.random.default_rng(0).uniform(size=(2, 6, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(constant(pixels), model(pixels))
