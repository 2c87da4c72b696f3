"""The cache and temporary files: helps that a command goes on without, in its own directory."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator
from typing import TypeVar

from kerastl.data.memo import MEMO_ERRORS, try_memo
from kerastl.data.store_locks import FIELD, try_lock
from kerastl.disk_errors import CannotWriteError
from kerastl.outputs.directories import make_writable
from kerastl.progress import Progress
from kerastl.settings import StoreSettings
from kerastl.settings.store import AUTO
from kerastl.writing import remove_leftovers, scratch_directory, temporary_place

Stored = TypeVar("Stored", bound=StoreSettings)


@contextlib.contextmanager
def usable_places(
    settings: Stored, around: pathlib.Path, *, field: str, progress: Progress
) -> Iterator[Stored]:
    """Yields the settings, with a folder for the time of the block if their cache fails.

    Temporary files get such a folder too, where the system has none.

    Args:
        settings: The settings.
        around: Directory in which such folders are made, if they are needed.
        field: Flag that sets `around`.
        progress: Gets a line if nothing is kept between runs.

    Raises:
        KerastlError: If a cache folder that a person chose does not exist and cannot be made.
    """
    with temporary_place(around, field=field):
        if is_usable(settings, progress, must_be=settings.cache_dir != AUTO):
            yield settings
            return
        remove_leftovers(around)
        with scratch_directory(around, field=field) as folder:
            yield dataclasses.replace(settings, stand_in=folder)


def is_usable(settings: StoreSettings, progress: Progress, *, must_be: bool = False) -> bool:
    """Tries the cache, if there is to be one; a line of `progress` reports what is wrong with it.

    Raises:
        KerastlError: If the folder must be there, and is not and cannot be made.
    """
    path = settings.memory_path
    problem = path and why_not_usable(path, must_be=must_be)
    if problem:
        progress.line(f"Cache: nothing is kept between runs: {path} cannot be written ({problem}).")
    return not problem


def why_not_usable(path: pathlib.Path, *, must_be: bool = False) -> str:
    """Returns why a folder cannot be the cache; empty if it can.

    Raises:
        KerastlError: If it must be there, and is not and cannot be made.
    """
    is_there = os.path.isdir(path)
    try:
        make_writable(path, field=FIELD)
        try_memo(path)
        try_lock(path)
    except CannotWriteError as error:
        if must_be and not is_there:
            raise
        return error.reason
    except MEMO_ERRORS as error:
        return str(getattr(error, "strerror", None) or error)
    return ""
