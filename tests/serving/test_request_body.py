import contextlib
import socket

import pytest

from serving_client import metric, read, wait_until


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


def test_bodies_of_all_clients_together_are_bounded(start, files):
    client = start(max_body_mb=0.5)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(client.connect())) for _ in range(8)]
        for connection in slow:
            connection.putrequest("POST", "/predict")
            connection.putheader("Content-Length", "480000")
            connection.endheaders(bytes(470_000))
        wait_until(lambda: metric(client, "kerastl_body_bytes") == 8 * 470_000)
        assert client.post("/predict", files[0] + bytes(300_000)).status == 503
        for connection in slow:
            connection.send(bytes(10_000))
            assert read(connection).status == 400
    assert client.post("/predict", files[0] + bytes(300_000)).status == 200


@pytest.mark.parametrize("timeout", ["chunk", "body"])
def test_slow_body_is_refused(start, timeout):
    client = start(timeouts={timeout: 0.1})
    with contextlib.closing(client.connect()) as slow:
        slow.putrequest("POST", "/predict")
        slow.putheader("Content-Length", "10")
        slow.endheaders(b"12345")
        assert read(slow).status == 408


def test_compressed_body_is_refused(client, files):
    assert client.post("/predict", files[0], {"Content-Encoding": "gzip"}).status == 415
