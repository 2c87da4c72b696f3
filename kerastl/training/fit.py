"""Trains one phase: epochs of steps, each followed by a validation."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerastl import replicas
from kerastl.data.pipeline import count_steps
from kerastl.data.reading import reading_errors
from kerastl.disk_errors import CannotWriteError
from kerastl.model.phases import Plan, parts, silent_dropout
from kerastl.progress import Progress
from kerastl.settings import Phase, TrainingSettings
from kerastl.training.best import EpochRow
from kerastl.training.evaluation import Evaluation
from kerastl.training.pace import Pace, describe_change
from kerastl.training.report import Report
from kerastl.training.schedule import LearningRate
from kerastl.training.steps import NotFiniteError, TrainingSteps, never_empty

# A loss that is not finite makes a phase go on at its rate divided by this.
_RATE_DIVISOR = 3
# Steps of a head on stored features take no longer than a call from Python, so one call runs many.
MOST_STEPS_AT_ONCE = 256


class StoredImages(NamedTuple):
    """Images as stored features.

    Attributes:
        inputs: Float32 (images, channels).
        labels: Classes, int64 (images,).
        groups: Group of each image, int64 (images,).
        weights: Weight of each image's loss, float32 (images,); None if all count the same.
    """

    inputs: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    weights: np.ndarray | None

    def take(self, chosen: np.ndarray) -> "StoredImages":
        """Selects some of the images, by their positions."""
        weights = None if self.weights is None else self.weights[chosen]
        return StoredImages(self.inputs[chosen], self.labels[chosen], self.groups[chosen], weights)


# Training and validation images together, with their views.
BOTH = "both"


class PhaseResult(NamedTuple):
    """What a phase has done.

    Attributes:
        steps: Steps that it took.
        strength: Of the penalty of a solved head, see `solved_head.STRENGTHS`.
    """

    steps: int
    strength: float | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class PhaseData:
    """The images of a phase.

    Attributes:
        train: Function from a step of the phase to the batches of (images, labels) from there on,
            of all its epochs in a row.
        num_train: Training images in an epoch.
        class_names: Names of the classes, in the order of the logits.
        lower: Function from images to features at the phase's boundary, None if `train` yields
            stored features instead of images.
        validate: Evaluates the network, as it is when it is called, on the validation images.
        read_stored: Reads the images of training or validation, by the name of the split, or BOTH.
    """

    train: Callable[[int], tf.data.Dataset]
    num_train: int
    class_names: tuple[str, ...]
    lower: Callable[[tf.Tensor], tf.Tensor] | None
    validate: Callable[[], Evaluation]
    read_stored: Callable[[str], StoredImages]

    def first_batch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes the first batch: features at the boundary, and labels int64 (batch,).

        Of a machine that has no part in it, it is a row of zeros.
        """
        inputs, labels, *_ = never_empty(*next(iter(self.train(0))))
        return inputs if self.lower is None else self.lower(inputs), labels


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """A place in a phase: all that its training goes on from.

    Attributes:
        epochs: Epochs that have ended.
        rate: Share of the phase's learning rate that it goes on at.
        seconds: Time of the epoch that has begun; 0 between epochs.
        values: Those of `TrainingSteps.values`.
        good: Where to go back to if the loss is not finite; None for this place itself.
    """

    epochs: int
    rate: float
    seconds: float
    values: list[np.ndarray]
    good: "Place | None" = None


class Places:
    """Where a phase begins and what is kept of its places; this one keeps nothing.

    Attributes:
        first: Where a phase that was cut off goes on.
        keeps: Whether places are kept.
        goes_back: Whether a loss that is not finite makes the training go back: once in a run.
        pace: What decides how many epochs of fine-tuning there are when its warm-up is over; None
            leaves them.
    """

    first: Place | None = None
    keeps: bool = False
    goes_back: bool = False
    pace: Pace | None = None

    def settle(self, epochs: int, reason: str) -> None:
        """Keeps how many epochs `pace` has decided on; no reason if they are as planned."""

    def is_due(self) -> bool:
        """Whether a place inside an epoch is to be kept now; each end of an epoch is."""
        return False

    def keep(self, place: Place) -> None:
        """Keeps a place in case that the training is cut off."""


def train_phase(
    plan: Plan,
    data: PhaseData,
    settings: TrainingSettings,
    *,
    progress: Progress,
    on_epoch: Callable[[EpochRow, Evaluation], None],
    places: Places | None = None,
) -> PhaseResult:
    """Trains one phase, whose layers are trainable, from its first place on.

    `on_epoch` gets the row of each epoch and the evaluation of the validation images.

    Raises:
        NotFiniteError: If the loss of a step, or of a validation, is not finite.
    """
    steps_per_epoch = count_steps(data.num_train, settings.batch_size)
    if plan.phase.name == "scratch":
        settle_statistics(plan.upper, steps_per_epoch)
    with silent_dropout(plan), _joint_statistics(plan), reading_errors():
        training = _Training(plan, data, settings, places or Places(), progress)
        while training.epochs < training.phase.epochs:
            try:
                row, validation = training.run_epoch()
                on_epoch(row, validation)
                training.end_epoch(row)
            except NotFiniteError as error:
                training.go_back(error)
            except KeyboardInterrupt as stop:
                training.stop(stop)
                raise
    return PhaseResult(training.phase.epochs * steps_per_epoch)


class _Training:
    """The steps of a phase from a place on.

    Attributes:
        phase: The phase, with as many epochs as there will be.
        epochs: Epochs that have ended.
    """

    def __init__(
        self,
        plan: Plan,
        data: PhaseData,
        settings: TrainingSettings,
        places: Places,
        progress: Progress,
    ) -> None:
        self.phase = plan.phase
        self._plan, self._data, self._settings = plan, data, settings
        self._places, self._progress = places, progress
        self._steps_per_epoch = count_steps(data.num_train, settings.batch_size)
        self._at_once = _steps_at_once(plan.phase, data, self._steps_per_epoch)
        self._report = Report(plan.phase, data.num_train, settings.batch_size, progress)
        self._begin(places.first)

    def _begin(self, place: Place | None) -> None:
        self.epochs, self._rate, self._seconds = 0, 1.0, 0.0
        if place:
            self.epochs, self._rate, self._seconds = place.epochs, place.rate, place.seconds
        self._schedule = LearningRate(
            peak=self.phase.learning_rate * self._rate,
            warmup_steps=round(self.phase.warmup_epochs * self._steps_per_epoch),
            total_steps=self.phase.epochs * self._steps_per_epoch,
            falls=self._settings.schedule == "cosine",
        )
        self._steps = TrainingSteps(
            self._plan, self._data.lower, self._settings, self._schedule, at_once=self._at_once
        )
        if place:
            self._steps.load(place.values)
        self._batches = iter(self._data.train(self._steps.count))
        self._good = (place and place.good) or place
        if self._good is None and self._places.goes_back:
            self._good = self._here()

    def run_epoch(self) -> tuple[EpochRow, Evaluation]:
        """Takes the steps of an epoch that are left, and evaluates the validation images."""
        self._report.begin(self.epochs, seconds=self._seconds)
        first = self.epochs * self._steps_per_epoch
        begun = self._steps.count - first
        if not begun:
            self._steps.begin_epoch()
        for done in range(begun + self._at_once, self._steps_per_epoch + 1, self._at_once):
            loss, accuracy = self._steps.run(self._batches)
            self._report.show_step(done, loss, accuracy)
            if done < self._steps_per_epoch:
                self._settle()
            if self._places.is_due():
                self._keep(self._in_epoch())
        loss, accuracy = self._steps.results()
        validation = self._data.validate()
        self._steps.check_validation(validation.losses)
        # Now that the validation is timed, too, and before the epoch is kept: it may be the last.
        self._settle()
        row = EpochRow.of(
            validation,
            phase=self.phase.name,
            epoch=self.epochs + 1,
            learning_rate=self._schedule.at(first),
            seconds=self._report.seconds(),
            loss=float(loss),
            accuracy=float(accuracy),
        )
        return row, validation

    def _settle(self) -> None:
        """Decides at the end of the warm-up how many epochs there are."""
        pace = self._places.pace
        seconds = self._steps_per_epoch * self._report.seconds_per_step()
        if pace is None or self._steps.count < self._schedule.warmup_steps:
            return
        # Once; later the rate has depended on the number.
        self._places.pace = None
        done, planned = self._steps.count / self._steps_per_epoch, self.phase.epochs
        # A run that goes on at the very end of its warm-up has timed no step.
        fitting = pace.fit(done=done, epoch_seconds=seconds) if seconds else planned
        epochs = replicas.current().number_of_first(fitting)
        reason = ""
        if epochs != planned:
            reason = describe_change(epochs, planned, seconds)
            self.phase = dataclasses.replace(self.phase, epochs=epochs)
            for one in (self._steps, self._report):
                one.settle(epochs)
            self._progress.line(f"{reason}.")
        self._places.settle(epochs, reason)

    def end_epoch(self, row: EpochRow) -> None:
        """Counts an epoch whose row is kept, keeps the place, and reports it."""
        self.epochs, self._seconds = self.epochs + 1, 0.0
        if self._places.keeps or self._places.goes_back:
            self._good = self._here()
        self._keep(self._good)
        self._report.show_epoch(row)

    def go_back(self, error: NotFiniteError) -> None:
        """Restores the end of the last good epoch, at a third of the rate.

        Raises:
            NotFiniteError: If the run has done so before, or is not to.
        """
        if not self._places.goes_back or self._good is None:
            raise error
        self._places.goes_back = False
        epoch = self._good.epochs
        where = f"the end of epoch {epoch}" if epoch else "the start of the phase"
        self._progress.line(
            f"Loss: is not finite in {error.where}. Training goes on from {where} at a third of "
            "the rate."
        )
        self._begin(dataclasses.replace(self._good, rate=self._rate / _RATE_DIVISOR))
        # If the loss is not finite again before the next epoch ends, it has been here before.
        self._keep(self._here())

    def stop(self, interrupt: KeyboardInterrupt) -> None:
        """Keeps the place at which the training is interrupted; explains if it cannot."""
        try:
            self._keep(self._in_epoch())
        except CannotWriteError as error:
            interrupt.args = (
                f"The place could not be saved ({error.reason}). Mend that and repeat the command "
                "to go on from the checkpoint before.",
            )

    def _keep(self, place: Place | None) -> None:
        if self._places.keeps and place is not None:
            self._places.keep(place)

    def _here(self) -> Place:
        return Place(self.epochs, self._rate, self._seconds, self._steps.values())

    def _in_epoch(self) -> Place:
        if self._steps.count == self.epochs * self._steps_per_epoch:
            return self._here()
        self._seconds = self._report.seconds()
        good = self._good if self._places.goes_back else None
        return dataclasses.replace(self._here(), good=good)


def _steps_at_once(phase: Phase, data: PhaseData, steps_per_epoch: int) -> int:
    """Counts the steps that a call runs; a number of calls is an epoch."""
    if phase.name != "head" or data.lower is not None:
        return 1
    most = min(steps_per_epoch, MOST_STEPS_AT_ONCE)
    return next(count for count in range(most, 0, -1) if steps_per_epoch % count == 0)


@contextlib.contextmanager
def _joint_statistics(plan: Plan) -> Iterator[None]:
    """Makes batch norm that trains take its statistics from the batches of all devices together."""
    norms = _batch_norms(plan.upper) if replicas.current().count > 1 else []
    for part in norms:
        part.synchronized = True
    try:
        yield
    finally:
        for part in norms:
            part.synchronized = False


def _batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    every = itertools.chain.from_iterable(map(parts, model.layers))
    return [part for part in every if isinstance(part, keras.layers.BatchNormalization)]


def settle_statistics(model: keras.Model, steps_per_epoch: int) -> None:
    """Makes batch norm's statistics follow within a tenth of an epoch, or ten steps.

    Statistics remember about 1 / (1 - momentum) steps. Keras's 0.99 and 0.999 reach past
    the whole of a short run, whose statistics then still hold the random start.
    """
    momentum = max(0.9, 1 - 10 / steps_per_epoch)
    for part in _batch_norms(model):
        part.momentum = momentum
