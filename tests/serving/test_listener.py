import contextlib
import errno
import socket

import pytest

from kerastl.errors import KerastlError
from kerastl.extras import install_command
from kerastl.serving import listener
from kerastl.serving.listener import (
    accept_other_machines,
    check_packages,
    open_listeners,
    url_of,
)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")


def can_connect(address, port):
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection((address, port)):
        return True
    return False


def test_responses_are_sent_without_delay():
    # asyncio sets TCP_NODELAY by this alone; without it each response comes 40 ms late.
    with open_listeners("localhost", 0) as listeners:
        assert {one.proto for one in listeners} == {socket.IPPROTO_TCP}


@pytest.mark.parametrize(("host", "others"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_host_decides_who_can_connect(host, others):
    with open_listeners(host, 0) as listeners:
        assert accept_other_machines(listeners) == others
        assert url_of(listeners) == f"http://{host}:{listeners[0].getsockname()[1]}"


@needs_ipv6
@pytest.mark.parametrize(
    ("host", "reached", "others"),
    [
        ("localhost", ["127.0.0.1", "::1"], False),
        ("LocalHost", ["127.0.0.1", "::1"], False),
        ("::", ["127.0.0.1", "::1"], True),
        ("::1", ["::1"], False),
        ("[::1]", ["::1"], False),
        ("127.0.0.1", ["127.0.0.1"], False),
        ("0.0.0.0", ["127.0.0.1"], True),
    ],
)
def test_host_is_reached_in_both_families_on_one_port(host, reached, others):
    with open_listeners(host, 0) as listeners:
        (port,) = {one.getsockname()[1] for one in listeners}
        for one in listeners:
            one.listen()
        assert [at for at in ("127.0.0.1", "::1") if can_connect(at, port)] == reached
        assert accept_other_machines(listeners) == others


@needs_ipv6
def test_url_has_the_address_of_version_4_where_there_is_one():
    with open_listeners("localhost", 0) as listeners:
        assert url_of(listeners).startswith("http://127.0.0.1:")
    with open_listeners("::1", 0) as listeners:
        assert url_of(listeners).startswith("http://[::1]:")


def test_machine_without_ipv6_listens_on_the_other_address(monkeypatch):
    monkeypatch.setattr(listener, "LOOPBACKS", {"localhost": ("127.0.0.1", "2001:db8::1")})
    with open_listeners("localhost", 0) as listeners:
        assert [one.family for one in listeners] == [socket.AF_INET]


@needs_ipv6
def test_port_that_is_taken_in_one_family_is_not_chosen(monkeypatch):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        taken = other.getsockname()[1]
        with (
            pytest.raises(KerastlError, match=f"port={taken}: cannot be used"),
            open_listeners("localhost", taken),
        ):
            pass
        bound, ports = listener.socket.socket.bind, iter([taken])
        # The system proposes the port that is taken first.
        monkeypatch.setattr(
            listener.socket.socket,
            "bind",
            lambda self, at: bound(self, (at[0], at[1] or next(ports, 0), *at[2:])),
        )
        with open_listeners("localhost", 0) as listeners:
            assert len(listeners) == 2
            assert taken not in {one.getsockname()[1] for one in listeners}


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("nowhere.invalid", "host='nowhere.invalid': is not an address. Use localhost, or 0.0.0.0"),
        ("192.0.2.1", "host='192.0.2.1': is not an address of this machine. Use localhost, or"),
    ],
)
def test_wrong_host_is_refused(host, message):
    with pytest.raises(KerastlError) as caught, open_listeners(host, 0):
        pass
    assert str(caught.value).startswith(message)


def test_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(KerastlError) as caught, open_listeners("127.0.0.1", port):
            pass
    assert str(caught.value) == (
        f"port={port}: cannot be used (already in use). Choose another with --port; 0 finds a free "
        "one."
    )
    assert caught.value.__cause__.errno == errno.EADDRINUSE


def test_missing_package_is_reported_with_its_extra():
    with pytest.raises(KerastlError) as caught:
        check_packages(("starlette", "no_such_package"))
    assert "needs the package no_such_package" in str(caught.value)
    assert f"Run: {install_command('serve')}." in str(caught.value)
