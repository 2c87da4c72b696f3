import base64
import json
import struct

import numpy as np
import pytest
import tensorflow as tf

from kerastl.version import VERSION

INFER = "/v2/models/colors/infer"


def tensor(*contents, **changes):
    data = [base64.b64encode(content).decode() for content in contents]
    about = {"name": "image_bytes", "shape": [len(data)], "datatype": "BYTES", "data": data}
    return {name: value for name, value in (about | changes).items() if value is not None}


def infer(client, *tensors, path=INFER, **others):
    return client.post(path, json.dumps({"inputs": tensors} | others).encode())


def outputs_of(answer):
    """The outputs in the shapes that they are said to have."""
    assert answer.status == 200, answer.body
    return {one["name"]: np.reshape(one["data"], one["shape"]) for one in answer.json["outputs"]}


def assert_as_asked(outputs, expected):
    assert set(outputs) == set(expected)
    for name, values in expected.items():
        if values.dtype == object:
            values = np.array([value.decode() for value in values])  # noqa: PLW2901
        np.testing.assert_array_equal(outputs[name].astype(values.dtype), values)


def test_server_and_model_describe_themselves(client):
    assert client.get("/v2").json == {
        "name": "kerastl",
        "version": VERSION,
        "extensions": ["binary_tensor_data", "classification"],
    }
    assert client.get("/v2/health/live").json == {"live": True}
    assert client.get("/v2/health/ready").json == {"ready": True}
    for path in ("/v2/models/colors", "/v2/models/colors/versions/1"):
        assert client.get(f"{path}/ready").json == {"name": "colors", "ready": True}
        about = client.get(path).json
        outputs = {one.pop("name"): one for one in about.pop("outputs")}
        assert about == {
            "name": "colors",
            "versions": ["1"],
            "platform": "tensorflow_savedmodel",
            "inputs": [{"name": "image_bytes", "datatype": "BYTES", "shape": [-1]}],
        }
        assert outputs["probabilities"] == {"datatype": "FP32", "shape": [-1, 3]}
        assert outputs["class_name"] == {"datatype": "BYTES", "shape": [-1]}


@pytest.mark.parametrize("shape", [[3], [3, 1], [1, 3]])
def test_files_are_what_the_signature_returns_bit_for_bit(client, ask, files, shape):
    expected = ask("serving_default", image_bytes=tf.constant(files))
    for path in (INFER, "/v2/models/colors/versions/1/infer"):
        answer = infer(client, tensor(*files, shape=shape), path=path, id="42")
        assert_as_asked(outputs_of(answer), expected)
        about = {key: value for key, value in answer.json.items() if key != "outputs"}
        assert about == {"model_name": "colors", "model_version": "1", "id": "42"}
    assert "id" not in infer(client, tensor(*files)).json


def test_only_the_outputs_that_are_asked_for_are_returned(client, ask, files):
    asked = [{"name": "confidence", "parameters": {"binary_data": False}}, {"name": "class_name"}]
    names = [one["name"] for one in infer(client, tensor(files[0]), outputs=asked).json["outputs"]]
    assert names == ["confidence", "class_name"]
    # Another signature has these.
    answer = infer(client, tensor(*files), outputs=[{"name": "features"}])
    assert_as_asked(outputs_of(answer), ask("features", image_bytes=tf.constant(files)))


@pytest.mark.parametrize("name", ["probabilities", "logits"])
@pytest.mark.parametrize("top", [1, 2, 9])
def test_highest_scores_come_with_the_names_of_their_classes(client, ask, files, name, top):
    scores = ask("serving_default", image_bytes=tf.constant(files))[name]
    asked = [{"name": name, "parameters": {"classification": top}}, {"name": name}]
    named, plain = infer(client, tensor(*files), outputs=asked).json["outputs"]
    assert (named["datatype"], named["shape"]) == ("BYTES", [3, min(top, 3)])
    assert plain["shape"] == [3, 3]
    for row, expected in zip(np.reshape(named["data"], named["shape"]), scores, strict=True):
        found = [text.split(":") for text in row]
        order = np.argsort(-expected)[:top]
        assert [(int(index), label) for _, index, label in found] == [
            (index, ("blue", "green", "red")[index]) for index in order
        ]
        np.testing.assert_array_equal([np.float32(value) for value, *_ in found], expected[order])


@pytest.mark.parametrize("asks_for_all", [True, False])
def test_outputs_follow_the_json_as_clients_of_triton_ask(client, ask, files, asks_for_all):
    names = ["probabilities", "class_name"]
    outputs = [{"name": name, "parameters": {"binary_data": True}} for name in names]
    others = {"parameters": {"binary_data_output": True}} if asks_for_all else {"outputs": outputs}
    answer = infer(client, tensor(*files), **others)
    assert answer.status == 200
    length = int(answer.headers["inference-header-content-length"])
    about = json.loads(answer.body[:length])["outputs"]
    at, found = length, {}
    for one in about:
        assert "data" not in one
        size = one["parameters"]["binary_data_size"]
        found[one["name"]] = (answer.body[at : at + size], one)
        at += size
    assert at == len(answer.body)
    expected = ask("serving_default", image_bytes=tf.constant(files))
    assert set(found) == set(expected if asks_for_all else names)
    binary, one = found["probabilities"]
    values = np.frombuffer(binary, "<f4").reshape(one["shape"])
    np.testing.assert_array_equal(values, expected["probabilities"])
    blue, green, red = b"\4\0\0\0blue", b"\5\0\0\0green", b"\3\0\0\0red"
    assert found["class_name"][0] == blue + green + red


SHARED = {"shared_memory_region": "input", "shared_memory_byte_size": 9}


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"classification": 0.5}, "probabilities: classification is not the number of classes"),
        ({"classification": True}, "probabilities: classification is not the number of classes"),
        ({"classification": -1}, "probabilities: classification is not the number of classes"),
        ({"binary_data": "yes"}, "probabilities: binary_data is neither true nor false"),
        (SHARED, "probabilities: shared memory is neither read nor written. Send and take the"),
        ([], ""),
        ([3], "probabilities: its parameters are not an object"),
    ],
)
def test_parameters_of_an_output_are_used_or_refused(client, files, others, message):
    answer = infer(
        client, tensor(files[0]), outputs=[{"name": "probabilities", "parameters": others}]
    )
    assert answer.status == (400 if message else 200)
    assert message in answer.json.get("error", "")


def test_other_parameters_are_used_or_refused(client, files):
    named = [{"name": "class_name", "parameters": {"classification": 2}}]
    for answer, message in (
        (
            infer(client, tensor(files[0]), outputs=named),
            "class_name: classification is for probabilities or logits",
        ),
        (
            infer(client, tensor(files[0]), parameters={"binary_data_output": 1}),
            "request: binary_data_output is neither true nor false",
        ),
        (
            infer(client, tensor(files[0], data=None, parameters=SHARED)),
            "image_bytes: shared memory is neither read nor written.",
        ),
        (
            infer(client, tensor(files[0], parameters={"binary_data_size": 7})),
            "image_bytes: 0 bytes follow the JSON, and its binary_data_size is 7",
        ),
    ):
        assert answer.status == 400
        assert message in answer.json["error"]


@pytest.mark.parametrize("datatype", ["UINT8", "FP32", "INT64"])
@pytest.mark.parametrize("form", ["nested", "flat", "binary"])
def test_pixels_are_taken_in_each_form(client, ask, datatype, form):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    numbers = pixels.astype({"UINT8": "<u1", "FP32": "<f4", "INT64": "<i8"}[datatype])
    about = {"name": "images", "shape": [2, 5, 4, 3], "datatype": datatype}
    if form == "binary":
        answer = infer_binary(client, about, numbers.tobytes())
    else:
        data = numbers.tolist() if form == "nested" else numbers.ravel().tolist()
        answer = infer(client, about | {"data": data})
    assert_as_asked(outputs_of(answer), ask("images", images=tf.constant(pixels)))


def infer_binary(client, about, binary):
    text = json.dumps(
        {"inputs": [about | {"parameters": {"binary_data_size": len(binary)}}]}
    ).encode()
    headers = {
        "Inference-Header-Content-Length": str(len(text)),
        "Content-Type": "application/octet-stream",
    }
    return client.post(INFER, text + binary, headers)


def test_files_behind_the_json_are_taken(client, ask, files):
    binary = b"".join(struct.pack("<I", len(content)) + content for content in files)
    answer = infer_binary(client, tensor(*files, data=None), binary)
    expected = ask("serving_default", image_bytes=tf.constant(files))
    assert_as_asked(outputs_of(answer), expected)
    alone = client.post(INFER, files[2], {"Inference-Header-Content-Length": "0"})
    assert outputs_of(alone)["class_name"].tolist() == ["red"]


PIXELS = {"name": "images", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3]}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([], "with one of these inputs: image_bytes (datatype BYTES), images (datatype UINT8"),
        ([tensor(b"x"), tensor(b"x")], "with one of these inputs: image_bytes"),
        ([tensor(b"x", name="input_0")], "'input_0' is none of image_bytes (datatype BYTES), im"),
        ([tensor(b"x", datatype="FP32")], 'datatype BYTES, not FP32; pixels go to the input "im'),
        ([tensor(b"x", shape=[2])], "image_bytes: has 1 element, which cannot fill the shape [2]"),
        ([tensor(b"x", shape=None)], "image_bytes: expecting the shape as a list of positive"),
        ([tensor(b"x", shape=[0])], "image_bytes: expecting the shape as a list of positive"),
        ([tensor(b"x", data=None)], 'image_bytes: has no "data"'),
        ([tensor(b"x", data=None, contents={"bytes_contents": []})], '"contents" is for gRPC'),
        ([tensor(b"x", data=[[137, 80]])], "expecting the base64 text of a whole image file"),
        ([tensor(b"x", data=["A"])], "Unable to base64 decode"),
        ([tensor(b"hello")], "cannot decode the image at index 0 (is text, not an image)"),
        ([PIXELS | {"shape": [1, 3]}], "expecting the shape [images, height, width, 3]"),
        ([PIXELS | {"datatype": "BYTES"}], "takes pixels with the datatype UINT8 or FP32, not BY"),
        ([PIXELS | {"data": [1, 2]}], "images: has 2 elements, which cannot fill the shape"),
        ([PIXELS | {"data": [0.1, 0.2, 0.3]}], "whole numbers that are not scaled or normalized"),
        ([PIXELS | {"data": [1, 2, 256]}], "expecting pixels in 0..255"),
        ([PIXELS | {"data": ["1", "2", "3"]}], "expecting pixels in 0..255"),
        ([PIXELS | {"data": [[1, 2], [3]]}], "lists of unexpected sizes"),
    ],
)
def test_wrong_request_gets_the_reason(client, tensors, message):
    answer = infer(client, *tensors)
    assert answer.status == 400
    assert list(answer.json) == ["error"]
    assert message in answer.json["error"]


@pytest.mark.parametrize(
    ("length", "body", "message"),
    [
        ("x", b"{}", "Inference-Header-Content-Length: is not the length of the JSON"),
        ("3", b"{}", "Inference-Header-Content-Length: is not the length of the JSON"),
        (None, b"{", "JSON Parse error"),
        (None, b"[]", "with one of these inputs"),
    ],
)
def test_wrong_body_gets_the_reason(client, length, body, message):
    headers = {} if length is None else {"Inference-Header-Content-Length": length}
    answer = client.post(INFER, body, headers)
    assert answer.status == 400
    assert message in answer.json["error"]


@pytest.mark.parametrize("binary", [b"\1\0\0", b"\5\0\0\0abcd", b"\0\0\0\0" * 2])
def test_binary_data_that_does_not_fit_is_refused(client, binary):
    assert infer_binary(client, tensor(b"x", data=None), binary).status == 400
    assert infer_binary(client, PIXELS | {"data": None}, binary).status == 400


@pytest.mark.parametrize(
    "path", ["/v2/models/other", "/v2/models/other/ready", "/v2/models/colors/versions/7"]
)
def test_other_model_is_not_found(client, path):
    answer = client.get(path)
    assert answer.status == 404
    assert "This server has colors, version 1." in answer.json["error"]
    assert infer(client, tensor(b"x"), path="/v2/models/other/infer").status == 404


def test_unknown_output_is_refused(client, files):
    for asked in ([{"name": "scores"}], [{"name": "features"}, {"name": "confidence"}]):
        answer = infer(client, tensor(files[0]), outputs=asked)
        assert answer.status == 400
        assert "are not outputs together; they are " in answer.json["error"]
    assert infer(client, tensor(files[0]), outputs="features").status == 400
