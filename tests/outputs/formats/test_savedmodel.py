import csv
import json
import os
import re
import stat

import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl.data.images import decode_and_resize
from kerastl.data.reasons import explain
from picture_files import every_kind, mutate

NAMES = [name.encode() for name in fakes.COLORS]


@pytest.fixture(scope="module")
def served(color_run):
    return tf.saved_model.load(str(color_run.result.export_path))


def noisy_images(count, *, height=20, width=33):
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (count, height, width, 3)).astype(np.uint8)


def png(image):
    return tf.io.encode_png(image).numpy()


def test_signatures_have_the_documented_names_types_and_shapes(served):
    signatures = served.signatures
    inputs = {
        name: signature.structured_input_signature[1] for name, signature in signatures.items()
    }
    assert inputs == {
        "serving_default": {"image_bytes": tf.TensorSpec([None], tf.string, name="image_bytes")},
        "images": {"images": tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")},
        "features": {"image_bytes": tf.TensorSpec([None], tf.string, name="image_bytes")},
    }
    outputs = {
        signature_name: {
            name: (spec.dtype, spec.shape.as_list())
            for name, spec in signature.structured_outputs.items()
        }
        for signature_name, signature in signatures.items()
    }
    assert outputs.pop("features") == {"features": (tf.float32, [None, 8])}
    for of_signature in outputs.values():
        assert of_signature == {
            "logits": (tf.float32, [None, 3]),
            "probabilities": (tf.float32, [None, 3]),
            "class_name": (tf.string, [None]),
            "confidence": (tf.float32, [None]),
        }


@pytest.mark.parametrize("batch", [1, 3, 17])
def test_rows_do_not_depend_on_the_batch(served, batch):
    images = noisy_images(batch)
    files = tf.constant([png(image) for image in images])
    together = served.signatures["serving_default"](image_bytes=files)["probabilities"].numpy()
    pixels = served.signatures["images"](images=tf.constant(images))["probabilities"].numpy()
    assert together.shape == (batch, 3)
    np.testing.assert_allclose(pixels, together, atol=1e-6)
    for row, content in zip(together, files.numpy(), strict=True):
        alone = served.signatures["serving_default"](image_bytes=tf.constant([content]))
        np.testing.assert_allclose(alone["probabilities"].numpy()[0], row, atol=1e-6)


def test_predictions_are_those_of_the_model_on_the_same_files(color_run, served):
    files = [png(image) for image in noisy_images(4)]
    images = np.stack(
        [decode_and_resize(content, image_size=16, rule="crop").numpy() for content in files]
    )
    expected = tf.nn.softmax(color_run.result.model.predict(images, verbose=0)).numpy()
    outputs = served.signatures["serving_default"](image_bytes=tf.constant(files))
    np.testing.assert_allclose(outputs["probabilities"].numpy(), expected, atol=1e-6)


@pytest.mark.thorough
def test_nothing_random_of_the_training_is_served(tmp_path, in_this_process):
    config = fakes.tiny_config(
        tmp_path,
        augment="flip,crop,color",
        dropout=0.5,
        head_epochs=1,
        export_dir=str(tmp_path / "exports"),
    )
    run = fakes.finish_run(config, fakes.color_source(noise=60.0))
    with open(run.result.run_dir / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    number_of = {example: number for number, example in enumerate(run.source.examples)}
    files = tf.constant([run.source.load(number_of[row["example"]]) for row in rows])
    signature = tf.saved_model.load(str(run.result.export_path)).signatures["serving_default"]
    predictions = [signature(image_bytes=files)["probabilities"].numpy() for _ in range(20)]
    for again in predictions[1:]:
        np.testing.assert_array_equal(again, predictions[0])
    expected = [[float(row[name]) for name in fakes.COLORS] for row in rows]
    np.testing.assert_allclose(predictions[0], expected, atol=1e-5)
    assert predictions[0].std(axis=0).max() > 1e-3


def test_features_are_what_the_head_makes_logits_of(color_run, served):
    files = tf.constant([png(image) for image in noisy_images(3)])
    features = served.signatures["features"](image_bytes=files)["features"]
    head = color_run.result.model.get_layer("logits")
    logits = served.signatures["serving_default"](image_bytes=files)["logits"]
    np.testing.assert_allclose(head(features), logits, atol=1e-5)


def test_a_batch_may_mix_formats_and_sizes(served):
    blue = np.full((40, 20, 3), (0, 0, 255), np.uint8)
    red = np.full((16, 50, 3), (255, 0, 0), np.uint8)
    gray = np.full((9, 9, 1), 128, np.uint8)
    files = [
        tf.io.encode_jpeg(blue, format="rgb").numpy(),
        png(red),
        tf.io.encode_jpeg(gray, format="grayscale").numpy(),
        png(gray),
    ]
    outputs = served.signatures["serving_default"](image_bytes=tf.constant(files))
    assert outputs["class_name"].numpy()[:2].tolist() == [b"blue", b"red"]
    three_channels = served.signatures["images"](images=np.repeat(gray[np.newaxis], 3, axis=-1))
    for row in outputs["probabilities"].numpy()[2:]:
        np.testing.assert_allclose(row, three_channels["probabilities"].numpy()[0], atol=1e-6)


@pytest.mark.parametrize("broken", [b"", b"no image", png(noisy_images(1)[0])[:200]])
def test_file_that_is_no_image_is_an_error_and_not_a_prediction(served, broken):
    image = png(noisy_images(1)[0])
    for files, indices in (
        ([image, broken], r"\[1\]"),
        ([broken, image, broken], r"\[0 2\]"),
        ([broken], r"\[0\]"),
    ):
        message = rf"image_bytes: no image that can be decoded at index\] {indices}"
        for signature in ("serving_default", "features"):
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                served.signatures[signature](image_bytes=tf.constant(files))


@pytest.mark.thorough
def test_training_and_export_agree_on_each_of_two_thousand_damaged_files(color_run, served):
    """No crash, no hang, and what one side accepts the other does, with the same prediction."""
    kinds = list(every_kind().values())
    rng = np.random.default_rng(0)
    files = [mutate(kinds[number % len(kinds)], rng) for number in range(2000)]
    accepted = {}
    for number, content in enumerate(files):
        try:
            accepted[number] = decode_and_resize(tf.constant(content), image_size=16, rule="crop")
        except tf.errors.OpError:
            assert explain(content)
    assert 200 < len(accepted) < 1800
    signature = served.signatures["serving_default"]
    refused = []
    for start in range(0, 2000, 100):
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            signature(image_bytes=tf.constant(files[start : start + 100]))
        indices = re.search(
            r"no image that can be decoded at index\] \[([\d ]+)\]", str(caught.value)
        )
        refused += [start + int(index) for index in indices[1].split()]
    assert sorted({*range(2000)} - {*refused}) == sorted(accepted)
    outputs = signature(image_bytes=tf.constant([files[number] for number in accepted]))
    logits = color_run.result.model.predict(np.stack(list(accepted.values())), verbose=0)
    np.testing.assert_allclose(outputs["probabilities"], tf.nn.softmax(logits), atol=1e-6)


def test_empty_batch_is_an_error_that_says_so(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="image_bytes: is an empty batch"):
        served.signatures["serving_default"](image_bytes=tf.constant([], tf.string))


def test_graph_has_nothing_random_and_nothing_of_python(color_run):
    graph = (color_run.result.export_path / "saved_model.pb").read_bytes()
    for word in (b"Random", b"PyFunc", b"keras_tensor"):
        assert word not in graph


@pytest.mark.parametrize(("height", "width"), [(16, 16), (1, 1), (7, 90), (200, 60)])
def test_pixels_may_have_any_size(served, height, width):
    images = noisy_images(2, height=height, width=width)
    outputs = served.signatures["images"](images=tf.constant(images))
    files = tf.constant([png(image) for image in images])
    expected = served.signatures["serving_default"](image_bytes=files)
    np.testing.assert_allclose(
        outputs["probabilities"].numpy(), expected["probabilities"].numpy(), atol=1e-6
    )


def test_pixels_of_another_type_are_refused(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected to be a uint8 tensor"):
        served.signatures["images"](images=tf.zeros([1, 16, 16, 3], tf.float32))


def test_name_and_confidence_belong_to_the_highest_probability(served):
    images = np.stack([np.full((8, 8, 3), color, np.uint8) for color in fakes.COLORS.values()])
    outputs = served.signatures["images"](images=tf.constant(images))
    probabilities = outputs["probabilities"].numpy()
    assert outputs["class_name"].numpy().tolist() == NAMES
    assert probabilities.argmax(1).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(outputs["confidence"].numpy(), probabilities.max(1))
    np.testing.assert_allclose(probabilities.sum(1), 1.0, atol=1e-6)


def test_graph_decodes_no_base64(color_run):
    # TensorFlow Serving has decoded it already.
    assert b"DecodeBase64" not in (color_run.result.export_path / "saved_model.pb").read_bytes()


def test_class_names_are_an_asset_that_a_server_may_read(color_run):
    assets = color_run.result.export_path / "assets"
    assert sorted(os.listdir(assets)) == ["class_names.txt", "model_card.json"]
    path = assets / "class_names.txt"
    assert path.read_text(encoding="utf-8").splitlines() == list(fakes.COLORS)
    # A server often runs as another user.
    for place in (path, assets, color_run.result.export_path):
        assert place.stat().st_mode & stat.S_IROTH


def test_card_says_what_the_model_takes_and_how_good_it_is(color_run):
    card = json.loads((color_run.result.export_path / "assets/model_card.json").read_text("utf-8"))
    test = color_run.result.metrics["test"]
    assert card["class_names"] == list(fakes.COLORS)
    assert card["input"]["image_size"] == fakes.IMAGE_SIZE
    assert card["input"]["resize"] == "crop"
    assert card["pretrained_on"] == "unknown (user-supplied weights file)"
    assert card["test"] == {name: test[name] for name in card["test"]}
    assert {"accuracy", "baseline_accuracy", "num_images", "balanced_accuracy"} <= set(card["test"])
    export = card["exports"]["savedmodel"]
    loaded = tf.saved_model.load(str(color_run.result.export_path))
    assert export["tensorflow_version"] == loaded.tensorflow_version
    assert export["tensorflow_version"] in export["oldest_runtime"]
    assert export["tied"] == 0
    receipt = json.loads((color_run.result.run_dir / "receipt.json").read_text("utf-8"))
    assert card["data"] == receipt["data"]
    assert card["versions"]["tensorflow"] == tf.__version__
    assert "--dropout=0.2" in card["flags"]
    assert not [flag for flag in card["flags"] if str(color_run.config.run_dir) in flag]
