"""The directories that commands write to: names of a run's files, checks before anything slow.

Imports neither TensorFlow nor NumPy.
"""

import contextlib
import dataclasses
import enum
import json
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kerastl.checked_files import list_versions
from kerastl.config import Config, flag_file_words
from kerastl.disk_errors import cannot_write, explained
from kerastl.errors import (
    DAMAGED,
    KerastlError,
    ListedError,
    UsageError,
    bad_value,
    first_line,
    unknown_name,
)
from kerastl.export_formats import CARD_FILE, FORMATS
from kerastl.locks import OwnedError, owned
from kerastl.outputs.unfinished import Opened, find_unfinished, refused
from kerastl.settings import Decides
from kerastl.split_names import SPLITS_FILE
from kerastl.writing import csv_text, hidden_beside, remove_leftovers, replace_text


class RunFile(enum.StrEnum):
    """Files that a run writes to its directory, listed in the order of removal."""

    # The last to be written: its presence marks a run as finished.
    METRICS = "metrics.json"
    CHECKPOINTS = "checkpoints"
    RECEIPT = "receipt.json"
    AUDIT = "audit.csv"
    # That of a run which stopped at its data, beside the files of an earlier one.
    STOPPED_AUDIT = "audit_stopped.csv"
    # What a person has corrected, as the run has applied it.
    FIXES = "fixes.csv"
    # Facts that tell a class, and groups of test images that are far below the rest.
    MISLEADING = "misleading.csv"
    SLICES = "slices.csv"
    LABEL_ISSUES = "label_issues.csv"
    HISTORY = "history.csv"
    PREDICTIONS = "predictions.csv"
    MISTAKES = "mistakes.csv"
    CLASS_SCORES = "class_scores.csv"
    CONFUSION = "confusion.csv"
    CALIBRATION = "calibration.csv"
    COVERAGE = "coverage.csv"
    HEAT_MAPS = "heat_maps.csv"
    REPEATS = "repeats.csv"
    REPORT = "report.html"
    MODEL = FORMATS["keras"].file
    # Also beside an exported Keras file.
    KNOWN = "known_images.npz"
    # Also beside every exported model.
    CARD = CARD_FILE
    TENSORBOARD = "tensorboard"
    # These mark the others as files of a run, so they are the last to go.
    SPLITS = SPLITS_FILE
    FLAGS = "flags.txt"


# The best model so far, while training goes on.
CHECKPOINT = f"{RunFile.CHECKPOINTS}/best.keras"
# The flags as long as a run may be cut off.
FLAGS_COPY = f"{RunFile.CHECKPOINTS}/flags.txt"
# What a search writes first, before its final run becomes that of the directory.
SEARCH = "tuning/search.json"
# In the receipt, where the paths of a run begin that are relative.
WORKING_DIRECTORY = "working_directory"
# Names the process that writes to the directory, as long as it does.
_LOCK = ".lock"
# What every run has written before it trains.
_STARTED = (RunFile.FLAGS, RunFile.SPLITS)


@contextlib.contextmanager
def open_run_directory(config: Config) -> Iterator[Opened]:
    """Makes a run directory, and opens it as `open_run` does; see `own_directory`."""
    with own_directory(pathlib.Path(config.run_dir)), open_run(config) as opened:
        yield opened


@contextlib.contextmanager
def open_run(config: Config) -> Iterator[Opened]:
    """Opens a run directory that this process owns; what an earlier run left there stays for now.

    An interrupt of the block explains how to go on.

    Raises:
        UsageError: If it holds a finished run, or an unfinished one of other flags, and `overwrite`
            is off, or a search, or other files under names that a run writes.
    """
    path = pathlib.Path(config.run_dir)
    try:
        yield _open(path, config)
    except KeyboardInterrupt as stop:
        if not stop.args:
            words = "Repeat the command to go on."
            if (path / CHECKPOINT).exists():
                words += f" The best finished epoch is in {path / CHECKPOINT}."
            stop.args = (words,)
        raise


@contextlib.contextmanager
def own_directory(path: pathlib.Path) -> Iterator[None]:
    """Makes the directory of a command, and keeps every other command out of it for the block.

    A directory that is still empty after a block that failed is removed again.

    Raises:
        KerastlError: If it cannot be written, or another process, which is named, writes there.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(writable_directory(path, field="run_dir"))
        try:
            stack.enter_context(owned(path / _LOCK))
        except OwnedError as error:
            raise KerastlError(
                f"run_dir={str(path)!r}: {error} works there. Wait for it, or choose another "
                "directory."
            ) from None
        except OSError as error:
            raise cannot_write("run_dir", path, error.strerror or str(error)) from error
        remove_leftovers(path)  # Also beside a run that is finished.
        yield


@contextlib.contextmanager
def writable_directory(path: pathlib.Path, *, field: str) -> Iterator[None]:
    """Makes a directory that can be written; removes a new one if the block fails.

    A run directory gets the table of a `ListedError`.

    Raises:
        KerastlError: If it cannot be written.
    """
    is_new = not os.path.exists(path)  # Path.exists would raise for a name that is too long.
    make_writable(path, field=field)
    try:
        yield
    except BaseException as error:
        if isinstance(error, ListedError) and field == "run_dir":
            _keep_table(error, path)
        if is_new:
            with contextlib.suppress(OSError):  # It is not empty.
                path.rmdir()
        raise


def _keep_table(error: ListedError, run_dir: pathlib.Path) -> None:
    has_run = any((run_dir / name).exists() for name in _STARTED)
    path = run_dir / (RunFile.STOPPED_AUDIT if has_run else RunFile.AUDIT)
    with contextlib.suppress(KerastlError):  # The error itself is what the user needs to know.
        replace_text(path, csv_text(error.header, error.rows), field="run_dir")
        error.args = (f"{error} {path} lists all.",)


def is_over(run_dir: pathlib.Path) -> bool:
    """Whether a directory holds a run that is finished, its export and its page included."""
    # The checkpoints go last.
    has_checkpoints = bool(list_versions(run_dir / RunFile.CHECKPOINTS))
    return (run_dir / RunFile.METRICS).exists() and not has_checkpoints


def _open(path: pathlib.Path, given: Config) -> Opened:
    if is_over(path) and not given.overwrite:
        raise UsageError(
            f"run_dir={str(path)!r}: holds a finished run. Choose another or add --overwrite."
        )
    checkpoints = path / RunFile.CHECKPOINTS
    is_begun = bool(list_versions(checkpoints))
    if not given.overwrite:
        _restore_flags(path)
    if is_begun and not given.overwrite:
        make_writable(checkpoints, field="run_dir")
        if not (path / RunFile.FLAGS).exists():
            raise refused(given.run_dir, f"whose {RunFile.FLAGS} is missing", "Restore it, choose")
    # A run that stopped at its data has written nothing else.
    audits = (RunFile.AUDIT, RunFile.STOPPED_AUDIT)
    foreign = [name for name in RunFile if name not in audits and (path / name).exists()]
    if foreign and not is_begun and not any((path / name).exists() for name in _STARTED):
        raise UsageError(
            f"run_dir={str(path)!r}: holds {foreign[0]}, which no run of kerastl has written. "
            "Choose another directory."
        )
    if (path / SEARCH).exists() and not given.overwrite:
        raise UsageError(
            f"run_dir={str(path)!r}: holds a search, which kerastl tune goes on with. Choose "
            "another directory or add --overwrite."
        )
    if is_over(path) or not (path / RunFile.FLAGS).exists():
        return Opened(given)
    is_trained = (path / RunFile.METRICS).exists()
    unfinished = find_unfinished(
        path / RunFile.FLAGS, given, is_trained=is_trained, made_in=_find_made_in(path)
    )
    return unfinished or Opened(given)


def _restore_flags(path: pathlib.Path) -> None:
    """Puts the copy of the flags in the place of a file that is missing, damaged or edited."""
    copy, flags = path / FLAGS_COPY, path / RunFile.FLAGS
    if not copy.exists():
        return
    with contextlib.suppress(UsageError):  # Without a copy of use, the file itself is reported.
        read_config(copy.parent)
        if not flags.exists() or flags.read_bytes() != copy.read_bytes():
            replace_text(flags, copy.read_text("utf-8"), field="run_dir")


def check_free(path: pathlib.Path, finished: str, *, what: str, overwrite: bool) -> None:
    """Refuses a directory that holds what a command writes last, unless it may be replaced.

    Raises:
        UsageError: If it does.
    """
    if (path / finished).exists() and not overwrite:
        raise UsageError(
            f"run_dir={str(path)!r}: holds {what} ({finished}). Choose another or add --overwrite."
        )


def clear(run_dir: pathlib.Path) -> None:
    """Removes what an earlier run of ours left in a run directory, and nothing else."""
    for name in RunFile:
        path = run_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_files(run_dir: pathlib.Path, names: Iterable[str]) -> None:
    """Removes the files of an earlier command, where they are there.

    Raises:
        KerastlError: If one cannot be removed.
    """
    for name in names:
        with explained(run_dir / name, field="run_dir"):
            (run_dir / name).unlink(missing_ok=True)


def make_writable(path: pathlib.Path, *, field: str) -> None:
    """Makes a directory and proves that files can be written to it.

    Raises:
        KerastlError: If they cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        # By a name of which others know that a killed process may have left it.
        probe = hidden_beside(path / "probe")
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(field, path, error.strerror or str(error)) from error


def read_json(run_dir: pathlib.Path, name: RunFile) -> dict[str, Any]:
    """Reads the receipt, the metrics or the card."""
    content: dict[str, Any] = json.loads((run_dir / name).read_text("utf-8"))
    return content


def read_config(run_dir: pathlib.Path) -> Config:
    """Reads the settings of a run from its `flags.txt`.

    Raises:
        UsageError: If there is no such file or it is damaged.
    """
    try:
        path = run_dir / RunFile.FLAGS
        lines = path.read_text("utf-8").splitlines()
        return Config.from_flags(lines, where=flag_file_words(path))
    except (OSError, ValueError, UsageError) as error:
        raise UsageError(f"run={str(run_dir)!r}: {RunFile.FLAGS}: {error}") from error


def read_findable(run_dir: pathlib.Path) -> Config:
    """Reads the settings of a run whose images are going to be read again.

    Raises:
        UsageError: If they cannot be read, or its images have a path that leads to nothing here but
            did so in the working directory of the run, which is named.
    """
    config = read_config(run_dir)
    place = config.dataset.partition(":")[2]
    if not config.source_kind.is_path or os.path.exists(place):
        return config
    made_in = _find_made_in(run_dir)
    if made_in and os.path.exists(os.path.join(made_in, place)):
        raise bad_value(
            "dataset",
            config.dataset,
            f"is not here: {run_dir} was made in {made_in}",
            "Repeat the command there",
        )
    return config


def _find_made_in(run_dir: pathlib.Path) -> str:
    """Finds the working directory in which a run was made; empty if its receipt is lost."""
    with contextlib.suppress(OSError, ValueError):
        made_in: str = read_json(run_dir, RunFile.RECEIPT).get(WORKING_DIRECTORY, "")
        return made_in
    return ""


def own_fixes(run_dir: pathlib.Path, given: str) -> str:
    """Returns the path of a run's copy of the fixes that it was given, empty if of none."""
    return str(run_dir / RunFile.FIXES) if given else ""


def require_finished(run_dir: pathlib.Path) -> None:
    """Refuses what is not the directory of a finished run.

    Raises:
        UsageError: If it is none.
    """
    if not (run_dir / RunFile.METRICS).exists():
        problem = "holds no finished run" if run_dir.exists() else "does not exist"
        raise bad_value("run", str(run_dir), problem, "Give the run_dir of a finished run")


@contextlib.contextmanager
def naming(run_dir: pathlib.Path, name: str) -> Iterator[None]:
    """Turns what goes wrong with a file of a finished run into one line that names it."""
    try:
        yield
    except DAMAGED as error:
        raise KerastlError(
            f"run={str(run_dir)!r}: {name} is missing or damaged ({first_line(error)}). Restore "
            "it, or run again."
        ) from error


def finished_config(run_dir: pathlib.Path, changes: Mapping[str, Any]) -> Config:
    """Reads the settings of a finished run, with those `changes` of `Decides.OUTPUT` applied.

    Raises:
        UsageError: If the run is not finished, or lacks what an export needs.
    """
    require_finished(run_dir)
    config = read_findable(run_dir)
    if config.source_kind.is_passed_in:
        raise bad_value(
            "run",
            str(run_dir),
            "was made from data in Python, which cannot be read again",
            "Give kerastl.run an export_dir",
        )
    allowed = config.deciding(Decides.OUTPUT)
    for name in changes:
        if name not in allowed:
            raise unknown_name("changes", name, allowed, what="a setting that an export may change")
    config = dataclasses.replace(config, fixes=own_fixes(run_dir, config.fixes), **changes)
    if not config.export_dir:
        raise bad_value(
            "export_dir", "", "is required, as the run has none", "Give one, as saved_models/first"
        )
    return config
