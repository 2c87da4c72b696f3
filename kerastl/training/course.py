"""How far a training has come, over all phases; one that was cut off goes on from there."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.settings import Phase, TrainingSettings
from kerastl.training.best import Best, EpochRow
from kerastl.training.checkpoint import Checkpoint, copy_values
from kerastl.training.checks import Check, ExpectedMoves
from kerastl.training.fit import Place, Places
from kerastl.training.pace import Pace

# The page has less. A row is one of splits.csv, with a hash, and one of predictions.csv.
_PAGE_BYTES, _ROW_BYTES = 5_000_000, 250


class Recorder:
    """Where a training that goes on is kept, and its checks; this one keeps nothing.

    Attributes:
        keeps_checkpoints: Whether a training that is cut off can go on; otherwise it begins again.
        pace: Decides how many epochs of fine-tuning there are; None leaves them.
    """

    keeps_checkpoints: bool = False
    pace: Pace | None = None

    def add_check(self, check: Check) -> None:
        """Keeps a check, passed or not; a failed one is raised anyway."""

    def end_stage(self, name: str) -> None:
        """Ends a part of the run whose time and memory are kept."""

    def settle(self, epochs: int, reason: str) -> None:
        """Keeps how many epochs of fine-tuning there are, and why not as many as planned."""

    def add_epoch(self, row: EpochRow) -> None:
        """Keeps an epoch's row."""

    def save_best(self, classifier: keras.Model) -> None:
        """Keeps the classifier's weights, the best so far."""

    def save_checkpoint(self, checkpoint: Checkpoint, *, num_epochs: int) -> None:
        """Keeps what the training goes on from, after so many epochs of all phases."""

    def find_checkpoint(self) -> Checkpoint | None:
        """Returns what was kept last before the training was cut off; None if it is a new one."""
        return None


class Course(Places):
    """The course of a training: its phase, the place in it, and the best so far.

    Attributes:
        network: What is trained.
        best: The best weights so far.
        seconds: Time of each phase, over all processes.
        strength: Of the penalty of a head that was solved; None if none was.
    """

    def __init__(
        self,
        network: Network,
        plans: Sequence[Plan],
        record: Recorder,
        settings: TrainingSettings,
        *,
        minutes: float,
    ) -> None:
        """Begins, or puts into the model and into `best` what the record has kept.

        `minutes` is the time between checkpoints inside an epoch, 0 for none.
        """
        self.network = network
        self._plans, self._record, self._minutes = list(plans), record, minutes
        self.best = Best(settings.best_by)
        self.keeps, self.goes_back = record.keeps_checkpoints, settings.on_nan == "back"
        self._number = 0
        self._moves: Mapping[str, Any] | None = None
        self.seconds: dict[str, float] = {}
        self.strength: float | None = None
        self._saved = record.find_checkpoint()
        if self._saved:
            self._load(self._saved)
        self._started = self._kept = time.monotonic()
        if self.keeps and not self._saved:
            # So that there is one before that of the first epoch, too.
            self._write({"place": None}, {}, 0)

    def _load(self, saved: Checkpoint) -> None:
        state = saved.state
        self._number, self.strength = state["phase"], state["strength"]
        self.seconds, self._moves = dict(state["seconds"]), state["moves"]
        self.goes_back = self.goes_back and state.get("goes_back", True)
        self.first = _read_place(saved, state["place"])
        self.best.load(state["best"], saved.get("right"))
        if self.first is None:
            for variable, value in zip(self._changed(), saved.get("weights"), strict=True):
                variable.assign(value)

    def __str__(self) -> str:
        """Describes where it continues; empty at the beginning."""
        if not self._saved:
            return ""
        if self._number == len(self._plans):
            return "Going on after the training, which is over."
        phase, first = self._plans[self._number].phase, self.first
        epoch = 1 + (first.epochs if first else 0)
        if epoch > phase.epochs:
            return f"Going on at the end of the {phase.name} phase."
        where = "in" if first and first.seconds else "with"
        return f"Going on {where} epoch {epoch} of {phase.epochs} of the {phase.name} phase."

    @property
    def done(self) -> Phase:
        """The phase that has ended last."""
        return self._plans[self._number - 1].phase

    def phases(self) -> Iterator[tuple[Plan, range]]:
        """Yields the plans that are left, with the numbers of the most epochs that each may have.

        They are counted over all phases.
        """
        for number in range(self._number, len(self._plans)):
            plan, first = self._plans[number], self._epochs_before(number)
            most = self._record.pace.most if self._record.pace else 0
            yield plan, range(first, first + max(plan.phase.epochs, most))

    def begin_phase(self, plan: Plan) -> ExpectedMoves:
        """Begins a phase, or goes on in it; returns what it has to change."""
        self.pace = self._record.pace if plan.phase.name == "finetune" else None
        expected = ExpectedMoves(self.network, plan.phase, plan.first, known=self._moves)
        self._moves = expected.state()
        self.best.begin(plan.upper.weights, epochs=plan.phase.epochs)
        if self._saved and self.first:
            saved = self._saved
            self.best.load(saved.state["best"], saved.get("right"), saved.get("best"))
        self._started = time.monotonic() - self.seconds.get(plan.phase.name, 0.0)
        return expected

    def end_phase(self, strength: float | None) -> None:
        """Ends a phase, with the best weights in the model."""
        self._note_seconds()
        self._record.end_stage(self._plans[self._number].phase.name)
        self.strength = self.strength if strength is None else strength
        self._number += 1
        self.first = self._moves = self._saved = None
        if self.keeps:
            values = copy_values(self._changed())
            self._write({"place": None}, {"weights": values}, self._epochs_before(self._number))

    def settle(self, epochs: int, reason: str) -> None:
        """Notes how many epochs the phase has, see `Places`; before a checkpoint with them."""
        plan = self._plans[self._number]
        phase = dataclasses.replace(plan.phase, epochs=epochs)
        self._plans[self._number] = dataclasses.replace(plan, phase=phase)
        self.best.settle(epochs)
        self._record.settle(epochs, reason)

    def is_due(self) -> bool:
        """Whether it is time for a checkpoint inside an epoch, see `Places`."""
        late = self._minutes and time.monotonic() - self._kept >= 60 * self._minutes
        return self.keeps and bool(late)

    def keep(self, place: Place) -> None:
        """Writes a checkpoint of a place, see `Places`."""
        self._note_seconds()
        arrays = {"place": place.values, "best": self.best.values}
        if place.good:
            arrays["good"] = place.good.values
        num_epochs = self._epochs_before(self._number) + place.epochs
        self._write({"place": _describe(place)}, arrays, num_epochs)

    def _write(
        self,
        state: Mapping[str, Any],
        arrays: Mapping[str, Sequence[np.ndarray]],
        num_epochs: int,
    ) -> None:
        state = {
            "phase": self._number,
            "goes_back": self.goes_back,
            "moves": self._moves,
            "strength": self.strength,
            "seconds": self.seconds,
            "best": self.best.state(),
            **state,
        }
        self._record.save_checkpoint(
            Checkpoint(state, {**arrays, "right": [self.best.right]}), num_epochs=num_epochs
        )
        self._kept = time.monotonic()

    def _note_seconds(self) -> None:
        name = self._plans[self._number].phase.name
        self.seconds[name] = time.monotonic() - self._started

    def _epochs_before(self, number: int) -> int:
        return sum(plan.phase.epochs for plan in self._plans[:number])

    def _changed(self) -> list[Any]:
        """All variables that the phases before have changed: those of the one that trains most."""
        done = self._plans[: self._number]
        if not done:
            return []
        lowest: Plan = min(done, key=lambda plan: plan.boundary.position)
        return list(lowest.upper.variables)


def bytes_to_write(
    network: Network, phases: Sequence[Phase], optimizer: str, *, num_images: int
) -> int:
    """Estimates how much the files of a run take at most at a time, exports aside.

    They are the model, the best one so far, and three checkpoints of the phase that trains the
    most: two that are kept, and the next. Each has the weights, the best weights, and what the
    optimizer keeps for each. Beside them are the page and tables with a row for each of the images.
    """
    copies = 2 + (2 if optimizer == "adamw" else 1)
    trained = max(network.plan(phase).upper.count_params() for phase in phases)
    numbers: int = 2 * network.model.count_params() + 3 * copies * trained
    return numbers * np.dtype(np.float32).itemsize + _PAGE_BYTES + _ROW_BYTES * num_images


def _describe(place: Place) -> dict[str, Any]:
    good = place.good and _describe(place.good)
    return {"epochs": place.epochs, "rate": place.rate, "seconds": place.seconds, "good": good}


def _read_place(saved: Checkpoint, state: Mapping[str, Any] | None) -> Place | None:
    if state is None:
        return None
    good = state["good"] and Place(**state["good"] | {"values": list(saved.get("good"))})
    return Place(**{**state, "values": list(saved.get("place")), "good": good})
