import numpy as np
import pytest
import tensorflow as tf

from kerastl.serving.rest import RequestError
from kerastl.serving.uploads import Upload, read_uploads
from serving_client import multipart


def test_plain_file_is_classified(client, ask, files):
    answer = client.post("/predict", files[2])
    expected = ask("serving_default", image_bytes=tf.constant([files[2]]))
    assert answer.json["model"] == {"name": "colors", "version": 1}
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


def test_incomplete_form_is_refused(client, files):
    body, kind = multipart(*files)
    for cut in (8, 60, 200):
        answer = client.post("/predict", body[:-cut], kind)
        assert answer.status == 400
        assert "multipart/form-data: is incomplete. Send the whole form." in answer.json["error"]
    capital = {"Content-Type": kind["Content-Type"].replace("multipart/form", "Multipart/Form")}
    assert client.post("/predict", body, capital).status == 200


@pytest.mark.parametrize("kind", ["", "; boundary=", "; boundary=another", "; charset=utf-8"])
def test_header_without_the_boundary_of_the_form_is_named(client, files, kind):
    body, _ = multipart(*files)
    answer = client.post("/predict", body, {"Content-Type": f"multipart/form-data{kind}"})
    assert answer.status == 400
    assert "does not have the boundary of the form. Leave that header to" in answer.json["error"]


@pytest.mark.parametrize("top", ["9" * 5000, "0", "-1", "x", "1.5", "000"])
def test_wrong_number_of_classes_is_refused(client, files, top):
    answer = client.post(f"/predict?top={top}", files[0])
    assert answer.status == 400
    assert answer.json["error"].endswith("is not a positive integer.")


def test_malformed_forms_are_refused(client):
    for body, kind in (
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
    ):
        answer = client.post("/predict", body, {"Content-Type": kind})
        assert answer.status == 400
        assert answer.json["error"].startswith("multipart/form-data: ")


def test_other_kinds_of_multipart_are_named(client, files):
    for kind in ("related", "mixed"):
        body = b"--x\r\nContent-Type: image/png\r\n\r\n" + files[0] + b"\r\n--x--\r\n"
        answer = client.post("/predict", body, {"Content-Type": f"multipart/{kind}; boundary=x"})
        assert answer.status == 400
        assert answer.json["error"].startswith(f"multipart/{kind}: is not multipart/form-data. S")


def test_large_files_keep_their_content_and_names():
    contents = [bytes(range(256)) * 8000, b"", b"\r\n--a-boundary\r"]
    body, headers = multipart(*contents)
    body = body.replace(b"0.png", "é ü.png".encode())
    assert read_uploads(headers["Content-Type"], body) == [
        Upload(contents[0], "é ü.png"),
        Upload(contents[1], "1.png"),
        Upload(contents[2], "2.png"),
    ]


def test_fields_without_a_file_are_ignored():
    body, headers = multipart(b"content")
    field = b'--a-boundary\r\nContent-Disposition: form-data; name="note"\r\n\r\ntext\r\n'
    assert read_uploads(headers["Content-Type"], field + body) == [Upload(b"content", "0.png")]


def test_field_for_a_file_that_was_left_empty_is_no_file():
    body, headers = multipart(b"", b"content")
    body = body.replace(b"0.png", b"")
    assert read_uploads(headers["Content-Type"], body) == [Upload(b"content", "1.png")]
    with pytest.raises(RequestError, match=r"contains no file\. Send one as"):
        read_uploads(headers["Content-Type"], multipart(b"")[0].replace(b"0.png", b""))


def test_text_that_a_client_made_of_a_file_is_shown():
    body, headers = multipart(b"[object File]")
    body = body.replace(b'; filename="0.png"', b"")
    with pytest.raises(RequestError, match=r"the field 'image' with the text '\[object File\]'\. "):
        read_uploads(headers["Content-Type"], body)


def test_form_of_very_many_parts_is_refused():
    body, headers = multipart(*[b""] * 1001)
    with pytest.raises(RequestError, match=r"cannot be read \(it has more than 1000 parts\)"):
        read_uploads(headers["Content-Type"], body)
