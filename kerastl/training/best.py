"""The record of an epoch, and the best weights of all phases.

There is no early stopping: every phase runs all its epochs.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.settings.training import LAST, score_of
from kerastl.training.checkpoint import copy_values
from kerastl.training.evaluation import Evaluation, are_clearly_more


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

    @classmethod
    def of(cls, validation: Evaluation, **values: Any) -> "EpochRow":
        """Builds a row of an epoch that ended with an evaluation of the validation images."""
        values |= {f"val_{name}": score for name, score in validation.scores().items()}
        return cls(**values)

    def score(self, best_by: str) -> float:
        """Returns the score by which epochs are compared, the higher the better."""
        value = float(getattr(self, f"val_{score_of(best_by)}"))
        return -value if best_by == "loss" else value


class Best:
    """The best weights by a score of validation over all phases; equal ones by lower loss.

    By `LAST` they are those of the last epoch, unless the phases before had clearly more
    validation images right: the best of many epochs on few images is one that was lucky.

    Attributes:
        row: The epoch that they come from; set by the first `offer`.
        validation: Their evaluation on the validation images when that epoch ended; set with `row`,
            and not by `load`.
        accuracies: Highest validation accuracy of each phase so far, by the phase's name.
        right: Whether they have each validation image right, bool (images,).
    """

    row: EpochRow
    validation: Evaluation

    def __init__(self, best_by: str = "accuracy") -> None:
        self.accuracies: dict[str, float] = {}
        self.right = np.zeros(0, bool)
        self._best_by = best_by
        self._rank = (-np.inf, -np.inf)
        self._weights: Sequence[Any] = ()
        self._values: list[np.ndarray] = []
        self._epochs = 0

    def begin(self, weights: Sequence[Any], *, epochs: int) -> None:
        """Starts a phase of so many epochs that changes `weights` and no others."""
        self._weights, self._epochs = weights, epochs
        self._remember()

    def settle(self, epochs: int) -> None:
        """Changes how many epochs the phase has."""
        self._epochs = epochs

    def offer(self, row: EpochRow, validation: Evaluation) -> None:
        """Keeps the present weights if their epoch is the best so far."""
        # In this order: where it is interrupted, the state is of one epoch, and the same epoch is
        # offered again.
        if self._is_better(row, validation):
            self._remember()
            self.row, self.validation, self.right = row, validation, validation.right
            self._rank = self._rank_of(row)
        self.accuracies[row.phase] = max(self.accuracies.get(row.phase, 0.0), row.val_accuracy)

    def _is_better(self, row: EpochRow, validation: Evaluation) -> bool:
        if self._best_by != LAST:
            return self._rank_of(row) > self._rank
        if not self.accuracies or self.row.phase == row.phase:
            return True
        return row.epoch == self._epochs and not are_clearly_more(self.right, validation.right)

    @property
    def values(self) -> list[np.ndarray]:
        """The best weights of those that the phase changes."""
        return self._values

    def state(self) -> dict[str, Any] | None:
        """Describes the best epoch for `load`, beside `values`; None if there is none yet."""
        if not self.accuracies:
            return None
        return {"row": dataclasses.asdict(self.row), "accuracies": self.accuracies}

    def load(
        self,
        state: Mapping[str, Any] | None,
        right: Sequence[np.ndarray],
        values: Sequence[np.ndarray] = (),
    ) -> None:
        """Restores an earlier `state`, its `right`, and the values of a phase that had begun."""
        for one in right:
            self.right = one
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
