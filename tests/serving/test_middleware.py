import contextlib
import threading

import pytest

from serving_client import read, wait_until


@pytest.mark.thorough
@pytest.mark.parametrize("chunked", [False, True])
def test_client_that_sends_too_much_receives_the_reason(start, chunked):
    client = start(max_body_mb=1)
    piece = bytes(100_000)
    # More than a socket buffers: a server that does not read it would break the pipe.
    body = (piece for _ in range(200)) if chunked else piece * 200
    # As urllib does; uvicorn itself reads on over connections that stay open.
    answer = client.ask("POST", "/predict", body, {"Connection": "close"})
    assert answer.status == 413
    assert "The body is larger than 1 MB." in answer.json["error"]


def test_request_on_its_way_when_the_server_stops_is_answered(serving, files):
    before = set(threading.enumerate())
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(serving(timeouts={"grace": 1.5}))
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
