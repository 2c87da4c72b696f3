"""The cache and temporary files: helps that a command goes on without, in its own directory."""

import contextlib
import dataclasses
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import TypeVar

from kerastl.data.memo import MEMO_ERRORS, try_memo
from kerastl.data.store_locks import FIELD, try_lock
from kerastl.disk_errors import CannotWriteError
from kerastl.outputs.directories import make_writable
from kerastl.progress import Progress
from kerastl.settings import StoreSettings
from kerastl.settings.store import AUTO
from kerastl.writing import scratch_directory, temporary_place

# The variable that names a folder for matplotlib, and what leads to its two without it: on Linux
# these variables or what is in the home folder, elsewhere one folder,
# https://matplotlib.org/stable/api/matplotlib_configuration_api.html
_MATPLOTLIB = "MPLCONFIGDIR"
_MATPLOTLIB_HOMES = (
    {"XDG_CONFIG_HOME": "~/.config", "XDG_CACHE_HOME": "~/.cache"}
    if sys.platform == "linux"
    else {}
)
Stored = TypeVar("Stored", bound=StoreSettings)


@contextlib.contextmanager
def usable_places(
    settings: Stored, around: pathlib.Path, *, field: str, progress: Progress
) -> Iterator[Stored]:
    """Yields the settings, with a folder for the time of the block if their cache fails.

    Temporary files have one too, see `temporary_place`.

    Args:
        settings: The settings.
        around: Directory in which such folders are made, if they are needed.
        field: Flag that sets `around`.
        progress: Gets a line if nothing is kept between runs.

    Raises:
        KerastlError: If a cache folder that a person chose does not exist and cannot be made.
    """
    with temporary_place(around, field=field) as temporary:
        if is_usable(settings, progress, must_be=settings.cache_dir != AUTO):
            with _fonts_in(settings.memory_path or temporary):
                yield settings
            return
        with scratch_directory(around, field=field) as folder, _fonts_in(folder):
            yield dataclasses.replace(settings, stand_in=folder)


@contextlib.contextmanager
def _fonts_in(folder: pathlib.Path | None) -> Iterator[None]:
    """Has matplotlib, which draws charts, keep its list of fonts in a folder for the block.

    It would make folders in the home folder. Where it has made them before, they are used, for
    the settings of a person that may be there; without a folder the list is not kept.
    """
    given = os.environ.get(_MATPLOTLIB)
    bases = [os.environ.get(name) or home for name, home in _MATPLOTLIB_HOMES.items()]
    homes = [given] if given else [f"{base}/matplotlib" for base in bases] or ["~/.matplotlib"]
    # If one of them cannot be written, it removes a temporary one at exit, which is gone by then.
    if all(os.access(os.path.expanduser(f"{home}/"), os.W_OK) for home in homes):
        yield
        return
    os.environ[_MATPLOTLIB] = str(folder / "matplotlib") if folder else os.devnull
    try:
        yield
    finally:
        os.environ.pop(_MATPLOTLIB, None)
        os.environ |= {} if given is None else {_MATPLOTLIB: given}


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


def without_unusable_cache(settings: Stored, progress: Progress) -> Stored:
    """Returns the settings, with no cache if theirs cannot be used; see `is_usable`."""
    return (
        settings if is_usable(settings, progress) else dataclasses.replace(settings, cache_dir="")
    )


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
