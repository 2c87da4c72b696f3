"""The formats that are a file: names and types of inputs and outputs, and no loose ends."""

import keras
import numpy as np
import pytest

import fakes
from kerastl.model.build import build_classifier
from kerastl.outputs.exporting import make_exportable
from kerastl.outputs.formats.interface import format_module


def exportable(network=None):
    """A model whose head has random weights."""
    shape = (fakes.IMAGE_SIZE, fakes.IMAGE_SIZE, 3)
    network = network or fakes.tiny_net(
        include_top=False, weights=None, input_shape=shape, name="backbone"
    )
    classifier = build_classifier(network, scaling=None, num_classes=3, dropout=0.5)
    kernel = classifier.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    card = {"input": {"image_size": fakes.IMAGE_SIZE, "resize": "crop"}, "class_names": ["x"] * 3}
    return make_exportable(classifier, card, draw_images=lambda: pixels(3))


def pixels(count):
    return np.float32(np.arange(count * 768).reshape(count, 16, 16, 3) % 256)


@pytest.mark.thorough
def test_litert_has_named_input_and_output(tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    format_module("litert").write(exportable(), tmp_path / "model.tflite")
    signatures = interpreter.Interpreter(str(tmp_path / "model.tflite")).get_signature_list()
    assert signatures["serving_default"] == {"inputs": ["images"], "outputs": ["probabilities"]}


@pytest.mark.thorough
def test_litert_int8_takes_pixels_as_they_are_and_holds_no_floats(tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    format_module("litert_int8").write(exportable(), tmp_path / "int8.tflite")
    model = interpreter.Interpreter(str(tmp_path / "int8.tflite"))
    images, probabilities = model.get_input_details()[0], model.get_output_details()[0]
    assert (images["dtype"], probabilities["dtype"]) == (np.uint8, np.uint8)
    # The file's bytes are the pixels themselves.
    assert images["quantization"] == (1.0, 0)
    assert {detail["dtype"] for detail in model.get_tensor_details()} <= {
        np.int8,
        np.uint8,
        np.int32,
    }


@pytest.mark.thorough
def test_onnx_holds_the_constants_of_normalization_layers(tmp_path):
    """As EfficientNets have one, whose tensors the converter takes for inputs."""
    runtime = pytest.importorskip("onnxruntime")
    images = keras.Input((16, 16, 3))
    normalization = keras.layers.Normalization(name="normalization")
    features = keras.layers.Conv2D(8, 3, name="top")(normalization(images))
    normalization.adapt(pixels(4))
    model = exportable(keras.Model(images, features, name="backbone"))
    before = [weight.path for weight in model.classifier.weights]
    format_module("onnx").write(model, tmp_path / "model.onnx")
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    assert [tensor.name for tensor in session.get_inputs()] == ["images"]
    assert [tensor.name for tensor in session.get_outputs()] == ["probabilities"]
    opened = format_module("onnx").open(tmp_path / "model.onnx", dict(model.card))
    expected = model.probabilities.predict(pixels(3), verbose=0)["probabilities"]
    np.testing.assert_allclose(opened.classify(pixels(3)), expected, atol=1e-5)
    # The model itself is as it was.
    assert [weight.path for weight in model.classifier.weights] == before
    assert keras.ops.is_tensor(normalization.mean)
