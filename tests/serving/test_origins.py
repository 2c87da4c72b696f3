import pytest

from kerastl.errors import UsageError
from kerastl.serving.options import Limits
from serving_client import wait_until

PAGE = {"Origin": "https://app.example"}
ALLOW = "access-control-allow-origin"
PREFLIGHT = PAGE | {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type, x-anything",
}


def test_no_other_site_is_allowed_without_the_flag(client, files):
    assert client.ask("OPTIONS", "/predict", None, PREFLIGHT).status == 405
    answer = client.post("/predict", files[0], PAGE)
    assert answer.status == 200
    assert ALLOW not in answer.headers


@pytest.mark.parametrize(
    ("allowed", "told"),
    [("http://other:8080, https://app.example", "https://app.example"), ("*", "*")],
)
def test_allowed_site_reads_answers_and_errors(start, files, allowed, told):
    client = start(allowed_origins=allowed, max_body_mb=1)
    for path in ("/predict", "/v1/models/colors:predict", "/v2/models/colors/infer"):
        preflight = client.ask("OPTIONS", path, None, PREFLIGHT)
        assert preflight.status in (200, 204)
        assert preflight.headers[ALLOW] == told
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "x-anything" in preflight.headers["access-control-allow-headers"]
    for status, path, body in (
        (200, "/predict", files[0]),
        (400, "/predict", b"hello"),
        (404, "/nowhere", b""),
        (413, "/predict", bytes(1_000_001)),
        (415, "/predict", None),
    ):
        encoding = {"Content-Encoding": "br"} if body is None else {}
        answer = client.post(path, body or b"", PAGE | encoding)
        assert (answer.status, answer.headers[ALLOW]) == (status, told)


def test_site_that_is_not_allowed_reads_nothing(start, files):
    client = start(allowed_origins="https://app.example")
    for origin in ("https://other.example", "http://app.example", "https://app.example:444"):
        assert ALLOW not in client.post("/predict", files[0], {"Origin": origin}).headers
        preflight = client.ask("OPTIONS", "/predict", None, PREFLIGHT | {"Origin": origin})
        assert ALLOW not in preflight.headers


def test_allowed_site_reads_that_the_queue_is_full_and_that_the_server_failed(
    start, files, blocker, monkeypatch
):
    client = start(allowed_origins="*", queue_size=1)
    blocker.block(client.serving.batcher)
    first = client.connect()
    first.request("POST", "/predict", files[0])
    wait_until(lambda: client.serving.batcher.num_waiting == 1)
    refused = client.post("/predict", files[0], PAGE)
    assert (refused.status, refused.headers[ALLOW]) == (503, "*")
    blocker.release.set()
    first.getresponse()
    first.close()
    monkeypatch.setattr(client.serving.batcher, "submit", lambda *about: 1 / 0)
    failed = client.post("/predict", files[0], PAGE)
    assert (failed.status, failed.headers[ALLOW]) == (500, "*")


@pytest.mark.parametrize(
    "origin",
    [
        *("app.example", "https://app.example/", "https://app.example/page", "http://A.example"),
        *("https://*.app.example", "https://žlutý.example", "https://app.example:443"),
        *("http://app.example:80", "https://[::1]:443", "http://"),
    ],
)
def test_what_no_browser_sends_as_an_origin_is_refused(origin):
    with pytest.raises(UsageError) as caught:
        Limits(allowed_origins=f"http://localhost:3000,{origin}")
    assert str(caught.value).startswith(
        f"allowed_origins={origin!r}: is not the address of a site. Give its scheme, host and port"
    )


def test_origins_are_separated_by_commas_or_spaces():
    assert Limits(allowed_origins="http://a, null *").origins == ["http://a", "null", "*"]


@pytest.mark.parametrize(
    "origin",
    [
        *("https://xn--lut-lva43d.example", "http://app.example:443", "https://app.example:80"),
        *("http://[::1]:3000", "http://localhost:8080", "capacitor://localhost"),
    ],
)
def test_what_browsers_send_as_an_origin_is_taken(origin):
    assert Limits(allowed_origins=origin).origins == [origin]
