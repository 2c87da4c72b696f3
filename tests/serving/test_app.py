import contextlib
import json
import struct
import threading

import pytest

from picture_files import jpeg_with_hole
from serving_client import b64, instances, metric, multipart, wait_until

BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is text, not an image"),
    "page": (b"<!doctype html><p>not found", "is a web page, not an image"),
    "truncated": (None, "is a damaged or truncated PNG"),
    "photo of a phone": (
        b"\0\0\0\x20ftypheic\0\0\0\0mif1MiHE" + bytes(40),
        "is HEIC (unsupported)",
    ),
    "hole of zeros": (
        jpeg_with_hole(),
        "is a JPEG with a hole of zeros, not copied or downloaded in full",
    ),
    "drawing": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is SVG (unsupported)"),
    "bomb": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
        + struct.pack(">IIBBBBBI", 60_000, 60_000, 8, 2, 0, 0, 0, 0),
        "is a PNG of more than 67 million pixels",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_image_is_named_by_its_index(client, files, kind):
    content, reason = BAD[kind]
    content = files[0][:-40] if content is None else content
    message = f"image_bytes: cannot decode the image at index 1 ({reason})"
    if "unsupported" in reason:
        message += ". Send JPEG, PNG, GIF, BMP or WebP."
    for answer in (
        client.predict(instances(files[0], content, files[1])),
        client.predict({"inputs": [b64(files[0]), b64(content)]}),
        client.post("/predict", *multipart(files[0], content)),
    ):
        assert (answer.status, answer.json) == (400, {"error": message})
    assert client.post("/predict", content).status == 400


def test_address_of_the_server_may_come_before_the_path(client, files):
    for path in (f"{client.url}/predict", "http://proxy.example/predict?top=1"):
        answer = client.ask("POST", path, files[0])
        assert answer.json["predictions"][0]["class_name"] == "blue"


@pytest.mark.parametrize("path", ["/predict/", "//predict", "/predict//?top=1", "///predict/"])
def test_doubled_slashes_and_one_at_the_end_change_no_address(client, files, path):
    answer = client.post(path, files[1])
    assert answer.json["predictions"][0]["class_name"] == "green"
    for other in ("/healthz/", "//v1//models/colors/", "/v2/health/ready/", "//"):
        assert client.get(other).status == 200


def test_models_are_listed(client):
    assert client.get("/v1/models").json == {"models": ["colors"]}


@pytest.mark.thorough
def test_bad_images_of_some_clients_fail_no_other(start, files, blocker):
    client = start(max_batch_size=32)
    blocker.block(client.serving.batcher)
    # Damaged inside, so that only decoding shows it.
    damaged = files[1][:60] + b"\0" * 30 + files[1][90:]
    sent = [damaged if number % 5 == 0 else files[number % 3] for number in range(20)]
    answers = [None] * len(sent)

    def ask(number):
        answers[number] = client.predict(instances(files[0], sent[number]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(sent))]
    for thread in threads:
        thread.start()
    wait_until(lambda: client.serving.batcher.num_waiting == 40)
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


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("POST", "/v1/models/colors/versions/7:predict", 404, "Specific(colors, 7)"),
        ("GET", "/v1/models/other", 404, "This server has colors, version 1."),
        ("GET", "/v1/models/colors/versions/7", 404, "Specific(colors, 7)"),
        ("GET", "/v1/models/colors:predict", 405, "Method Not Allowed"),
        ("POST", "/v1/models/colors", 405, "Method Not Allowed"),
        ("GET", "/predict", 405, "Method Not Allowed"),
        ("PUT", "/", 405, "Method Not Allowed"),
        ("GET", "/etc/passwd", 404, "Not Found"),
        ("POST", "/predict?top=0", 400, "top='0': is not a positive integer."),
        ("POST", "/v1/models/colors:classify", 405, "classify. Image files go to POST /predict,"),
        ("POST", "/v1/models/:predict", 405, "JSON to POST /v1/models/NAME:predict or"),
        ("POST", "/", 405, "Method Not Allowed: POST /. Image files go to POST /predict, JSON to"),
        ("PUT", "/predict", 405, "Method Not Allowed: PUT /predict. Use POST."),
    ],
)
def test_wrong_address_gets_json(client, method, path, status, message):
    answer = client.ask(method, path, b"{}" if method == "POST" else None)
    assert answer.status == status
    assert message in answer.json["error"]
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.thorough
def test_request_of_more_images_than_the_queue_holds_is_refused(start, files):
    answer = start(queue_size=2).predict(instances(*files))
    assert answer.status == 413
    assert "The request has 3 images, and the queue holds 2. Send fewer" in answer.json["error"]


@pytest.mark.thorough
def test_full_queue_asks_to_try_again(start, files, blocker):
    client = start(queue_size=2)
    blocker.block(client.serving.batcher)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(client.predict(instances(*files[:2]))))
    thread.start()
    wait_until(lambda: client.serving.batcher.num_waiting == 2)
    refused = client.post("/predict", files[0])
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert metric(client, "kerastl_queue_images") == 2
    blocker.release.set()
    thread.join()
    assert [answer.status for answer in answers] == [200]
    assert client.post("/predict", files[0]).status == 200


@pytest.mark.thorough
def test_client_that_disconnects_leaves_the_queue(start, files, blocker):
    client = start(queue_size=2)
    blocker.block(client.serving.batcher)
    with contextlib.closing(client.connect()) as gone:
        gone.request("POST", "/v1/models/colors:predict", json.dumps(instances(*files[:2])))
        wait_until(lambda: client.serving.batcher.num_waiting == 2)
    wait_until(lambda: client.serving.batcher.num_waiting == 0)
