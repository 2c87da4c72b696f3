"""Versions of a file that are whole or not used: `NNNNNN-SHA256.npz`, newest first.

The name ends in the checksum of the content, so that a version appears at once with its checksum;
the one before it stays until then.
"""

import contextlib
import hashlib
import os
import pathlib
import re
from collections.abc import Iterator

from kerastl.disk_errors import explained
from kerastl.writing import replacing

# The newest, and one to use if that is damaged.
_KEPT = 2
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{64})\.npz")
_FIELD = "run_dir"


def write_version(directory: pathlib.Path, content: bytes) -> None:
    """Writes the next version, and then removes all but the one before it.

    Raises:
        KerastlError: If it cannot be written; the others stay.
    """
    earlier = list_versions(directory)
    number = 1 + (_parts(earlier[0])[0] if earlier else 0)
    with explained(directory, field=_FIELD):
        directory.mkdir(exist_ok=True)
    path = directory / f"{number:06}-{hashlib.sha256(content).hexdigest()}.npz"
    with replacing(path, field=_FIELD) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        # The power may go, too.
        os.fsync(file.fileno())
    _remove(earlier[_KEPT - 1 :])


def read_versions(directory: pathlib.Path) -> Iterator[tuple[pathlib.Path, bytes | None]]:
    """Yields each version with its content, the newest first; None for one that is damaged."""
    for path in list_versions(directory):
        content = None
        with contextlib.suppress(OSError):
            content = path.read_bytes()
        is_whole = content is not None and hashlib.sha256(content).hexdigest() == _parts(path)[1]
        yield path, content if is_whole else None


def remove_versions(directory: pathlib.Path) -> None:
    """Removes all versions."""
    _remove(list_versions(directory))


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
