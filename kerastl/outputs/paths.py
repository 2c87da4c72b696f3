"""Checks where a run will write before anything slow starts; imports no TensorFlow."""

import pathlib
import shutil
import uuid

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError

# Everything a run writes to its directory. The last to be written says that it is finished.
_FINISHED = "metrics.json"
_WRITTEN = (
    "flags.txt",
    "receipt.json",
    "splits.csv",
    "history.csv",
    "predictions.csv",
    "model.keras",
    "checkpoints",
    "tensorboard",
    _FINISHED,
)


def open_run_directory(config: Config) -> pathlib.Path:
    """Makes the run directory, empty of what an earlier run of ours left there.

    Raises:
        UsageError: If it holds a finished run and `overwrite` is off.
        KerastlError: If it cannot be written.
    """
    path = pathlib.Path(config.run_dir)
    if (path / _FINISHED).exists() and not config.overwrite:
        raise UsageError(
            f"run_dir={config.run_dir!r}: holds a finished run. Choose another or add --overwrite."
        )
    make_writable(path, field="run_dir")
    for name in _WRITTEN:
        if (path / name).is_dir():
            shutil.rmtree(path / name)
        else:
            (path / name).unlink(missing_ok=True)
    return path


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
