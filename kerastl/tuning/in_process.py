"""Trains in this process, as it must where the images are in its memory."""

import pathlib
import time
import traceback
from typing import Any

from kerastl.config import Config
from kerastl.data.opening import open_data
from kerastl.errors import KerastlError, first_line
from kerastl.progress import Progress
from kerastl.tuning.trainer import Trainer, without_test
from kerastl.tuning.trials import Scored
from kerastl.tuning.worker import Status, TrialFailed

_SECONDS_BETWEEN_STATUS = 0.2


class InProcess:
    """Trains one config after another."""

    def __init__(self, trainer: Trainer) -> None:
        """Takes a trainer with its images."""
        self._trainer = trainer

    def train(self, config: Config, log_path: pathlib.Path, status: Status) -> Scored:
        """Trains a config, see `Runner`."""
        with log_path.open("a", encoding="utf-8") as log:
            progress = _Relayed(log, status)
            try:
                return self._trainer.score(config, progress)
            except KerastlError as error:
                progress.line(f"error: {error}")
                raise TrialFailed(str(error)) from error
            # Whatever it is, it concerns this trial alone, and the log has all of it.
            except Exception as error:
                progress.line(traceback.format_exc())
                raise TrialFailed(_reason(error)) from error

    def close(self) -> None:
        """Holds nothing."""


class _Relayed(Progress):
    """Writes lines to a file and passes the status on."""

    def __init__(self, stream: Any, status: Status) -> None:
        super().__init__(stream)
        self._pass_on = status
        self._last = 0.0

    def status(self, text: str) -> None:
        """Passes the status on, a few times a second."""
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_STATUS:
            self._last = time.monotonic()
            self._pass_on(text)


def open_trainer(config: Config) -> Trainer:
    """Opens the data of a search for training, without its test split.

    Raises:
        KerastlError: If the data are not as needed.
    """
    return Trainer(without_test(open_data(config, None, Progress())))


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "memory ran out; use a smaller batch_size or image_size"
    return f"{type(error).__name__}: {first_line(error)}"
