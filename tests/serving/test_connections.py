import contextlib
import socket
import time

import pytest

from serving_client import read


@pytest.fixture
def impatient(start):
    return start(timeouts={"idle": 0.2})


@pytest.mark.parametrize("sent", [b"", b"POST /predict HT"])
def test_connection_without_a_request_is_closed(impatient, sent):
    with socket.create_connection(impatient.address.split(":")) as silent:
        silent.settimeout(5)
        silent.sendall(sent)
        assert silent.recv(100) == b""


def test_connection_whose_next_request_stops_is_closed(impatient):
    with contextlib.closing(impatient.connect()) as connection:
        connection.request("GET", "/healthz")
        assert read(connection).status == 200
        connection.sock.sendall(b"GET /heal")
        connection.sock.settimeout(5)
        assert connection.sock.recv(100) == b""


def test_connection_in_use_stays_open(impatient, files, blocker):
    with contextlib.closing(impatient.connect()) as connection:
        for _ in range(4):
            time.sleep(0.1)
            connection.request("GET", "/healthz")
            assert read(connection).status == 200
        blocker.block(impatient.serving.batcher)
        connection.request("POST", "/predict", files[0])
        time.sleep(0.5)
        blocker.release.set()
        assert read(connection).status == 200
