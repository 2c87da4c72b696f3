"""The record of an epoch, and the best weights of all phases.

There is no early stopping: every phase runs all its epochs.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.training.checkpoint import copy_values
from kerastl.training.evaluation import Evaluation


@dataclasses.dataclass(frozen=True)
class EpochRow:
    """One row of `history.csv`.

    Attributes:
        phase: Name of the phase.
        epoch: Counted from 1 in each phase.
        learning_rate: Rate at the epoch's first step.
        loss: Mean over the training images, each at its step, in nats.
        accuracy: Mean over the same, from 0 to 1.
        val_loss: Over all validation images after the epoch.
        val_accuracy: Over all validation images after the epoch, from 0 to 1.
        seconds: Time of the epoch, validation included.
        val_balanced_accuracy: Over all validation images, each class counting the same.
        val_macro_f1: Mean of F1 over the classes, on all validation images.
    """

    phase: str
    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    val_balanced_accuracy: float
    val_macro_f1: float

    def score(self, best_by: str) -> float:
        """Returns the score by which epochs are compared, the higher the better."""
        value = float(getattr(self, f"val_{best_by}"))
        return -value if best_by == "loss" else value


class Best:
    """The best weights by a score of validation over all phases; equal ones by lower loss.

    Attributes:
        row: The epoch that they come from; set by the first `offer`.
        validation: Their evaluation on the validation images when that epoch ended; set with `row`,
            and not by `load`.
        accuracies: Highest validation accuracy of each phase so far, by the phase's name.
    """

    row: EpochRow
    validation: Evaluation

    def __init__(self, best_by: str = "accuracy") -> None:
        self.accuracies: dict[str, float] = {}
        self._best_by = best_by
        self._rank = (-np.inf, -np.inf)
        self._weights: Sequence[Any] = ()
        self._values: list[np.ndarray] = []

    def begin(self, weights: Sequence[Any]) -> None:
        """Starts a phase that changes `weights` and no others."""
        self._weights = weights
        self._remember()

    def offer(self, row: EpochRow, validation: Evaluation) -> None:
        """Keeps the present weights if their epoch is the best so far."""
        self.accuracies[row.phase] = max(self.accuracies.get(row.phase, 0.0), row.val_accuracy)
        rank = self._rank_of(row)
        if rank > self._rank:
            # First, so that the same epoch is offered again in vain if this is interrupted.
            self._remember()
            self.row, self.validation, self._rank = row, validation, rank

    @property
    def values(self) -> list[np.ndarray]:
        """The best weights of those that the phase changes."""
        return self._values

    def state(self) -> dict[str, Any] | None:
        """Describes the best epoch for `load`, beside `values`; None if there is none yet."""
        if not self.accuracies:
            return None
        return {"row": dataclasses.asdict(self.row), "accuracies": self.accuracies}

    def load(self, state: Mapping[str, Any] | None, values: Sequence[np.ndarray]) -> None:
        """Restores an earlier `state` of the same phase, with its values if it had begun."""
        if state:
            self.row, self.accuracies = EpochRow(**state["row"]), dict(state["accuracies"])
            self._rank = self._rank_of(self.row)
        self._values = list(values) or self._values

    def restore(self) -> None:
        """Puts the best weights back into the model."""
        for weight, value in zip(self._weights, self._values, strict=True):
            weight.assign(value)

    def _rank_of(self, row: EpochRow) -> tuple[float, float]:
        return row.score(self._best_by), -row.val_loss

    def _remember(self) -> None:
        self._values = copy_values(self._weights)
