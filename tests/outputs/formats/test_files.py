"""The formats that are a file: names and types of inputs and outputs, and no loose ends."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl.export_formats import FORMATS
from kerastl.model.build import build_classifier
from kerastl.model.mirrored import average_mirrored
from kerastl.outputs.artifact import count_ties
from kerastl.outputs.exporting import make_exportable
from kerastl.outputs.formats.finding import format_module
from kerastl.outputs.formats.interface import label_text
from kerastl.training.known_images import KnownImages, features_in
from litert_reading import read_metadata


def exportable(network=None, *, num_classes=3, spread=1.0, count=3, mirrored=False):
    """A model whose head has random weights, of this spread, and pixels of noise to draw from."""
    shape = (fakes.IMAGE_SIZE, fakes.IMAGE_SIZE, 3)
    network = network or fakes.tiny_net(
        include_top=False, weights=None, input_shape=shape, name="backbone"
    )
    classifier = build_classifier(network, scaling=None, num_classes=num_classes, dropout=0.5)
    kernel = classifier.get_layer("logits").kernel
    kernel.assign(spread * np.random.default_rng(0).normal(size=kernel.shape))
    card = {
        "input": {"image_size": fakes.IMAGE_SIZE, "resize": "crop"},
        "class_names": [f"name {number}" for number in range(num_classes)],
    }
    if mirrored:
        classifier = average_mirrored(classifier)
    return make_exportable(classifier, card, draw_images=lambda: pixels(count))


def pixels(count):
    return np.float32(np.arange(count * 768).reshape(count, 16, 16, 3) % 256)


def known_of(features):
    """What decides which images are known: half of those with these features."""
    rng = np.random.default_rng(1)
    shapes = ((channels := features.shape[1],), (channels, 5), (3, 5))
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    known = KnownImages(0.5, 0, len(features), *arrays)
    return dataclasses.replace(
        known, max_distance=float(np.median(known.describe(features)["distance"]))
    )


@pytest.mark.thorough
@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_file_has_which_images_are_known_and_a_client_of_probabilities_gets_the_same(
    name, mirrored, tmp_path
):
    pytest.importorskip(FORMATS[name].modules[0])
    module, images = format_module(name), np.floor(noise(40))
    # With a head that is most of it.
    plain = exportable(mirrored=mirrored, num_classes=3000)
    known = known_of(features := features_in(plain.outputs()(images)))
    model = make_exportable(plain.classifier, plain.card, draw_images=list, known=known)
    path = tmp_path / FORMATS[name].file
    module.write(model, path)
    artifact = module.open(path, dict(model.card))
    found, _ = artifact.predict([tf.io.encode_png(np.uint8(image)).numpy() for image in images])
    distances = known.describe(features)["distance"]
    np.testing.assert_allclose(found["distance"], distances, rtol=1e-3)
    np.testing.assert_array_equal(
        found["is_known"], found["distance"] <= np.float32(known.max_distance)
    )
    assert artifact.tells_known
    assert 15 < found["is_known"].sum() < 25
    assert "is_known, bool" in module.read_needs(path)["output"]
    module.write(plain, other := tmp_path / f"plain{path.suffix}")
    opened = module.open(other, dict(plain.card))
    assert not opened.tells_known
    assert "output" not in module.read_needs(other)
    for classify in (artifact.classify, first_output(path)):
        np.testing.assert_allclose(classify(images), opened.classify(images), atol=1e-6)
    # The weights are there once.
    assert path.stat().st_size < 1.5 * other.stat().st_size


@pytest.mark.parametrize("name", ["litert", "litert_float16", "litert_int8"])
def test_activation_with_a_gradient_of_its_own_is_converted(name, tmp_path):
    """Such as the one of EfficientNet, whose files could not be written."""
    pytest.importorskip(FORMATS[name].modules[0])
    images = keras.Input((fakes.IMAGE_SIZE, fakes.IMAGE_SIZE, 3))
    maps = keras.layers.Conv2D(4, 3, activation="swish")(images)
    model = exportable(keras.Model(images, maps, name="backbone"))
    path = tmp_path / FORMATS[name].file
    format_module(name).write(model, path)
    answers = format_module(name).open(path, dict(model.card)).classify(noise(2))
    expected = model.probabilities()(noise(2))["probabilities"]
    np.testing.assert_allclose(answers, expected, atol=0.05)


def first_output(path):
    """What a client gets that knows of one output."""
    if path.suffix == ".onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
        return lambda images: session.run(None, {"images": images})[0]
    model = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    (input_,), (output,) = model.get_input_details(), model.get_output_details()

    def classify(images):
        model.resize_tensor_input(input_["index"], images.shape)
        model.allocate_tensors()
        model.set_tensor(input_["index"], images)
        model.invoke()
        return model.get_tensor(output["index"])

    return classify


def noise(count):
    return np.random.default_rng(0).uniform(0, 255, (count, 16, 16, 3)).astype(np.float32)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["litert", "litert_float16", "litert_int8"])
def test_labels_are_inside_and_change_no_result(name, tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    module, model = format_module(name), exportable()
    module.write(model, tmp_path / "model.tflite")
    found = read_metadata(tmp_path / "model.tflite")
    assert found.labels == model.card["class_names"]
    assert (found.mean, found.deviation) == ([0.0], [1.0])
    monkeypatch.setattr("kerastl.outputs.litert_file.add_metadata", lambda path, labels: None)
    module.write(model, tmp_path / "plain.tflite")
    assert (tmp_path / "plain.tflite").read_bytes() in (tmp_path / "model.tflite").read_bytes()
    classify, plain = (
        module.open(tmp_path / file, dict(model.card)).classify
        for file in ("model.tflite", "plain.tflite")
    )
    np.testing.assert_array_equal(classify(noise(8)), plain(noise(8)))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("num_classes", "spread", "mirrored"), [(300, 0.02, False), (5, 0.0, False), (5, 0.0, True)]
)
def test_8_bits_leave_the_head_as_it_is_where_classes_would_tie(
    num_classes, spread, mirrored, tmp_path
):
    """Both with many classes, and with few that the network hardly tells apart."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    model = exportable(num_classes=num_classes, spread=spread, mirrored=mirrored)
    # Less than a step of 1/256 apart.
    bias = np.linspace(0, 1e-3, num_classes, dtype=np.float32)
    model.classifier.get_layer("logits").bias.assign(bias)
    module = format_module("litert_int8")
    module.write(model, tmp_path / "int8.tflite")
    artifact = module.open(tmp_path / "int8.tflite", dict(model.card))
    probabilities = artifact.classify(noise(200))
    assert count_ties(probabilities) < 2
    expected = model.probabilities().predict(noise(200), verbose=0)["probabilities"]
    assert np.mean(probabilities.argmax(1) == expected.argmax(1)) > 0.9
    needs = module.read_needs(tmp_path / "int8.tflite")
    assert needs["input"].startswith("images, float32")
    assert needs["output"].endswith("from a head in float32")
    details = interpreter.Interpreter(str(tmp_path / "int8.tflite")).get_tensor_details()
    assert np.int8 in {detail["dtype"] for detail in details}
    assert read_metadata(tmp_path / "int8.tflite").labels == model.card["class_names"]


@pytest.mark.thorough
def test_bytes_of_an_image_go_into_8_bits_as_they_are(tmp_path):
    """Also where the training images are dark, and those of a camera are not."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    model = dataclasses.replace(exportable(), draw_images=lambda: pixels(50) * 0.4)
    module = format_module("litert_int8")
    module.write(model, tmp_path / "int8.tflite")
    runtime = interpreter.Interpreter(str(tmp_path / "int8.tflite"))
    (input_,), (output,) = runtime.get_input_details(), runtime.get_output_details()
    assert (input_["dtype"], input_["quantization"]) == (np.uint8, (1.0, 0))
    needs = module.read_needs(tmp_path / "int8.tflite")
    assert (needs["output_scale"], needs["output_zero"]) == output["quantization"] == (1 / 256, 0)
    bright = np.round(noise(1))
    runtime.allocate_tensors()
    runtime.set_tensor(input_["index"], bright.astype(np.uint8))
    runtime.invoke()
    expected = module.open(tmp_path / "int8.tflite", dict(model.card)).classify(bright)
    np.testing.assert_array_equal(runtime.get_tensor(output["index"]) / 256, expected)


@pytest.mark.thorough
def test_weights_of_16_bits_agree_and_take_floats(tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    module, model = format_module("litert_float16"), exportable()
    module.write(model, tmp_path / "half.tflite")
    runtime = interpreter.Interpreter(str(tmp_path / "half.tflite"))
    kinds = {detail["dtype"] for detail in runtime.get_tensor_details()}
    assert {np.float16, np.float32} <= kinds
    expected = model.probabilities().predict(noise(20), verbose=0)["probabilities"]
    found = module.open(tmp_path / "half.tflite", dict(model.card)).classify(noise(20))
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert np.abs(found - expected).max() > 0


@pytest.mark.parametrize(
    ("rows", "ties"),
    [
        ([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], 1),
        ([[0.0, 0.0, 0.0]], 1),
        ([[0.25, 0.25, 0.5]], 0),
        ([[np.nan, 0.5, 0.5]], 0),
    ],
)
def test_ties_are_of_the_highest_probability(rows, ties):
    assert count_ties(np.array(rows, np.float32)) == ties


@pytest.mark.thorough
def test_needs_are_those_in_the_files(tmp_path):
    pytest.importorskip("ai_edge_litert")
    onnx = pytest.importorskip("onnx")
    model = exportable()
    needs = {}
    for name, row in FORMATS.items():
        path = tmp_path / (row.file or name)
        format_module(name).write(model, path)
        needs[name] = format_module(name).read_needs(path)
        assert needs[name]["oldest_runtime"]
    written = onnx.load(tmp_path / "model.onnx")
    # With later ones the oldest runtime is another.
    assert needs["onnx"]["ir_version"] == written.ir_version == 8
    assert needs["onnx"]["opset_version"] == written.opset_import[0].version == 15
    assert needs["onnx"]["oldest_runtime"] == "ONNX Runtime 1.9"
    assert needs["keras"]["keras_version"] == keras.version()
    loaded = tf.saved_model.load(str(tmp_path / "savedmodel"))
    assert needs["savedmodel"]["tensorflow_version"] == loaded.tensorflow_version
    for name in ("litert", "litert_int8"):
        content = (tmp_path / FORMATS[name].file).read_bytes()
        version = needs[name]["min_runtime_version"]
        assert version.encode() + b"\0" in content
        assert {"CONV_2D", "SOFTMAX"} <= set(needs[name]["operator_versions"])
    # Quantized operations came later than those of floats.
    versions = [needs[name]["operator_versions"]["CONV_2D"] for name in ("litert", "litert_int8")]
    assert versions[0] < versions[1]


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
def test_onnx_has_exact_gelu(tmp_path, caplog):
    """As most transformers have it, with an operation that the converter does not know."""
    pytest.importorskip("onnxruntime")
    images = keras.Input((16, 16, 3))
    scaled = keras.layers.Rescaling(1 / 128, -1)(images)
    features = keras.layers.Conv2D(8, 3, activation="gelu")(scaled)
    features = keras.layers.Conv2D(8, 3, activation="gelu")(features)
    model = exportable(keras.Model(images, features, name="backbone"))
    format_module("onnx").write(model, tmp_path / "model.onnx")
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
    opened = format_module("onnx").open(tmp_path / "model.onnx", dict(model.card))
    expected = model.probabilities().predict(noise(3), verbose=0)["probabilities"]
    np.testing.assert_allclose(opened.classify(noise(3)), expected, atol=1e-5)


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
    expected = model.probabilities().predict(pixels(3), verbose=0)["probabilities"]
    np.testing.assert_allclose(opened.classify(pixels(3)), expected, atol=1e-5)
    # The model itself is as it was.
    assert [weight.path for weight in model.classifier.weights] == before
    assert keras.ops.is_tensor(normalization.mean)


def test_file_of_labels_has_a_line_for_each_class_whatever_its_name():
    names = ("two\nlines", "a\u2028separator", "čeština, ano", "plain")
    lines = label_text(names).splitlines()
    assert lines == ["two lines", "a separator", "čeština, ano", "plain"]
