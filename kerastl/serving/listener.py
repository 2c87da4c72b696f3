"""Checks that a server's packages are installed and opens its port, before TensorFlow."""

import errno
import importlib.util
import ipaddress
import os
import socket

from kerastl.errors import KerastlError, bad_value

# The packages of the extra, by the names they are imported by.
PACKAGES = ("starlette", "uvicorn", "python_multipart", "prometheus_client")


def check_packages(names: tuple[str, ...] = PACKAGES) -> None:
    """Checks that the packages of the extra are installed.

    Raises:
        KerastlError: If one is not.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise KerastlError(
                f"serve: needs the package {name}, which is not installed. Install everything it "
                "needs with pip install 'kerastl[serve]', or in a checkout pip install '.[serve]'."
            )


def open_listener(host: str, port: int) -> socket.socket:
    """Takes a port, a free one for 0; it refuses clients until a server listens on the socket.

    Raises:
        KerastlError: If the port cannot be used.
    """
    advice = "Use 127.0.0.1, or 0.0.0.0 for all interfaces"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
    except (OSError, UnicodeError) as error:
        raise bad_value("host", host, "is not an address", advice) from error
    # asyncio sets TCP_NODELAY only on sockets that name their protocol.
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise bad_value("host", host, "is not an address of this machine", advice) from error
        in_use = error.errno == errno.EADDRINUSE
        reason = "already in use" if in_use else os.strerror(error.errno or 0)
        raise KerastlError(
            f"port={port}: cannot be used ({reason}). Choose another with --port; 0 finds a free "
            "one."
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Returns the URL of a server that listens on a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def accepts_other_machines(listener: socket.socket) -> bool:
    """Reports whether other machines can connect."""
    return not ipaddress.ip_address(listener.getsockname()[0]).is_loopback
