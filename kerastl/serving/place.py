"""Where an export and a port are; imports no TensorFlow, so that a wrong one is told at once."""

import dataclasses
import errno
import os
import pathlib
import socket

from kerastl.errors import KerastlError, bad_value
from kerastl.outputs.formats import SAVEDMODEL_FILE


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an export is: a directory of versions, or one of them that `version` names."""

    directory: pathlib.Path
    name: str
    version: int | None

    def versions(self) -> dict[int, pathlib.Path]:
        """Finds the complete versions, the highest first."""
        if self.version is not None:
            return {self.version: self.directory}
        found = {
            int(path.name): path
            for path in self.directory.iterdir()
            if path.name.isdecimal() and (path / SAVEDMODEL_FILE).is_file()
        }
        return dict(sorted(found.items(), reverse=True))


def find_place(export: str, name: str) -> Place:
    """Finds what a user has named, and the name to serve it by.

    Args:
        export: Directory of versions, or one version.
        name: Its name to clients; empty for that of the directory.

    Raises:
        UsageError: If there is no export, or the name cannot stand in an address.
    """
    directory = pathlib.Path(export)
    if not directory.is_dir():
        raise bad_value(
            "export", export, "is no directory", "Give what kerastl export wrote, as saved_models/x"
        )
    resolved = directory.resolve()
    is_version = (directory / SAVEDMODEL_FILE).is_file()
    numbered = is_version and resolved.name.isdecimal()
    version = (int(resolved.name) if numbered else 1) if is_version else None
    chosen = name or (resolved.parent.name if numbered else resolved.name)
    if not chosen or any(letter in "/:" for letter in chosen):
        raise bad_value("name", chosen, "cannot stand in an address", "Give one without / and :")
    place = Place(directory, chosen, version)
    if not place.versions():
        raise bad_value(
            "export", export, "holds no version with a saved_model.pb", "Write one: kerastl export"
        )
    return place


def bind(host: str, port: int) -> socket.socket:
    """Takes a port, which refuses clients until somebody listens on the socket.

    Args:
        host: Name or number of one of this machine's addresses.
        port: Its port; 0 takes a free one.

    Raises:
        KerastlError: If it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
    except (OSError, UnicodeError) as error:
        raise bad_value(
            "host", host, "is no address", "Use 127.0.0.1, or 0.0.0.0 for all"
        ) from error
    # With the protocol named, since asyncio turns off the wait for more to send by it alone.
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise bad_value(
                "host", host, "is no address of this machine", "Use 127.0.0.1, or 0.0.0.0 for all"
            ) from error
        reason = "is in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
        raise KerastlError(
            f"port={port}: cannot be had ({reason}). Choose another with --port; 0 finds one."
        ) from error
    return bound
