"""What a phase reports of its steps and epochs."""

import dataclasses
import time

import tensorflow as tf

from kerastl.data.pipeline import count_steps
from kerastl.progress import Progress, format_duration
from kerastl.settings import Phase
from kerastl.training.best import EpochRow


class Report:
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

    def begin(self, epoch: int, *, seconds: float) -> None:
        """Starts an epoch, counted from 0, or goes on with one that has taken some seconds."""
        self._epoch = epoch
        self._epoch_start = time.monotonic() - seconds

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

    def settle(self, epochs: int) -> None:
        """Changes how many epochs there are."""
        self._phase = dataclasses.replace(self._phase, epochs=epochs)

    def seconds_per_step(self) -> float:
        """Returns the time of a step, with what came between steps; 0 if there was but one."""
        steps = self._steps_done - self._first_steps
        return (time.monotonic() - self._first_end) / steps if steps else 0.0

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
        seconds = self.seconds_per_step()
        return f"  {format_duration(seconds * steps_left)} left" if seconds and steps_left else ""
