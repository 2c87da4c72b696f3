"""The directory of a search: what it was for, and who else is at work in it."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError, bad_value
from kerastl.outputs.directories import RunFile
from kerastl.tuning.options import SearchOptions
from kerastl.tuning.space import Space

# Below run_dir.
DIRECTORY = "tuning"
# There, what the search is for.
ABOUT = "search.json"
LOCK, NATIVE_LOG = "lock", "native.log"
_IN_USE = (LOCK, NATIVE_LOG)
# Flags that change no result, so a search may go on with others.
_FREE = {
    "run_dir",
    "tfds_dir",
    "label_issues",
    "cache_dir",
    "cache_limit_gb",
    "export_dir",
    "format",
    "parity_images",
    "max_accuracy_drop",
    "overwrite",
    "best_by",
}
# https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation
# and what a search adds below run_dir at the most.
_LONGEST_PATH, _LONGEST_ADDED = 259, 70


def describe(space: Space, options: SearchOptions) -> dict[str, Any]:
    """Describes what decides a search's results."""
    flags = {
        field.name: getattr(space.config, field.name)
        for field in dataclasses.fields(Config)
        if field.name not in _FREE
    }
    asked = {
        name: getattr(options, name) for name in ("tuner", "objective", "executions_per_trial")
    }
    files = {path: _sha256(path) for path in space.weights_files()}
    return {**flags, **asked, "search_space": space.to_text(), "weights_sha256": files}


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_same(path: pathlib.Path, about: Mapping[str, Any], config: Config) -> None:
    """Refuses to go on with a search that was for something else.

    Raises:
        UsageError: If anything that decides its results differs.
        KerastlError: If what it was for cannot be read.
    """
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name in about if known.get(name) != about[name]]
    except (OSError, ValueError, AttributeError) as error:
        raise KerastlError(
            f"{path}: is damaged ({error}). Its search cannot go on; start anew with --overwrite."
        ) from error
    if changed:
        name = changed[0]
        was, now = (_short(values.get(name)) for values in (known, about))
        more = f" (and {', '.join(changed[1:])})" if changed[1:] else ""
        raise UsageError(
            f"run_dir={config.run_dir!r}: holds a search with {name}={was}, not {now}{more}. "
            "Choose another directory, give the same flags to go on, or start anew with "
            "--overwrite."
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004  a line's width


def look_into(
    run_dir: pathlib.Path, space: Space | None, config: Config, options: SearchOptions
) -> None:
    """Refuses a directory with another search or run in it, before anything slow.

    Raises:
        UsageError: If there is one.
    """
    if config.overwrite:
        return
    path = run_dir / DIRECTORY / ABOUT
    if path.exists():
        if space is not None:
            check_same(path, describe(space, options), config)
    elif (run_dir / RunFile.METRICS).exists():
        raise UsageError(
            f"run_dir={config.run_dir!r}: holds a finished run and no search. Choose another "
            "or add --overwrite."
        )


def check_length(run_dir: pathlib.Path, *, system: str = os.name) -> None:
    """Refuses a directory below which Windows could not make a search's files.

    Raises:
        UsageError: If its path is too long.
    """
    length = len(os.path.abspath(run_dir))
    if system == "nt" and length + _LONGEST_ADDED > _LONGEST_PATH:
        raise bad_value(
            "run_dir",
            str(run_dir),
            f"has {length} characters, a search adds {_LONGEST_ADDED}, and Windows takes "
            f"{_LONGEST_PATH}",
            "Choose a shorter one",
        )


@contextlib.contextmanager
def alone(directory: pathlib.Path) -> Iterator[None]:
    """Keeps a second search out of a directory; removes it again if none was begun.

    Raises:
        KerastlError: If there is one already.
    """
    with (directory / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KerastlError(
                f"run_dir={str(directory.parent)!r}: is being searched by another process. Wait "
                "for it, or choose another directory."
            ) from error
        try:
            yield
        finally:
            if not (directory / ABOUT).exists():
                _remove_unused(directory)


def _remove_unused(directory: pathlib.Path) -> None:
    for name in _IN_USE:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def empty(directory: pathlib.Path) -> None:
    """Removes what an earlier search left."""
    for path in directory.iterdir():
        if path.name in _IN_USE:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
