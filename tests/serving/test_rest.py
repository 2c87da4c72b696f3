import json

import numpy as np
import pytest
import tensorflow as tf

from serving_client import b64, instances


def assert_equal(answer, expected):
    assert set(answer) == set(expected)
    for name, values in expected.items():
        if name == "class_name":
            assert answer[name] == [value.decode() for value in values]
        else:
            np.testing.assert_array_equal(np.float32(answer[name]), values)


def test_columns_are_what_the_signature_returns_bit_for_bit(client, ask, files):
    column = {"inputs": {"image_bytes": [b64(content) for content in files]}}
    outputs = client.predict(column).json["outputs"]
    assert_equal(outputs, ask("serving_default", image_bytes=tf.constant(files)))
    assert outputs["class_name"] == ["blue", "green", "red"]


def test_rows_are_what_the_signature_returns_bit_for_bit(client, ask, files):
    answer = client.predict(instances(*files))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    rows = answer.json["predictions"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert_equal(columns, ask("serving_default", image_bytes=tf.constant(files)))


def test_floats_are_the_shortest_that_round_trip(client, files):
    text = client.predict(instances(files[0])).body.decode()
    for number in json.loads(text)["predictions"][0]["probabilities"]:
        assert str(np.float32(number)) in text


def test_input_may_go_without_its_name_and_its_padding(client, files):
    named = client.predict(instances(*files)).json
    plain = {"instances": [{"b64": b64(content)["b64"].rstrip("=")} for content in files]}
    assert client.predict(plain).json == named
    column = client.predict({"inputs": [b64(content) for content in files]}).json["outputs"]
    assert column["confidence"] == [row["confidence"] for row in named["predictions"]]


def test_output_that_is_alone_goes_without_its_name(client, ask, files):
    expected = ask("features", image_bytes=tf.constant(files))["features"]
    for key, answers, inputs in (
        ("instances", "predictions", [b64(content) for content in files]),
        ("inputs", "outputs", [b64(content) for content in files]),
    ):
        answer = client.predict({"signature_name": "features", key: inputs}).json[answers]
        np.testing.assert_array_equal(np.float32(answer), expected)


def test_pixels_are_taken_too(client, ask):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
    expected = ask("images", images=tf.constant(pixels))
    asked = {"signature_name": "images", "inputs": pixels.tolist()}
    assert_equal(client.predict(asked).json["outputs"], expected)
    asked = {"signature_name": "images", "instances": [{"images": one} for one in pixels.tolist()]}
    rows = client.predict(asked).json["predictions"]
    assert_equal({name: [row[name] for row in rows] for name in rows[0]}, expected)


def test_whole_numbers_may_be_written_as_floats(client):
    """As `array.tolist()` does of images in float32."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 20, 30, 3))
    whole, floats = (
        client.predict({"signature_name": "images", "inputs": values.tolist()})
        for values in (pixels, pixels.astype(np.float32))
    )
    assert whole.status == floats.status == 200
    assert whole.json == floats.json


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "JSON Parse error: "),
        (b"{", "JSON Parse error: "),
        (b"x", '(char 0). Send JSON, as in {"instances": [{"b64": "'),
        (b"\xff\xfe\xff", "JSON Parse error: "),
        (b"[" * 100_000, "JSON Parse error: "),
        ([], 'Is not object, as in {"instances": [{"b64": '),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": [], "inputs": []}, "expecting only one of 'inputs' or 'instances' key"),
        ({"instances": {}}, "Expecting 'instances' to be a list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"inputs": []}, "image_bytes: is an empty batch"),
        ({"inputs": b64(b"x")}, 'expecting a list with a value for each image, as in {"inputs": ['),
        (
            {"signature_name": "images", "inputs": b64(b"x")},
            'for each image; image files go to the signature "serving_default"',
        ),
        ({"inputs": {"pixels": []}}, "keys must be equal to: image_bytes, not pixels"),
        ({"instances": [{"base64": "x"}]}, 'not base64, as in {"image_bytes": {"b64": "<base64'),
        (
            {"instances": [{"b64": "AA=A"}]},
            "element: 0 of 'instances' list. Error: Unable to base64",
        ),
        ({"instances": [{"b64": "ä"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": "AA*AA"}]}, "Unable to base64 decode"),
        *(
            ({"instances": [{"b64": text}]}, "Send the standard base64 of the whole file, and")
            for text in ("$(base64 a.png)", "iVBORw0KGgo...", "[object Promise]", "undefined")
        ),
        ({"inputs": ["", {"b64": "A"}]}, "image_bytes: at index 1: Unable to base64 decode"),
        ({"instances": [{"b64": 5}]}, 'expecting an image file as {"b64": '),
        ({"instances": [[1, 2]]}, 'expecting an image file as {"b64": '),
        ({"instances": [5]}, 'expecting an image file as {"b64": '),
        ({"signature_name": 3, "instances": ["x"]}, "'signature_name' key must be a string"),
        (
            {"signature_name": "x", "instances": ["x"]},
            '"x" not found in signature def, which has "features", "images", "serving_default"',
        ),
        (
            {"signature_name": "images", "inputs": [[1]]},
            "expecting pixels as integers in 0..255",
        ),
        ({"signature_name": "images", "inputs": [[[[1, 2, 256]]]]}, "expecting pixels"),
        ({"signature_name": "images", "inputs": [[[[1, 2, 0.5]]]]}, "expecting pixels"),
        ({"signature_name": "images", "inputs": [[[[1, 2, 3]], [[1]]]]}, "unexpected sizes"),
        (
            {"signature_name": "images", "inputs": [[[[1, 2, 3]]], [[[1, 2, 3]] * 2]]},
            "images: expecting images of one size",
        ),
    ],
)
def test_wrong_request_gets_the_reason(client, document, message):
    answer = client.predict(document)
    assert answer.status == 400
    assert message in answer.json["error"]


def test_status_and_metadata_are_those_of_tensorflow_serving(client):
    state = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    for path in ("/v1/models/colors", "/v1/models/colors/versions/1"):
        assert client.get(path).json == {"model_version_status": [state]}
    about = client.get("/v1/models/colors/metadata").json
    assert about == client.get("/v1/models/colors/versions/1/metadata").json
    assert about["model_spec"] == {"name": "colors", "signature_name": "", "version": "1"}
    signature = about["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    shape = {"dim": [{"size": "-1", "name": ""}, {"size": "3", "name": ""}], "unknown_rank": False}
    assert signature["outputs"]["probabilities"]["tensor_shape"] == shape
    assert about["metadata"]["model_card"]["test"]["num_images"] == 12


def test_paths_of_the_machine_that_trained_are_not_shown(client):
    for path in ("/model", "/v1/models/colors/metadata"):
        assert b".weights.h5" not in client.get(path).body


def test_one_version_answers_by_its_number(client, files):
    path = "/v1/models/colors/versions/1:predict"
    answer = client.post(path, json.dumps(instances(files[0])))
    assert answer.json["predictions"][0]["class_name"] == "blue"
