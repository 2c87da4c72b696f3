"""Bytes of files, and the hash by which an image is known everywhere."""

import errno
import hashlib
import os
import pathlib
import re
import stat
from collections.abc import Iterable

import numpy as np

from kerastl.errors import KerastlError

# Bytes of a file that its kind is found by.
_HEAD = 512
# What a network drive raises once it is gone, and with it every file.
_DRIVE_IS_GONE = (
    errno.ENOTCONN,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
)
# Bytes of a name that the system's encoding does not have, as Python keeps them.
_BYTES_OF_NAME = re.compile("[\udc80-\udcff]+")
# The hash of an image's content, as one value of an array. Everything that keeps, compares or
# counts such hashes has its width from here.
HASH = np.dtype("S16")


def hash_content(content: bytes) -> bytes:
    """Hashes the content of an image file to as many bytes as `HASH` has."""
    # Processors have instructions for this hash, which makes it the fastest of the safe ones.
    return hashlib.sha256(content).digest()[: HASH.itemsize]


def hash_all(contents: Iterable[bytes]) -> np.ndarray:
    """Hashes each content, uint8 (contents, 16)."""
    return as_rows(map(hash_content, contents))


def hash_files(*paths: str | os.PathLike[str]) -> str:
    """Hashes the contents of files together, such as those of the code that decides a result."""
    content = b"".join(pathlib.Path(path).read_bytes() for path in paths)
    return hashlib.sha256(content).hexdigest()[:16]


def as_rows(hashes: Iterable[bytes]) -> np.ndarray:
    """Stacks hashes, uint8 (hashes, 16)."""
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, HASH.itemsize)


def as_keys(hashes: np.ndarray) -> np.ndarray:
    """Views hashes as single values that can be sorted and compared, `HASH` (hashes,)."""
    return np.ascontiguousarray(hashes).view(HASH).reshape(-1)


def as_numbers(hashes: np.ndarray) -> np.ndarray:
    """Takes the first half of each hash as a number, int64 (hashes,): a seed for the image."""
    return np.ascontiguousarray(hashes).view(np.int64)[:, 0]


def read_file(path: pathlib.Path) -> bytes:
    """Reads a whole file.

    Raises:
        OSError: If it cannot be read, or is a pipe or a device, which might never end.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file")
        return file.read()


def read_head(path: pathlib.Path) -> bytes:
    """Reads the first bytes of a file, by which its kind is found; none where that fails."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _open_at_once(path: str, flags: int) -> int:
    # Opening a pipe would wait for a writer.
    return os.open(path, flags | os.O_NONBLOCK)


def content_or_path(path: pathlib.Path) -> tuple[bytes, bool]:
    """Reads a file and reports whether that worked; its path stands for an unreadable one.

    Raises:
        KerastlError: If its drive is gone.
    """
    try:
        return read_file(path), True
    except OSError as error:
        check_drive(error, path)
        return f"unreadable: {path}: {error.strerror}".encode(errors="surrogateescape"), False


def check_drive(error: OSError, name: object) -> None:
    """Raises KerastlError if an error is of a whole drive: no file of it is then to be left out."""
    if error.errno in _DRIVE_IS_GONE:
        raise KerastlError(
            f"file={readable(name)!r}: {error.strerror}. Check that its drive can be used, and "
            "start again."
        ) from error


def readable(name: object) -> str:
    """Escapes the bytes of a file name that are not text, as old archives leave them.

    Where the system's encoding is ASCII, all other letters come as bytes, too; those are text.
    """
    text = _BYTES_OF_NAME.sub(_decode_name, str(name))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _decode_name(found: re.Match[str]) -> str:
    return os.fsencode(found[0]).decode("utf-8", "surrogateescape")
