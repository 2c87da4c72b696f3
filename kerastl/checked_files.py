"""Versions of a file that are whole or not used: `NNNNNN-SHA256.npz`, newest first.

The name ends in the checksum of the content, so that a version appears at once with its checksum;
the one before it stays until then.
"""

import hashlib
import os
import pathlib
import re
from collections.abc import Iterator

from kerastl.disk_errors import explained
from kerastl.errors import KerastlError, first_line
from kerastl.writing import replacing

_NAME = re.compile(r"(\d{6,})-([0-9a-f]{64})\.npz")
_FIELD = "run_dir"


class Versions:
    """The versions in a directory that no other process writes to.

    Two stay: the newest, and the last one before it that is known to be whole.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        """Changes nothing yet, and does not need the directory to exist."""
        self._directory = directory
        # The newest that this process has read or written.
        self._whole: pathlib.Path | None = None

    def write(self, content: bytes) -> None:
        """Writes the next version, and then removes those that are needed no more.

        Raises:
            KerastlError: If it cannot be written; the others stay.
        """
        earlier = list_versions(self._directory)
        number = 1 + (_parts(earlier[0])[0] if earlier else 0)
        with explained(self._directory, field=_FIELD):
            self._directory.mkdir(exist_ok=True)
        path = self._directory / f"{number:06}-{hashlib.sha256(content).hexdigest()}.npz"
        with replacing(path, field=_FIELD) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            # The power may go, too.
            os.fsync(file.fileno())
        _remove([one for one in earlier if one != self._whole])
        self._whole = path

    def read(self) -> Iterator[tuple[pathlib.Path, bytes | None]]:
        """Yields each version with its content, the newest first; None for one that is damaged.

        Raises:
            KerastlError: If one cannot be read, which may be a fault that passes.
        """
        for path in list_versions(self._directory):
            try:
                content = path.read_bytes()
            except OSError as error:
                raise KerastlError(
                    f"{_FIELD}={str(self._directory.parent)!r}: {path.name} cannot be read "
                    f"({error.strerror or first_line(error)}). Repeat the command when it can be, "
                    "or remove that file to go on from the one before it."
                ) from error
            is_whole = hashlib.sha256(content).hexdigest() == _parts(path)[1]
            if is_whole and self._whole is None:
                self._whole = path
            yield path, content if is_whole else None

    def remove(self) -> None:
        """Removes all versions."""
        _remove(list_versions(self._directory))


def list_versions(directory: pathlib.Path) -> list[pathlib.Path]:
    """Lists the paths of all versions, the newest first."""
    found = [path for path in directory.glob("*.npz") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_parts, reverse=True)


def _remove(paths: list[pathlib.Path]) -> None:
    for path in paths:
        with explained(path, field=_FIELD):
            path.unlink(missing_ok=True)


def _parts(path: pathlib.Path) -> tuple[int, str]:
    number, checksum = path.stem.split("-")
    return int(number), checksum
