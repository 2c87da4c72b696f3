"""Trains one phase: epochs of steps, each followed by a validation."""

import dataclasses
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerastl.data.pipeline import count_steps
from kerastl.data.reading import reading_errors
from kerastl.model.phases import Plan, silent_dropout
from kerastl.progress import Progress, format_duration
from kerastl.settings import Phase, TrainingSettings
from kerastl.training.best import EpochRow
from kerastl.training.evaluation import Evaluation
from kerastl.training.schedule import LearningRate
from kerastl.training.steps import TrainingSteps

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


# The training images with their views, the validation images, or both, all with their views.
Part = Literal["train", "validation", "both"]


class PhaseResult(NamedTuple):
    """What a phase has done.

    Attributes:
        steps: Steps that it took.
        refit: Fits a solved head to both parts.
    """

    steps: int
    refit: Callable[[], None] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class PhaseData:
    """The images of a phase.

    Attributes:
        train: Batches of (images, labels) for all epochs in a row.
        num_train: Training images in an epoch.
        lower: Function from images to features at the phase's boundary, None if `train` yields
            stored features instead of images.
        validate: Evaluates the network, as it is when it is called, on the validation images.
        read_stored: Reads the images of `Part`.
    """

    train: tf.data.Dataset
    num_train: int
    lower: Callable[[tf.Tensor], tf.Tensor] | None
    validate: Callable[[], Evaluation]
    read_stored: Callable[[Part], StoredImages]

    def first_batch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes the first batch: features at the boundary, and labels int64 (batch,)."""
        inputs, labels, *_ = next(iter(self.train))
        return inputs if self.lower is None else self.lower(inputs), labels


def train_phase(
    plan: Plan,
    data: PhaseData,
    settings: TrainingSettings,
    *,
    progress: Progress,
    on_epoch: Callable[[EpochRow, Evaluation], None],
) -> PhaseResult:
    """Trains one phase, whose layers are trainable.

    `on_epoch` gets the row of each epoch and the evaluation of the validation images.

    Raises:
        KerastlError: If the loss of a step, or of a validation, is not finite.
    """
    phase = plan.phase
    steps_per_epoch = count_steps(data.num_train, settings.batch_size)
    schedule = LearningRate(
        peak=phase.learning_rate,
        warmup_steps=round(phase.warmup_epochs * steps_per_epoch),
        total_steps=phase.epochs * steps_per_epoch,
        falls=settings.schedule == "cosine",
    )
    if phase.name == "scratch":
        settle_statistics(plan.upper, steps_per_epoch)
    at_once = _steps_at_once(phase, data, steps_per_epoch)
    steps = TrainingSteps(plan, data.lower, settings, schedule, at_once=at_once)
    report = _Report(phase, data.num_train, settings.batch_size, progress)
    batches = iter(data.train)
    with silent_dropout(plan), reading_errors():
        for epoch in range(phase.epochs):
            report.begin(epoch)
            steps.begin_epoch()
            for done in range(at_once, steps_per_epoch + 1, at_once):
                loss, accuracy = steps.run(batches)
                report.show_step(done, loss, accuracy)
            validation = data.validate()
            steps.check_validation(validation.losses)
            row = EpochRow(
                phase=phase.name,
                epoch=epoch + 1,
                learning_rate=schedule.at(epoch * steps_per_epoch),
                seconds=report.seconds(),
                loss=float(loss),
                accuracy=float(accuracy),
                **{f"val_{name}": value for name, value in validation.scores().items()},
            )
            on_epoch(row, validation)
            report.show_epoch(row)
    return PhaseResult(phase.epochs * steps_per_epoch)


def _steps_at_once(phase: Phase, data: PhaseData, steps_per_epoch: int) -> int:
    """Counts the steps that a call runs; a number of calls is an epoch."""
    if phase.name != "head" or data.lower is not None:
        return 1
    most = min(steps_per_epoch, MOST_STEPS_AT_ONCE)
    return next(count for count in range(most, 0, -1) if steps_per_epoch % count == 0)


def settle_statistics(model: keras.Model, steps_per_epoch: int) -> None:
    """Makes batch norm's statistics follow within a tenth of an epoch, or ten steps.

    Statistics remember about 1 / (1 - momentum) steps. Keras's 0.99 and 0.999 reach past
    the whole of a short run, whose statistics then still hold the random start.
    """
    momentum = max(0.9, 1 - 10 / steps_per_epoch)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


class _Report:
    """Reports steps and epochs, with the speed and the time that is left."""

    def __init__(self, phase: Phase, num_train: int, batch_size: int, progress: Progress) -> None:
        self._phase = phase
        self._num_train = num_train
        self._steps_per_epoch = count_steps(num_train, batch_size)
        self._batch_size = batch_size
        self._progress = progress
        self._steps_done = 0
        self._first_steps = 0
        self._epoch = 0

    def begin(self, epoch: int) -> None:
        """Starts an epoch, counted from 0."""
        self._epoch = epoch
        self._epoch_start = time.monotonic()

    def seconds(self) -> float:
        """Returns the time since the epoch began."""
        return time.monotonic() - self._epoch_start

    def show_step(self, steps: int, loss: tf.Tensor, accuracy: tf.Tensor) -> None:
        """Shows how far the epoch is, on a terminal."""
        self._steps_done = self._epoch * self._steps_per_epoch + steps
        if not self._first_steps:
            # Building the training step takes longer than many steps and comes only once.
            self._first_steps = self._steps_done
            self._first_end = time.monotonic()
        if not self._progress.on_terminal:
            return
        images = min(steps * self._batch_size, self._num_train)
        self._progress.status(
            f"{self._name()} step {steps}/{self._steps_per_epoch}  "
            f"{images / self.seconds():.0f} images/s  loss {float(loss):.4f}  "
            f"accuracy {float(accuracy):.4f}{self._left()}"
        )

    def show_epoch(self, row: EpochRow) -> None:
        """Writes the line of an epoch."""
        self._progress.line(
            f"{self._name()}: loss {row.loss:.4f}  accuracy {row.accuracy:.4f}  "
            f"val_loss {row.val_loss:.4f}  val_accuracy {row.val_accuracy:.4f}  "
            f"learning rate {row.learning_rate:.4g}  "
            f"{self._num_train / row.seconds:.0f} images/s{self._left()}"
        )

    def _name(self) -> str:
        return f"{self._phase.name} {self._epoch + 1}/{self._phase.epochs}"

    def _left(self) -> str:
        steps_left = self._phase.epochs * self._steps_per_epoch - self._steps_done
        steps_timed = self._steps_done - self._first_steps
        if not steps_timed or not steps_left:
            return ""
        seconds = (time.monotonic() - self._first_end) / steps_timed
        return f"  {format_duration(seconds * steps_left)} left"
