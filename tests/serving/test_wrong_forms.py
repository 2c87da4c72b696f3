import base64
import gzip
import io
import json
import time
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from kerastl.serving.rest import RequestError
from kerastl.serving.uploads import Upload, read_uploads
from kerastl.serving.wrong_forms import name_form
from serving_client import b64, instances, multipart


def encode(form):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


FILES = {form: encode(form) for form in ("PNG", "JPEG", "GIF", "BMP", "WebP", "TIFF")}
BASE64, QUOTE = base64.b64encode, urllib.parse.quote_from_bytes
# Ways to send a file, with what they are called.
WAYS = {
    "base64": (BASE64, "base64 text of a"),
    "line-wrapped": (base64.encodebytes, "base64 text of a"),
    "without padding": (lambda one: BASE64(one).rstrip(b"="), "base64 text of a"),
    "spaced": (lambda one: b" ".join(base64.encodebytes(one).split()), "base64 text of a"),
    "+ lost": (lambda one: BASE64(one).replace(b"+", b" "), "base64 text whose + became blanks"),
    "url-safe": (base64.urlsafe_b64encode, "URL-safe base64 text (with - and _) of a"),
    "twice": (lambda one: BASE64(BASE64(one)), "base64 text of base64 text of a"),
    "data URI": (lambda one: b"data:image/png;base64," + BASE64(one), "a data URI of base64 text"),
    "data URI, %": (lambda one: f"data:image/png,{QUOTE(one)}".encode(), "a data URI of"),
    "quoted": (lambda one: b'"%s"' % BASE64(one), "quoted text of base64 text of a"),
    "str(base64)": (lambda one: str(BASE64(one)).encode(), "Python's notation of bytes of base64"),
    "str(bytes)": (lambda one: str(one).encode(), "Python's notation of bytes of a"),
    "hexadecimal": (lambda one: one.hex().encode(), "hexadecimal digits of a"),
    "0xHEX": (lambda one: b"0x" + one.hex().upper().encode(), "hexadecimal digits of a"),
    "hexdump": (lambda one: one.hex(" ").encode(), "hexadecimal digits of a"),
    "numbers": (lambda one: json.dumps(list(one)).encode(), "a list of the bytes as numbers of a"),
    "field": (lambda one: b"image=" + BASE64(one), "a form field of base64 text of a"),
    "urlencoded": (
        lambda one: f"image={QUOTE(BASE64(one), safe='')}".encode(),
        "percent-encoded text of a form field of base64 text of a",
    ),
    "escaped": (
        lambda one: base64.encodebytes(one).replace(b"\n", rb"\n"),
        "text with escaped line feeds of base64 text of a",
    ),
    "gzip": (gzip.compress, "a compressed stream of a"),
    "form": (lambda one: multipart(one)[0], "a multipart form of a"),
}


@pytest.mark.parametrize("way", WAYS)
def test_form_is_named_with_the_file_in_it(way):
    wrap, name = WAYS[way]
    for form, content in FILES.items():
        named = name_form(wrap(content))
        assert named.startswith(name)
        assert f" of a {form}" in named
        assert name_form(wrap(b"no image at all, but plain words that are sent.")) in (
            *("", "JSON", "a form of fields"),
            *("a multipart form without a file", "a compressed stream"),
        )


def test_small_file_is_found_in_its_form():
    smallest = base64.b64decode("R0lGODlhAQABAAAAACwAAAAAAQABAAA=")
    assert name_form(BASE64(smallest)) == "base64 text of a GIF file"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WebP"])
def test_damage_of_the_way_is_named(form):
    content = FILES[form]
    # As curl -d does.
    stripped = content.translate(None, b"\r\n\0")
    assert name_form(stripped).startswith("an image whose line ends and zero bytes were removed")
    assert name_form(content) == name_form(content[:-40]) == name_form(content + b"\0") == ""


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"https://example.com/a.png?size=1", "an address, which is not fetched"),
        (b"gs://bucket/a", "an address, which is not fetched"),
        (b"/home/me/a.png\n", "the path of a file, not its content"),
        (b"C:\\pictures\\my cat.JPG", "the path of a file, not its content"),
        (b"@a.jpeg", "the path of a file, not its content"),
        (b'{"image": "..."}', "JSON"),
        (b'\xef\xbb\xbf [{"b64": "..."}]', "JSON"),
        (b"[[0.5, 0.1]]", "JSON"),
        (b"instances=%5B%5D", "a form of fields"),
        (b"{'instances': []}", "Python's notation of a dictionary"),
        (b'"{\\"instances\\": []}"', "JSON that was encoded twice"),
        (gzip.compress(b'{"instances": []}', mtime=0), "a compressed stream"),
        (b"hello", ""),
        (b"", ""),
        (b"<!doctype html><p>not found", ""),
        (b"The quick brown fox jumps over the lazy dog. " * 99, ""),
    ],
)
def test_what_is_no_image_is_named(content, name):
    assert name_form(content) == name


@pytest.mark.parametrize(
    "piece",
    [
        b" ",
        b"a",
        b"%25",
        b'"',
        b"a=",
        b"0x",
        b"[1,",
        b"data:,",
        b"b'",
        b"\\n",
        b"--\r\n",
        b"\xff\xd8\xff",
    ],
)
def test_naming_takes_no_time_for_large_bodies(piece):
    started = time.process_time()
    name_form(piece * (3_000_000 // len(piece)))
    assert time.process_time() - started < 0.5


RIGHT = '{"b64": "<base64 encoded string>"}'


@pytest.mark.parametrize("way", WAYS)
def test_predict_names_the_form_and_the_right_one(client, files, way):
    wrap, name = WAYS[way]
    text = wrap(files[0]).decode("latin-1")
    is_right = name == "base64 text of a"
    for item in (text, {"image_bytes": text}, {"b64": text}, {"image_bytes": {"b64": text}}):
        answer = client.predict({"instances": [item]})
        if is_right and "b64" in json.dumps(item):
            assert answer.json["predictions"][0]["class_name"] == "blue"
        elif way not in ("gzip", "form"):  # In JSON these are no longer what they were.
            assert answer.status == 400
            assert name in answer.json["error"]
            assert RIGHT in answer.json["error"]


@pytest.mark.parametrize("item", [b64, lambda one: {"image_bytes": b64(one)}])
def test_base64_that_lost_characters_is_no_wrong_form(client, item):
    for content in FILES.values():
        one = item(content)
        inner = one.get("image_bytes", one)
        bare = inner["b64"].rstrip("=")
        inner["b64"] = bare[: len(bare) // 4 * 4 - 3]
        error = client.predict({"instances": [one]}).json["error"]
        assert "file that lost characters on the way. Send the standard base64" in error


@pytest.mark.parametrize("way", WAYS)
def test_upload_names_the_form_and_the_right_one(client, files, way):
    wrap, name = WAYS[way]
    answer = client.post("/predict", wrap(files[0]))
    assert answer.status == 400
    assert name in answer.json["error"]
    assert "curl --data-binary @FILE" in answer.json["error"]


@pytest.mark.parametrize("way", ["base64", "line-wrapped", "data URI", "hexadecimal"])
def test_infer_names_the_form_and_the_right_one(client, files, way):
    wrap, name = WAYS[way]
    tensor = {"name": "image_bytes", "shape": [1], "datatype": "BYTES"}
    body = {"inputs": [tensor | {"data": [wrap(files[0]).decode()]}]}
    answer = client.post("/v2/models/colors/infer", json.dumps(body))
    if name == "base64 text of a":
        assert answer.status == 200
        return
    assert answer.status == 400
    assert name in answer.json["error"]
    assert 'as an element of "data" with the "datatype" BYTES' in answer.json["error"]


@pytest.mark.parametrize(
    "item", [[0.1, 0.2], [[[0.1, 0.2, 0.3]]], [137, 80, 78, 71], {"image_bytes": [[[1, 2, 3]]]}]
)
def test_pixels_are_sent_to_the_signature_for_pixels(client, item):
    answer = client.predict({"instances": [item]})
    assert answer.status == 400
    assert 'pixels go to the signature "images"' in answer.json["error"]


@pytest.mark.parametrize(
    "form",
    [
        list,
        lambda content: {"type": "Buffer", "data": list(content)},
        lambda content: {str(place): value for place, value in enumerate(content)},
    ],
)
def test_bytes_of_a_file_as_numbers_are_named(client, files, form):
    for item in (form(files[0]), {"image_bytes": form(files[0])}):
        error = client.predict({"instances": [item]}).json["error"]
        assert "not a list of the bytes as numbers of a" in error
        assert RIGHT in error
    # Keys of other objects are named, not all of them.
    error = client.predict({"instances": [{str(n): n for n in range(99)}]}).json["error"]
    assert "image_bytes, not 0, 1, 2, 3 and 95 more, as in" in error


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (str, "Python's notation of a dictionary"),
        (lambda document: json.dumps(json.dumps(document)), "JSON that was encoded twice"),
        (
            lambda document: gzip.compress(json.dumps(document).encode(), mtime=0),
            "a compressed stream",
        ),
        (
            lambda document: f"{json.dumps(document)}\n{json.dumps(document)}\n",
            "JSON Lines, of which each would be a request",
        ),
    ],
)
def test_json_in_another_form_is_named(client, files, wrap, name):
    body = wrap(instances(files[0]))
    answer = client.predict(body.encode() if isinstance(body, str) else body)
    assert answer.status == 400
    assert (
        f". The body is {name}. Send JSON; image files go to POST /predict."
        in (answer.json["error"])
    )


def test_file_is_sent_from_the_signature_for_pixels_to_its_own(client, files):
    for item in (b64(files[0]), b64(files[0])["b64"], [0.5, 0.1], [[[0.5, 0.1, 0.9]]]):
        answer = client.predict({"signature_name": "images", "instances": [item]})
        assert answer.status == 400
        assert "expecting pixels as integers in 0..255" in answer.json["error"]
        assert 'image files go to the signature "serving_default"' in answer.json["error"]


def test_key_beside_the_image_is_named(client, files):
    answer = client.predict({"instances": [{"image_bytes": b64(files[0]), "key": "7"}]})
    assert answer.status == 400
    assert "keys must be equal to: image_bytes, not image_bytes, key" in answer.json["error"]


def test_json_at_the_address_of_files_is_sent_to_its_own(client, files):
    for body in (instances(files[0]), {"image": b64(files[0])["b64"]}, [b64(files[0])]):
        for kind in ({}, {"Content-Type": "application/json"}):
            answer = client.post("/predict", json.dumps(body), kind)
            assert answer.status == 400
            assert "JSON goes to /v1/models/colors:predict" in answer.json["error"]


def test_file_at_the_address_of_json_is_sent_to_its_own(client, files):
    for path in ("/v1/models/colors:predict", "/v2/models/colors/infer"):
        for body, name in (
            (files[0], "a PNG file"),
            (BASE64(files[0]), "base64 text of a PNG file"),
            (multipart(files[0])[0], "a multipart form of a PNG file"),
        ):
            answer = client.post(path, body)
            assert answer.status == 400
            assert (
                f"The body is {name}. Send JSON; image files go to POST /predict"
                in answer.json["error"]
            )


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "image/png"])
def test_file_that_curl_has_stripped_is_to_be_sent_otherwise(client, files, kind):
    stripped = files[0].translate(None, b"\r\n\0")
    answer = client.post("/predict", stripped, {"Content-Type": kind})
    assert answer.status == 400
    assert "curl --data-binary @FILE" in answer.json["error"]
    assert "curl -d removes line ends" in answer.json["error"]


def test_type_of_form_fields_is_no_error_for_a_whole_file(client, files):
    # curl --data-binary sends this type too.
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/predict", files[0], kind).status == 200
    damaged = client.post("/predict", files[0][:-40], kind)
    assert "curl --data-binary @FILE" in damaged.json["error"]
    assert "curl" not in client.post("/predict", files[0][:-40]).json["error"]


def form_field(content, name=b"image"):
    body, headers = multipart()
    head = b'--a-boundary\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % name
    return head + content + b"\r\n" + body, headers["Content-Type"]


def test_file_in_a_form_needs_no_name():
    body, kind = form_field(FILES["PNG"], b"anything")
    assert read_uploads(kind, body) == [Upload(FILES["PNG"], None)]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"/tmp/a.png", "the path of a file, not its content"),
        (BASE64(FILES["PNG"]), "base64 text of a PNG file"),
        (b"a cat", "the text 'a cat'"),
    ],
)
def test_field_in_place_of_a_file_is_named(content, name):
    body, kind = form_field(content)
    with pytest.raises(RequestError) as caught:
        read_uploads(kind, body)
    assert str(caught.value) == (
        f"multipart/form-data: contains no file, only the field 'image' with {name}. Send one as "
        "curl -F image=@FILE does."
    )


@pytest.mark.parametrize(
    "path", ["/predict", "/v1/models/colors:predict", "/v2/models/colors/infer"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_wrong_verb_is_told_the_right_one(client, path, method):
    answer = client.ask(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or answer.json["error"].endswith(f"{method} {path}. Use POST.")


@pytest.mark.parametrize(
    "path", ["/predictor", "/predictions", "/v1/models/colors/predict", "/v2/infer"]
)
def test_wrong_address_is_told_the_right_ones(client, files, path):
    answer = client.post(path, files[0])
    assert answer.status == 404
    assert "Image files go to POST /predict, JSON to POST /v1/models/NAME" in answer.json["error"]


def test_json_with_a_mistake_is_not_sent_to_the_address_of_files(client):
    for body in (b'{"instances": [}', b'["'):
        answer = client.post("/v1/models/colors:predict", body)
        assert answer.json["error"].startswith("JSON Parse error: ")
        assert "POST /predict" not in answer.json["error"]


def test_chunked_body_is_a_body(client, files):
    answer = client.post("/predict", iter([files[2][:50], files[2][50:]]))
    assert answer.json["predictions"][0]["class_name"] == "red"


def test_compressed_body_is_named(client, files):
    answer = client.post("/predict", gzip.compress(files[0]), {"Content-Encoding": "gzip"})
    assert answer.status == 415
    assert answer.json["error"].startswith("Content-Encoding: gzip is not supported. Send the body")
