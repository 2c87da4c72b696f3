"""Checks that a server's packages are installed and opens its port, before TensorFlow."""

import contextlib
import errno
import importlib.util
import ipaddress
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from kerastl.errors import KerastlError, bad_value
from kerastl.extras import install_command

# The packages of the extra, by the names they are imported by.
PACKAGES = ("starlette", "uvicorn", "python_multipart", "prometheus_client")

OPEN_WARNING = (
    "Other machines can connect to this server. It has no authentication; put a reverse proxy in "
    "front of it."
)

# Programs take "localhost" for either one, and a container's /etc/hosts may name only the first.
LOOPBACKS = {"localhost": ("127.0.0.1", "::1")}
# A machine without IPv6 still resolves its addresses.
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_TRIES = 20
_Address = tuple[socket.AddressFamily, tuple[Any, ...]]
_HOST_ADVICE = "Use localhost, or 0.0.0.0 for all interfaces"


def check_packages(names: tuple[str, ...] = PACKAGES) -> None:
    """Checks that the packages of the extra are installed.

    Raises:
        KerastlError: If one is not.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise KerastlError(
                f"serve: needs the package {name}, which is not installed. Run: "
                f"{install_command('serve')}."
            )


@contextlib.contextmanager
def open_listeners(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Takes a port, a free one for 0, on every address of a host; closes them after the block.

    Clients are refused until a server listens on the sockets.

    Raises:
        KerastlError: If the port cannot be used.
    """
    addresses = _addresses(host)
    # The port that is free on the first address may be taken on the second.
    for tries_left in reversed(range(1 if port else _TRIES)):
        with contextlib.ExitStack() as stack:
            try:
                listeners = _bind_all(addresses, port, stack)
            except OSError as error:
                if error.errno == errno.EADDRINUSE and tries_left:
                    continue
                raise _explain(error, host, port) from error
            yield listeners
            return


def url_of(listeners: Sequence[socket.socket]) -> str:
    """Returns a URL of a server that listens on these sockets."""
    host, port = listeners[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def accept_other_machines(listeners: Sequence[socket.socket]) -> bool:
    """Reports whether other machines can connect."""
    hosts = [listener.getsockname()[0] for listener in listeners]
    return not all(ipaddress.ip_address(host).is_loopback for host in hosts)


def _addresses(host: str) -> list[_Address]:
    """Returns the addresses of a host, IPv4 first."""
    bare = host.strip("[]")
    try:
        found = [
            (family, address)
            for name in LOOPBACKS.get(bare.lower(), (bare,))
            for family, _, _, _, address in socket.getaddrinfo(
                name, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
        ]
    except (OSError, UnicodeError) as error:
        raise bad_value("host", host, "is not an address", _HOST_ADVICE) from error
    return sorted(set(found), key=lambda one: one[0] == socket.AF_INET6)


def _bind_all(
    addresses: Sequence[_Address], port: int, stack: contextlib.ExitStack
) -> list[socket.socket]:
    """Binds every address that this machine has; `stack` closes the sockets.

    Raises:
        OSError: If it has none, or the port cannot be used on one.
    """
    listeners: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in addresses:
        try:
            # asyncio sets TCP_NODELAY only on sockets that name their protocol.
            listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            stack.enter_context(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # The address :: then stands for all of IPv4 too, whatever the system's default.
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind((address[0], port, *address[2:]))
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            missing = error
        else:
            port = listener.getsockname()[1]
            listeners.append(listener)
    if not listeners and missing is not None:
        raise missing
    return listeners


def _explain(error: OSError, host: str, port: int) -> KerastlError:
    if error.errno in _NOT_HERE:
        return bad_value("host", host, "is not an address of this machine", _HOST_ADVICE)
    in_use = error.errno == errno.EADDRINUSE
    reason = "already in use" if in_use else os.strerror(error.errno or 0)
    return KerastlError(
        f"port={port}: cannot be used ({reason}). Choose another with --port; 0 finds a free one."
    )
