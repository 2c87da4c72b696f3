"""Checks where a run will write before anything slow starts; imports no TensorFlow."""

import pathlib
import shutil
import uuid

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError

# Everything a run writes to its directory. The last to be written says that it is finished,
# so it is the first to go.
_FINISHED = "metrics.json"
# What every run has written before it trains.
_STARTED = ("flags.txt", "splits.csv")
_WRITTEN = (
    _FINISHED,
    "flags.txt",
    "receipt.json",
    "splits.csv",
    "history.csv",
    "predictions.csv",
    "model.keras",
    "checkpoints",
    "tensorboard",
)


def open_run_directory(config: Config) -> pathlib.Path:
    """Makes the run directory; what an earlier run left there stays until `clear`.

    Raises:
        UsageError: If it holds a finished run and `overwrite` is off, or somebody else's
            files under names that a run writes.
        KerastlError: If it cannot be written.
    """
    path = pathlib.Path(config.run_dir)
    make_writable(path, field="run_dir")
    if (path / _FINISHED).exists() and not config.overwrite:
        raise UsageError(
            f"run_dir={config.run_dir!r}: holds a finished run. Choose another or add --overwrite."
        )
    foreign = [name for name in _WRITTEN if (path / name).exists()]
    if foreign and not any((path / name).exists() for name in _STARTED):
        raise UsageError(
            f"run_dir={config.run_dir!r}: holds {foreign[0]}, which no run of kerastl has written. "
            "Choose another directory."
        )
    return path


def clear(run_dir: pathlib.Path) -> None:
    """Removes what an earlier run of ours left in a run directory, and nothing else."""
    for name in _WRITTEN:
        path = run_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


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
        raise KerastlError(
            f"{field}={str(path)!r}: cannot be written ({error.strerror}). "
            "Choose another directory."
        ) from error
