"""The directory of a search: the settings it was made for, and which process owns it."""

import contextlib
import enum
import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.disk_errors import explained
from kerastl.errors import KerastlError, UsageError
from kerastl.outputs.directories import SEARCH, RunFile, own_directory, writable_directory
from kerastl.paths import local_path
from kerastl.settings import RESULT, SETTINGS, Decides
from kerastl.tuning.event_log import damaged
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import Space
from kerastl.tuning.task import Task, is_worker

# Below run_dir.
DIRECTORY, _ABOUT = SEARCH.split("/")


class SearchFile(enum.StrEnum):
    """Files and folders of a search, in its directory."""

    # The settings that decide the results, and what the images were.
    ABOUT = _ABOUT
    EVENTS = "events.jsonl"
    EVENTS_LOCK = "events.lock"
    # What it has taken so far, in all its processes but for the time between them.
    SECONDS = "seconds.txt"
    TRIALS = "trials"
    TABLE = "trials.csv"
    CHART = "trials.svg"
    BEST = "best.flags"
    IMPORTANCE = "importance.csv"
    # How the final run compares with the baseline flags.
    FINAL = "final.json"
    # The choices of the recipe, if the flags leave any to it.
    RECIPE = "recipe.flags"
    NATIVE_LOG = "native.log"


_IN_USE = (SearchFile.NATIVE_LOG, SearchFile.RECIPE)
# Version of a search's files; the first kept keras-tuner's own.
FORMAT = 2


def describe(space: Space, options: SearchOptions) -> dict[str, Any]:
    """Describes what decides the results of a search."""
    flags = space.config.deciding(*RESULT)
    # The objective decides it.
    del flags["best_by"]
    files = {
        path: _sha256(local_path(path, field="search_space")) for path in space.weights_files()
    }
    return {
        "format": FORMAT,
        **flags,
        **options.deciding(Decides.TRAINING),
        "search_space": space.to_text(),
        "weights_sha256": files,
    }


def seconds_taken(directory: pathlib.Path) -> float:
    """Returns the seconds that the search in a directory had taken at the end of its last trial.

    Raises:
        KerastlError: If its file cannot be read.
    """
    path = directory / SearchFile.SECONDS
    try:
        return float(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0.0
    except (OSError, ValueError) as error:
        raise KerastlError(
            f"{path}: is damaged ({error}). Remove it to go on: the search then has its whole "
            "budget again."
        ) from error


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_same(path: pathlib.Path, about: Mapping[str, Any], run_dir: str) -> dict[str, Any]:
    """Refuses to continue a search that was made for other settings.

    Returns:
        All that its file has.

    Raises:
        UsageError: If anything that decides its results differs.
        KerastlError: If its settings cannot be read.
    """
    try:
        # A setting that an earlier version did not have was its default.
        defaults = {name: SETTINGS[name].default for name in about if name in SETTINGS}
        known: dict[str, Any] = defaults | json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name in about if known.get(name) != about[name]]
    except (OSError, ValueError, TypeError) as error:
        raise damaged(path, error) from error
    if known.get("format") != FORMAT:
        raise UsageError(
            f"run_dir={run_dir!r}: holds a search of an earlier version of kerastl, which "
            "cannot continue. Choose another directory, or start over with --overwrite."
        )
    if changed:
        name = changed[0]
        was, now = (_short(values.get(name)) for values in (known, about))
        more = f" (and {', '.join(changed[1:])})" if changed[1:] else ""
        raise UsageError(
            f"run_dir={run_dir!r}: holds a search with {name}={was}, not {now}{more}. "
            "Choose another directory, continue with the same flags, or start over with "
            "--overwrite."
        )
    return known


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004  a line's width


def check_directory(run_dir: pathlib.Path, task: Task) -> None:
    """Refuses a directory with another search or run in it, before anything slow."""
    if task.config.overwrite:
        return
    path = run_dir / DIRECTORY / SearchFile.ABOUT
    if path.exists():
        # What a recipe chooses is not known yet.
        if task.space is not None and not task.config.leaves_open:
            check_same(path, describe(task.space, task.options), task.config.run_dir)
    elif any((run_dir / name).exists() for name in (RunFile.METRICS, RunFile.FLAGS)):
        raise UsageError(
            f"run_dir={task.config.run_dir!r}: holds a run and no search. Choose another or add "
            "--overwrite."
        )


@contextlib.contextmanager
def open_search(task: Task) -> Iterator[pathlib.Path]:
    """Makes the directory of a search; files of an earlier search stay for now.

    Raises:
        UsageError: If it holds another search or a run.
        KerastlError: If it cannot be written, or another process works there.
    """
    run_dir = pathlib.Path(task.config.run_dir)
    directory = run_dir / DIRECTORY
    with contextlib.ExitStack() as stack:
        if is_worker(task.role):
            # The search is that of another process.
            stack.enter_context(writable_directory(run_dir, field="run_dir"))
        else:
            check_directory(run_dir, task)
            stack.enter_context(own_directory(run_dir))
            stack.callback(_remove_unused, directory)
        with explained(directory, field="run_dir"):
            directory.mkdir(exist_ok=True)
        yield directory


def _remove_unused(directory: pathlib.Path) -> None:
    """Removes the directory of a search that has not begun."""
    if not (directory / SearchFile.ABOUT).exists():
        for name in _IN_USE:
            (directory / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            directory.rmdir()


def empty(directory: pathlib.Path) -> None:
    """Removes the files of an earlier search."""
    for path in directory.iterdir():
        if path.name in _IN_USE:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
