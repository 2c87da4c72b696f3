"""Checks where a run will write before anything slow starts; imports no TensorFlow."""

import contextlib
import os
import pathlib
import shutil
import uuid
from collections.abc import Iterable, Iterator

from kerastl.config import Config
from kerastl.errors import UsageError, cannot_write
from kerastl.writing import explained

# Everything a run writes to its directory. The last to be written says that it is finished,
# so it is the first to go.
FINISHED = "metrics.json"
# The best model so far, while training goes on.
CHECKPOINT = "checkpoints/best.keras"
# What every run has written before it trains.
_STARTED = ("flags.txt", "splits.csv")
_WRITTEN = (
    FINISHED,
    "flags.txt",
    "receipt.json",
    "splits.csv",
    "audit.csv",
    "label_issues.csv",
    "history.csv",
    "predictions.csv",
    "model.keras",
    "model_card.json",
    "checkpoints",
    "tensorboard",
)


@contextlib.contextmanager
def open_run_directory(config: Config) -> Iterator[pathlib.Path]:
    """Makes the run directory; what an earlier run left there stays until `clear`.

    A directory that is still empty after a block that failed is removed again. Where the
    block is stopped from the keyboard, the interrupt says where the best weights are.

    Raises:
        UsageError: If it holds a finished run and `overwrite` is off, or somebody else's
            files under names that a run writes.
        KerastlError: If it cannot be written.
    """
    path = pathlib.Path(config.run_dir)
    with writable_directory(path, field="run_dir"):
        try:
            _look_into(path, config)
            yield path
        except KeyboardInterrupt as stop:
            if not stop.args and (path / CHECKPOINT).exists():
                stop.args = (f"The best finished epoch is in {path / CHECKPOINT}.",)
            raise


@contextlib.contextmanager
def writable_directory(path: pathlib.Path, *, field: str) -> Iterator[None]:
    """Makes a directory that can be written; removes it again if nothing came of the block.

    Raises:
        KerastlError: If it cannot be written.
    """
    is_new = not os.path.exists(path)  # Of a name that is too long, Path's own would raise.
    make_writable(path, field=field)
    try:
        yield
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):  # It is not empty.
                path.rmdir()
        raise


def _look_into(path: pathlib.Path, config: Config) -> None:
    if (path / FINISHED).exists() and not config.overwrite:
        raise UsageError(
            f"run_dir={config.run_dir!r}: holds a finished run. Choose another or add --overwrite."
        )
    foreign = [name for name in _WRITTEN if (path / name).exists()]
    if foreign and not any((path / name).exists() for name in _STARTED):
        raise UsageError(
            f"run_dir={config.run_dir!r}: holds {foreign[0]}, which no run of kerastl has written. "
            "Choose another directory."
        )


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
    for name in _WRITTEN:
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
        probe = path / f".probe-{uuid.uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise cannot_write(field, path, error.strerror or str(error)) from error
