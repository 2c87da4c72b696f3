"""Whether a disk has room for what is going to be written."""

import errno
import os
import pathlib
import shutil
import stat

from kerastl.disk_errors import cannot_write, explained
from kerastl.progress import format_bytes


def check_room(run_dir: pathlib.Path, num_bytes: int) -> None:
    """Refuses a run directory whose disk has no room for what is going to be written.

    Args:
        run_dir: The directory; what a run that goes on has there already is a part of it.
        num_bytes: What the files of a run take in all.

    Raises:
        KerastlError: If it has none.
    """
    with explained(run_dir, field="run_dir"):
        files = (path.lstat() for path in run_dir.rglob("*"))
        there = sum(one.st_size for one in files if stat.S_ISREG(one.st_mode))
    check_free_bytes(run_dir, num_bytes - there, field="run_dir")


def check_free_bytes(path: pathlib.Path, needed: int, *, field: str) -> None:
    """Refuses a directory on whose disk fewer bytes are free.

    Raises:
        KerastlError: If fewer are.
    """
    with explained(path, field=field):
        free = shutil.disk_usage(path).free
    if free < needed:
        problem = f"{format_bytes(free)} are free, and up to {format_bytes(needed)} needed"
        raise cannot_write(field, path, f"{os.strerror(errno.ENOSPC)}: {problem}")
