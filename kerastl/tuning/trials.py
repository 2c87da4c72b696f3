"""The records of trials, in files that appear whole or not at all."""

import dataclasses
import io
import json
import pathlib
from collections.abc import Container
from typing import Any

import numpy as np

from kerastl.config import Config
from kerastl.errors import DAMAGED
from kerastl.progress import count_of
from kerastl.settings import PhaseSettings
from kerastl.writing import remove_leftovers, replace_text, replacing

COMPLETED, FAILED = "completed", "failed"
_FIELD = "run_dir"


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """Results of one training on the validation images.

    Attributes:
        scores: Objective -> its value.
        predicted: The most probable class of each image, int64 (images,).
        losses: Cross-entropy of each image, in nats, float64 (images,).
    """

    scores: dict[str, float]
    predicted: np.ndarray
    losses: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A trial that ended.

    Attributes:
        number: Counted from 0; trial 0 has the baseline flags.
        status: "completed" or "failed".
        reason: Why it failed; empty if it did not.
        values: Its values of the flags that are searched and have an effect.
        config: What was trained.
        epochs_requested: Epochs in its settings, of all phases; hyperband gives many trials
            only a share of them. 0 if it is not known.
        scores: Objective -> its mean over the executions; empty if it failed.
        seconds: Time of all executions.
        predicted: The most probable class of each validation image, int64 (executions, images).
        losses: Cross-entropy of each, in nats, float64 (executions, images).
    """

    number: int
    status: str
    reason: str = ""
    values: dict[str, Any]
    config: Config
    epochs_requested: int = 0
    scores: dict[str, float] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    predicted: np.ndarray = dataclasses.field(default_factory=lambda: np.empty((0, 0), np.int64))
    losses: np.ndarray = dataclasses.field(default_factory=lambda: np.empty((0, 0)))

    @property
    def epochs(self) -> int:
        """The epochs that each of its executions had, in all phases."""
        return sum(self.config.epochs.values())

    @property
    def is_short(self) -> bool:
        """Whether it had fewer epochs than requested."""
        return self.epochs < self.epochs_requested

    @property
    def share_of_epochs(self) -> float:
        """Its share of the requested epochs, from 0 to 1."""
        return self.epochs / self.epochs_requested if self.is_short else 1.0

    @property
    def epochs_in_words(self) -> str:
        """The epochs as in "9 epochs", or "3 of 9 epochs" where it had fewer than requested."""
        if self.is_short:
            return f"{self.epochs} of {count_of(self.epochs_requested, 'epoch')}"
        return count_of(self.epochs, "epoch")


def short_words(trial: Trial, baseline: PhaseSettings) -> str:
    """Warns that the best trial had fewer epochs than requested; empty if it had all.

    Args:
        trial: The trial, whose epochs best.flags and the final run have.
        baseline: The flags that are not searched.
    """
    if not trial.is_short:
        return ""
    requested = {name: trial.values.get(name, given) for name, given in baseline.epochs.items()}
    flags = " ".join(f"--{name}={epochs}" for name, epochs in requested.items() if epochs)
    return (
        f"trial {trial.number} had {trial.epochs_in_words}, and so have best.flags and the final "
        f"run. To train for all of them, add {flags}."
    )


class TrialFiles:
    """Writes and reads `NNNN.json` and `NNNN.npz`; a trial is complete once its JSON exists."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        remove_leftovers(directory)

    def log_path(self, number: int) -> pathlib.Path:
        """Returns the path of the lines of a trial's training."""
        return self._path(number, ".log")

    def lock_path(self, number: int) -> pathlib.Path:
        """Returns the file that the process that runs a trial holds locked."""
        return self._path(number, ".lock")

    def write(self, trial: Trial) -> None:
        """Writes a finished trial; raises KerastlError if the disk does not accept it."""
        fields = {
            field.name: getattr(trial, field.name)
            for field in dataclasses.fields(trial)
            if field.name not in ("predicted", "losses")
        }
        fields["config"] = dataclasses.asdict(trial.config)
        arrays = io.BytesIO()
        # Older NumPy leaves its file open on a full disk, and Python prints an error of its own.
        np.savez(arrays, predicted=trial.predicted, losses=trial.losses)
        with replacing(self._path(trial.number, ".npz"), field=_FIELD) as temporary:
            temporary.write_bytes(arrays.getvalue())
        text = json.dumps(fields, indent=2) + "\n"
        replace_text(self._path(trial.number, ".json"), text, field=_FIELD)

    def read(self, known: Container[int] = ()) -> dict[int, Trial]:
        """Reads every finished trial that is not known, by its number; skips damaged ones."""
        numbers = sorted(int(path.stem) for path in self.directory.glob("[0-9]*.json"))
        found = {number: self.find(number) for number in numbers if number not in known}
        return {number: trial for number, trial in found.items() if trial}

    def find(self, number: int) -> Trial | None:
        """Reads a finished trial; None if it is not there, or damaged."""
        path = self._path(number, ".json")
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            with path.with_suffix(".npz").open("rb") as file, np.load(file) as arrays:
                return Trial(**fields | {"config": Config(**fields["config"])}, **arrays)
        except DAMAGED:
            return None

    def _path(self, number: int, ending: str) -> pathlib.Path:
        return self.directory / f"{number:04d}{ending}"
