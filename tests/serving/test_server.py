import contextlib
import json
import socket
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from prometheus_client.parser import text_string_to_metric_families

from kerastl.serving import bodies, http
from serving_client import b64, instances, metric, multipart, read


@pytest.fixture(scope="module")
def signatures(colour_run):
    loaded = tf.saved_model.load(str(colour_run.result.export_path))
    # The functions live no longer than what was loaded.
    return dict(loaded.signatures) | {"": loaded}


def ask(signatures, name, **inputs):
    return {key: value.numpy() for key, value in signatures[name](**inputs).items()}


def assert_equal(answer, expected):
    assert set(answer) == set(expected)
    for name, values in expected.items():
        if name == "class_name":
            assert answer[name] == [value.decode() for value in values]
        else:
            np.testing.assert_array_equal(np.float32(answer[name]), values)


def test_columns_are_what_the_signature_says_bit_for_bit(client, signatures, files):
    column = {"inputs": {"image_bytes": [b64(content) for content in files]}}
    outputs = client.predict(column).json["outputs"]
    assert_equal(outputs, ask(signatures, "serving_default", image_bytes=tf.constant(files)))
    assert outputs["class_name"] == ["blue", "green", "red"]


def test_rows_are_what_the_signature_says_bit_for_bit(client, signatures, files):
    answer = client.predict(instances(*files))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    rows = answer.json["predictions"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert_equal(columns, ask(signatures, "serving_default", image_bytes=tf.constant(files)))


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


def test_output_that_is_alone_goes_without_its_name(client, signatures, files):
    expected = ask(signatures, "features", image_bytes=tf.constant(files))["features"]
    for key, answers, inputs in (
        ("instances", "predictions", [b64(content) for content in files]),
        ("inputs", "outputs", [b64(content) for content in files]),
    ):
        answer = client.predict({"signature_name": "features", key: inputs}).json[answers]
        np.testing.assert_array_equal(np.float32(answer), expected)


def test_pixels_are_taken_too(client, signatures):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
    expected = ask(signatures, "images", images=tf.constant(pixels))
    asked = {"signature_name": "images", "inputs": pixels.tolist()}
    assert_equal(client.predict(asked).json["outputs"], expected)
    asked = {"signature_name": "images", "instances": [{"images": one} for one in pixels.tolist()]}
    rows = client.predict(asked).json["predictions"]
    assert_equal({name: [row[name] for row in rows] for name in rows[0]}, expected)


def test_plain_file_is_classified(client, signatures, files):
    answer = client.post("/predict", files[2])
    expected = ask(signatures, "serving_default", image_bytes=tf.constant([files[2]]))
    assert answer.json["model"] == {"name": "colours", "version": 1}
    (prediction,) = answer.json["predictions"]
    assert prediction["class_name"] == "red"
    assert np.float32(prediction["confidence"]) == expected["confidence"][0]
    assert prediction["classes"][0]["class_name"] == "red"
    values = [np.float32(entry["probability"]) for entry in prediction["classes"]]
    assert values == sorted(expected["probabilities"][0], reverse=True)


def test_form_of_files_is_classified_in_its_order(client, files):
    predictions = client.post("/predict?top=1", *multipart(*files)).json["predictions"]
    assert [(one["file"], one["class_name"], len(one["classes"])) for one in predictions] == [
        ("0.png", "blue", 1),
        ("1.png", "green", 1),
        ("2.png", "red", 1),
    ]


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is no image"),
    "page": (b"<!doctype html><p>not found", "is no image but a web page"),
    "truncated": (None, "is a damaged or truncated PNG, or has more than 67 million pixels"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_image_is_named_by_its_index(client, files, kind):
    content, reason = BAD[kind]
    content = files[0][:-40] if content is None else content
    said = f"image_bytes: no image that can be decoded at index 1 ({reason})"
    for answer in (
        client.predict(instances(files[0], content, files[1])),
        client.predict({"inputs": [b64(files[0]), b64(content)]}),
        client.post("/predict", *multipart(files[0], content)),
    ):
        assert (answer.status, answer.json) == (400, {"error": said})
    assert client.post("/predict", content).status == 400


@pytest.mark.thorough
def test_bad_images_of_some_clients_fail_no_other(start, files, blocker):
    client = start(max_batch_size=32)
    blocker.block(client.serving.batcher)
    # Damaged inside, so that nothing tells before it is decoded.
    damaged = files[1][:60] + b"\0" * 30 + files[1][90:]
    sent = [damaged if number % 5 == 0 else files[number % 3] for number in range(20)]
    answers = [None] * len(sent)

    def ask(number):
        answers[number] = client.predict(instances(files[0], sent[number]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(sent))]
    for thread in threads:
        thread.start()
    wait_until(lambda: client.serving.batcher.waiting() == 40)
    blocker.release.set()
    for thread in threads:
        thread.join()
    for number, answer in enumerate(answers):
        if number % 5 == 0:
            assert answer.status == 400
            assert "at index 1 (" in answer.json["error"]
        else:
            names = [row["class_name"] for row in answer.json["predictions"]]
            assert names == ["blue", ("blue", "green", "red")[number % 3]]


def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "JSON Parse error: "),
        (b"{", "JSON Parse error: "),
        (b"\xff\xfe\xff", "JSON Parse error: "),
        (b"[" * 100_000, "JSON Parse error: "),
        ([], "Is not object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": [], "inputs": []}, "expecting only one of 'inputs' or 'instances' key"),
        ({"instances": {}}, "Expecting 'instances' to be a list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"inputs": []}, "image_bytes: is an empty batch"),
        ({"inputs": b64(b"x")}, "image_bytes: expecting a list with a value for each image"),
        ({"inputs": {"pixels": []}}, "keys must be equal to: image_bytes, not pixels"),
        (
            {"instances": [{"b64": "AA=A"}]},
            "element: 0 of 'instances' list. Error: Unable to base64",
        ),
        ({"instances": [{"b64": "ä"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": "AA*AA"}]}, "Unable to base64 decode"),
        ({"inputs": ["", {"b64": "A"}]}, "image_bytes: at index 1: Unable to base64 decode"),
        ({"instances": [{"b64": 5}]}, 'expecting an image file as {"b64": '),
        ({"instances": [[1, 2]]}, 'expecting an image file as {"b64": '),
        ({"instances": [5]}, 'expecting an image file as {"b64": '),
        ({"signature_name": 3, "instances": ["x"]}, "'signature_name' key must be a string"),
        ({"signature_name": "x", "instances": ["x"]}, 'Serving signature name: "x" not found'),
        (
            {"signature_name": "images", "inputs": [[1]]},
            "expecting pixels as whole numbers in 0..255",
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
def test_wrong_request_is_told_what_is_wrong(client, document, message):
    answer = client.predict(document)
    assert answer.status == 400
    assert message in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("POST", "/v1/models/colours/versions/7:predict", 404, "Specific(colours, 7)"),
        ("GET", "/v1/models/other", 404, "Served is colours, version 1."),
        ("GET", "/v1/models/colours/versions/7", 404, "Specific(colours, 7)"),
        ("GET", "/v1/models/colours:predict", 405, "Method Not Allowed"),
        ("POST", "/v1/models/colours", 405, "Method Not Allowed"),
        ("GET", "/predict", 405, "Method Not Allowed"),
        ("PUT", "/", 405, "Method Not Allowed"),
        ("GET", "/etc/passwd", 404, "Not Found"),
        ("POST", "/predict?top=0", 400, "top='0': is not a whole number above 0."),
        ("POST", "/v1/models/colours:classify", 405, "Method Not Allowed"),
    ],
)
def test_wrong_address_is_told_as_json(client, method, path, status, message):
    answer = client.ask(method, path, b"{}" if method == "POST" else None)
    assert answer.status == status
    assert message in answer.json["error"]
    assert ("allow" in answer.headers) == (status == 405)


def test_status_and_metadata_are_those_of_tensorflow_serving(client):
    state = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    for path in ("/v1/models/colours", "/v1/models/colours/versions/1"):
        assert client.get(path).json == {"model_version_status": [state]}
    about = client.get("/v1/models/colours/metadata").json
    assert about == client.get("/v1/models/colours/versions/1/metadata").json
    assert about["model_spec"] == {"name": "colours", "signature_name": "", "version": "1"}
    signature = about["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    shape = {"dim": [{"size": "-1", "name": ""}, {"size": "3", "name": ""}], "unknown_rank": False}
    assert signature["outputs"]["probabilities"]["tensor_shape"] == shape
    assert about["metadata"]["model_card"]["test"]["num_images"] == 12


def test_places_on_the_machine_that_trained_are_not_told(client):
    for path in ("/model", "/v1/models/colours/metadata"):
        assert b"weights" not in client.get(path).body


def test_one_version_answers_by_its_number(client, files):
    path = "/v1/models/colours/versions/1:predict"
    answer = client.post(path, json.dumps(instances(files[0])))
    assert answer.json["predictions"][0]["class_name"] == "blue"


@pytest.mark.thorough
@pytest.mark.parametrize("chunked", [False, True])
def test_large_body_is_refused_and_the_client_gets_to_know(start, chunked):
    client = start(max_body_mb=1)
    piece = bytes(100_000)
    # More than what a socket holds, so that a server which does not read it would break the pipe.
    body = (piece for _ in range(200)) if chunked else piece * 200
    # As urllib does; a connection that is kept is read on by uvicorn itself.
    answer = client.ask("POST", "/predict", body, {"Connection": "close"})
    assert answer.status == 413
    assert "more than the 1 MB that are allowed" in answer.json["error"]


def test_large_body_is_refused_before_it_is_sent(start):
    client = start(max_body_mb=1)
    with socket.create_connection(client.address.split(":")) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        connection.settimeout(5)
        received = b"".join(iter(lambda: connection.recv(1000), b""))
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in received


def test_request_of_more_images_than_may_wait_is_refused(start, files):
    answer = start(queue_size=2).predict(instances(*files))
    assert answer.status == 413
    assert "The request has 3 images, and 2 may wait. Send fewer" in answer.json["error"]


def test_full_queue_asks_to_try_again(start, files, blocker):
    client = start(queue_size=2)
    blocker.block(client.serving.batcher)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(client.predict(instances(*files[:2]))))
    thread.start()
    wait_until(lambda: client.serving.batcher.waiting() == 2)
    refused = client.post("/predict", files[0])
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert metric(client, "kerastl_queue_images") == 2
    blocker.release.set()
    thread.join()
    assert [answer.status for answer in answers] == [200]
    assert client.post("/predict", files[0]).status == 200


def test_client_that_goes_away_frees_its_places(start, files, blocker):
    client = start(queue_size=2)
    blocker.block(client.serving.batcher)
    with contextlib.closing(client.connect()) as gone:
        gone.request("POST", "/v1/models/colours:predict", json.dumps(instances(*files[:2])))
        wait_until(lambda: client.serving.batcher.waiting() == 2)
    wait_until(lambda: client.serving.batcher.waiting() == 0)


def test_bodies_of_all_clients_together_are_bounded(start, files, monkeypatch):
    monkeypatch.setattr(http, "_BODIES_IN_ALL", 1)
    client = start(max_body_mb=1)
    with contextlib.closing(client.connect()) as slow:
        slow.putrequest("POST", "/predict")
        slow.putheader("Content-Length", "900000")
        slow.endheaders(bytes(800_000))
        wait_until(lambda: metric(client, "kerastl_body_bytes") == 800_000)
        assert client.post("/predict", files[0] + bytes(300_000)).status == 503
        slow.send(bytes(100_000))
        assert read(slow).status == 400
    assert client.post("/predict", files[0] + bytes(300_000)).status == 200


def test_slow_clients_are_left(start, monkeypatch):
    monkeypatch.setattr(bodies, "_SECONDS_OF_SILENCE", 0.1)
    monkeypatch.setattr(http, "_SECONDS_FOR_A_HEAD", 0.1)
    client = start()
    with contextlib.closing(client.connect()) as slow:
        slow.putrequest("POST", "/predict")
        slow.putheader("Content-Length", "10")
        slow.endheaders(b"12345")
        assert read(slow).status == 408
    for sent in (b"", b"POST /predict HT"):
        with socket.create_connection(client.address.split(":")) as silent:
            silent.settimeout(5)
            silent.sendall(sent)
            assert silent.recv(100) == b""


def test_request_on_its_way_in_while_the_server_stops_is_answered(serving, files, monkeypatch):
    monkeypatch.setattr(http, "_SECONDS_OF_GRACE", 1.5)
    before = set(threading.enumerate())
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(serving())
        kept = stack.enter_context(contextlib.closing(client.connect()))
        kept.request("GET", "/healthz")
        assert "connection" not in read(kept).headers
        client.serving.server.should_exit = True
        wait_until(lambda: is_refused(client))
        kept.request("POST", "/predict", files[0])
        answer = read(kept)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert set(threading.enumerate()) - before == set()


def is_refused(client):
    with contextlib.closing(client.connect()) as late:
        try:
            late.connect()
        except ConnectionRefusedError:
            return True
    return False


def test_compressed_body_is_refused(client, files):
    assert client.post("/predict", files[0], {"Content-Encoding": "gzip"}).status == 415


def test_form_that_was_cut_off_is_no_smaller_form(client, files):
    body, kind = multipart(*files)
    for cut in (8, 60, 200):
        answer = client.post("/predict", body[:-cut], kind)
        assert answer.status == 400
        assert "multipart/form-data: is cut off, or has no end." in answer.json["error"]
    capital = {"Content-Type": kind["Content-Type"].replace("multipart/form", "Multipart/Form")}
    assert client.post("/predict", body, capital).status == 200


@pytest.mark.parametrize("top", ["9" * 5000, "0", "-1", "x", "1.5", "000"])
def test_number_of_classes_that_is_none_is_refused(client, files, top):
    answer = client.post(f"/predict?top={top}", files[0])
    assert answer.status == 400
    assert answer.json["error"].endswith("is not a whole number above 0.")


def test_malformed_forms_are_refused(client):
    for body, kind in (
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
    ):
        answer = client.post("/predict", body, {"Content-Type": kind})
        assert answer.status == 400
        assert answer.json["error"].startswith("multipart/form-data: ")


def test_health_and_metrics(start, files):
    client = start()
    assert client.get("/healthz").body == b"ok\n"
    client.predict(instances(*files))
    client.post("/predict", b"text")
    assert metric(client, "kerastl_requests_total", route="predict", status="200") == 1
    assert metric(client, "kerastl_requests_total", route="predict_files", status="400") == 1
    assert metric(client, "kerastl_batch_images_sum") == 4
    assert metric(client, "kerastl_batch_images_count") == 2
    assert metric(client, "kerastl_bad_images_total") == 1
    assert metric(client, "kerastl_model_version") == 1
    assert metric(client, "process_resident_memory_bytes") > 1e8
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(page.body.decode())}
    assert {"kerastl_requests", "kerastl_request_seconds", "kerastl_queue_images"} <= names
