import contextlib
import socket
import time

import pytest

from kerastl.serving.options import Limits
from serving_client import read, wait_until


@pytest.mark.parametrize(
    ("sent", "options"),
    [
        (b"", {"idle_seconds": 0.2}),
        # A head that has begun does not have the time of a connection that waits.
        (b"POST /predict HT", {"timeouts": {"head": 0.2}}),
    ],
)
def test_connection_without_a_request_is_closed(start, sent, options):
    with socket.create_connection(start(**options).address.split(":")) as silent:
        silent.settimeout(5)
        silent.sendall(sent)
        assert silent.recv(100) == b""


def test_head_that_comes_letter_by_letter_is_not_waited_for(start):
    with socket.create_connection(start(timeouts={"head": 0.3}).address.split(":")) as slow:
        slow.settimeout(0.05)
        received, began = None, time.monotonic()
        while received is None and time.monotonic() < began + 5:
            with contextlib.suppress(TimeoutError):
                slow.sendall(b"a")
                received = slow.recv(100)
    assert received == b""


def test_connection_whose_next_request_stops_is_closed(start):
    client = start(timeouts={"head": 0.2})
    with contextlib.closing(client.connect()) as connection:
        connection.request("GET", "/healthz")
        assert read(connection).status == 200
        connection.sock.sendall(b"GET /heal")
        connection.sock.settimeout(5)
        assert connection.sock.recv(100) == b""


def test_connection_is_kept_between_requests_for_its_time(start):
    client = start(idle_seconds=0.4, timeouts={"head": 0.1})
    with contextlib.closing(client.connect()) as connection:
        for _ in range(3):
            time.sleep(0.2)
            connection.request("GET", "/healthz")
            assert read(connection).status == 200
        began = time.monotonic()
        connection.sock.settimeout(5)
        assert connection.sock.recv(100) == b""
        assert time.monotonic() - began > 0.3


def test_connections_outlive_those_of_load_balancers(client):
    # 60 s at Amazon's, 60 s or 75 s at nginx, 600 s at Google's, which cannot be changed.
    assert Limits().idle_seconds > 600
    assert client.serving.server.config.timeout_keep_alive > 600


def test_connection_in_use_stays_open(start, files, blocker):
    client = start(idle_seconds=0.2)
    with contextlib.closing(client.connect()) as connection:
        for _ in range(4):
            time.sleep(0.1)
            connection.request("GET", "/healthz")
            assert read(connection).status == 200
        blocker.block(client.serving.batcher)
        connection.request("POST", "/predict", files[0])
        time.sleep(0.5)
        blocker.release.set()
        assert read(connection).status == 200


def test_connection_that_waited_longest_gives_way_where_there_are_too_many(
    start, files, blocker, monkeypatch
):
    monkeypatch.setattr("kerastl.serving.server.most_files", lambda: 0)
    client = start()  # With room for eight.
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(contextlib.closing(client.connect())) for _ in range(9)]
        for connection in opened[:8]:
            connection.connect()
            connection.sock.settimeout(5)
        opened[0].request("GET", "/healthz")
        assert read(opened[0]).status == 200
        opened[8].request("GET", "/healthz")
        assert read(opened[8]).status == 200
        assert opened[1].sock.recv(100) == b""
        # Those in use stay.
        blocker.block(client.serving.batcher)
        for connection in [opened[0], *opened[2:]]:
            connection.request("POST", "/predict", files[0])
        wait_until(lambda: client.serving.batcher.num_waiting == 8)
        with socket.create_connection(client.address.split(":")) as late:
            late.settimeout(5)
            assert late.recv(100) == b""
        blocker.release.set()
        assert {read(connection).status for connection in [opened[0], *opened[2:]]} == {200}
