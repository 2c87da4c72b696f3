import errno
import socket

import pytest

from kerastl.errors import KerastlError
from kerastl.serving.listener import (
    accepts_other_machines,
    check_packages,
    open_listener,
    url_of,
)


def test_responses_are_sent_without_delay():
    # asyncio sets TCP_NODELAY by this alone; without it each response comes 40 ms late.
    with open_listener("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(("host", "others"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_host_decides_who_can_connect(host, others):
    with open_listener(host, 0) as listener:
        assert accepts_other_machines(listener) == others
        assert url_of(listener) == f"http://{host}:{listener.getsockname()[1]}"


def test_url_of_ipv6_has_brackets():
    try:
        listener = open_listener("::1", 0)
    except KerastlError:
        pytest.skip("needs IPv6")
    with listener:
        assert url_of(listener).startswith("http://[::1]:")
        assert not accepts_other_machines(listener)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("nowhere.invalid", "host='nowhere.invalid': is not an address. Use 127.0.0.1, or 0.0.0.0"),
        ("192.0.2.1", "host='192.0.2.1': is not an address of this machine. Use 127.0.0.1, or"),
    ],
)
def test_wrong_host_is_refused(host, message):
    with pytest.raises(KerastlError) as caught:
        open_listener(host, 0)
    assert str(caught.value).startswith(message)


def test_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(KerastlError) as caught:
            open_listener("127.0.0.1", port)
    assert str(caught.value) == (
        f"port={port}: cannot be used (already in use). Choose another with --port; 0 finds a free "
        "one."
    )
    assert caught.value.__cause__.errno == errno.EADDRINUSE


def test_missing_package_is_reported_with_its_extra():
    with pytest.raises(KerastlError) as caught:
        check_packages(("starlette", "no_such_package"))
    assert "needs the package no_such_package" in str(caught.value)
    assert "pip install 'kerastl[serve]'" in str(caught.value)
