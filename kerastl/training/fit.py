"""The only compile and fit."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.pipeline import count_steps
from kerastl.errors import KerastlError
from kerastl.model.phases import Plan, silent_dropout
from kerastl.progress import Progress, format_duration
from kerastl.settings import Phase
from kerastl.training.evaluate import Evaluation
from kerastl.training.schedule import LearningRate

_NOT_FINITE = "the loss is not finite"
_LARGEST_LOSS = 1e20
# Steps of a head on stored features take as long as a call from Python: so many go into one.
_MOST_STEPS_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class EpochRow:
    """One row of `history.csv`.

    Attributes:
        phase: Name of the phase.
        epoch: Counted from 1 in each phase.
        learning_rate: Rate at the epoch's first step.
        loss: Mean over the epoch's training images, as it went, in nats.
        accuracy: Likewise, in 0..1.
        val_loss: Over all validation images after the epoch.
        val_accuracy: Likewise.
        seconds: Time of the epoch, validation included.
        val_balanced_accuracy: Over all validation images, each class counting the same.
        val_macro_f1: Likewise.
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
        """Gives what epochs are compared by, the higher the better."""
        return -self.val_loss if best_by == "loss" else float(getattr(self, f"val_{best_by}"))


class Best:
    """The best weights by a score of validation over all phases; equal ones by lower loss.

    Attributes:
        row: The epoch that they come from, None before the first.
        validation: What they said of the validation images, None before the first.
        accuracies: Highest validation accuracy of each phase, by the phase's name.
    """

    def __init__(self, best_by: str = "accuracy") -> None:
        self.row: EpochRow | None = None
        self.validation: Evaluation | None = None
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
        """Takes the present weights if the epoch that gave them is the best so far."""
        before = self.accuracies.get(row.phase, 0.0)
        self.accuracies[row.phase] = max(before, row.val_accuracy)
        rank = (row.score(self._best_by), -row.val_loss)
        if self.row is None or rank > self._rank:
            self.row, self.validation, self._rank = row, validation, rank
            self._remember()

    def restore(self) -> None:
        """Puts the best weights back into the model."""
        for weight, value in zip(self._weights, self._values, strict=True):
            weight.assign(value)

    def _remember(self) -> None:
        self._values = [np.array(keras.ops.convert_to_numpy(weight)) for weight in self._weights]


@dataclasses.dataclass(frozen=True, eq=False)
class PhaseData:
    """What a phase learns from.

    Attributes:
        train: Batches of (images, labels) for all epochs on end.
        num_train: Training images in an epoch.
        lower: Function from images to features at the phase's boundary, None where stored
            features come in place of the training images.
        validate: Evaluates the network, as it is by then, on the validation images.
    """

    train: tf.data.Dataset
    num_train: int
    lower: Callable[[tf.Tensor], tf.Tensor] | None
    validate: Callable[[], Evaluation]


def train_phase(
    plan: Plan,
    data: PhaseData,
    config: Config,
    *,
    best: Best,
    progress: Progress,
    on_epoch: Callable[[EpochRow], None],
) -> int:
    """Trains one phase; `best` has begun with the weights above the boundary.

    Args:
        plan: What trains.
        data: What it learns from.
        config: Batch size, optimizer and schedule.
        best: Is offered the weights after each epoch.
        progress: Gets a line for each epoch.
        on_epoch: Gets the row of each epoch.

    Returns:
        Steps taken.

    Raises:
        KerastlError: At the first step, or validation, whose loss is not finite.
    """
    phase = plan.phase
    steps_per_epoch = count_steps(data.num_train, config.batch_size)
    schedule = LearningRate(
        peak=phase.learning_rate,
        warmup_steps=round(phase.warmup_epochs * steps_per_epoch),
        total_steps=phase.epochs * steps_per_epoch,
        falls=config.schedule == "cosine",
    )
    if phase.name == "scratch":
        _settle_statistics(plan.upper, steps_per_epoch)
    model = _PhaseModel(plan, data.lower)
    model.compile(
        optimizer=_build_optimizer(config, schedule),
        loss=_finite_cross_entropy,
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
        steps_per_execution=_steps_at_once(phase, data, steps_per_epoch),
    )
    # Or the first step would make these variables, and TensorFlow would build it twice.
    model.optimizer.build(plan.upper.trainable_variables)

    def keep(row: EpochRow, validation: Evaluation) -> None:
        best.offer(row, validation)
        on_epoch(row)

    watcher = _Watcher(plan, schedule, data, config, progress=progress, on_epoch=keep)
    with silent_dropout(plan):
        try:
            model.fit(
                data.train,
                epochs=phase.epochs,
                steps_per_epoch=steps_per_epoch,
                callbacks=[watcher],
                shuffle=False,  # The pipeline shuffles.
                verbose=0,
            )
        except tf.errors.InvalidArgumentError as error:
            if _NOT_FINITE not in str(error):
                raise
            step = int(model.steps_done)
            raise _not_finite("step", step, plan.phase, schedule, steps_per_epoch) from error
    return phase.epochs * steps_per_epoch


class _PhaseModel(keras.Model):
    """What a phase trains: the part above the boundary, on stored features or on images.

    Images go through the frozen part first, by the very function that fills the store: what
    differs by a rounding there differs visibly after some steps of fine-tuning.
    """

    train_function: Callable[[Any], dict[str, tf.Tensor]] | None

    def __init__(self, plan: Plan, lower: Callable[[tf.Tensor], tf.Tensor] | None) -> None:
        # float32, or a mixed policy would round pixels before they are scaled.
        super().__init__(name=plan.phase.name, dtype="float32")
        self._upper = plan.upper
        self._lower = lower
        # TensorFlow's variable, which Keras takes for no weight of the model. The optimizer's own
        # count may or may not hold a step whose loss is not finite, as it happens.
        self.steps_done = tf.Variable(0, trainable=False, dtype=tf.int64)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        logs: dict[str, tf.Tensor] = super().train_step(data)
        with tf.control_dependencies(list(logs.values())):
            self.steps_done.assign_add(1)
        return logs

    def make_train_function(self, force: bool = False) -> Callable[[Any], dict[str, tf.Tensor]]:
        """Makes what runs the steps of a call, for `fit`, in one loop inside a graph.

        Keras's own asks before every step whether there is another batch and puts the step into a
        function of its own: more to build and to run, where here all batches are known to come.
        """
        if self.train_function is None or force:

            def run_steps(iterator: Any) -> dict[str, tf.Tensor]:
                def run_one(step: tf.Tensor) -> tf.Tensor:
                    self.train_step(iterator.get_next())
                    return step + 1

                tf.while_loop(
                    lambda step: step < self.steps_per_execution,
                    run_one,
                    [0],
                    parallel_iterations=1,
                )
                return self.get_metrics_result()  # type: ignore[no-any-return]

            # Without XLA, which is several times slower on a CPU and which Keras refuses where
            # kernels have to be deterministic.
            self.train_function = tf.function(run_steps, autograph=False, reduce_retracing=True)
        return self.train_function

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if self._lower is not None:
            inputs = self._lower(inputs)
        return self._upper(inputs, training=training)


def _steps_at_once(phase: Phase, data: PhaseData, steps_per_epoch: int) -> int:
    """Counts the steps that a call runs; a number of calls is an epoch."""
    if phase.name != "head" or data.lower is not None:
        return 1
    most = min(steps_per_epoch, _MOST_STEPS_AT_ONCE)
    return next(count for count in range(most, 0, -1) if steps_per_epoch % count == 0)


def _finite_cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    loss = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    # What counts as infinite: no weights that give such a loss are worth keeping.
    loss = tf.where(loss > _LARGEST_LOSS, tf.constant(float("inf")), loss)
    return tf.debugging.check_numerics(loss, _NOT_FINITE)


class _OneReplica:
    """Adds nothing up over devices, of which there is one.

    For that sum TensorFlow registers a gradient with each step that is built, and so keeps the
    graph of every training for good: 3 MB a trial of a search.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class _SGD(_OneReplica, keras.optimizers.SGD):
    pass


class _AdamW(_OneReplica, keras.optimizers.AdamW):
    pass


def _build_optimizer(config: Config, schedule: LearningRate) -> keras.optimizers.Optimizer:
    if config.optimizer == "adamw":
        optimizer = _AdamW(schedule, weight_decay=config.weight_decay)
    else:
        optimizer = _SGD(
            schedule, momentum=config.momentum, weight_decay=config.weight_decay or None
        )
    if config.weight_decay:
        # Decay is for kernels, https://arxiv.org/abs/1812.01187 (section 3.1).
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _settle_statistics(model: keras.Model, steps_per_epoch: int) -> None:
    """Makes batch norm's statistics follow within a tenth of an epoch, or ten steps.

    Statistics remember about 1 / (1 - momentum) steps. Keras's 0.99 and 0.999 reach past
    the whole of a short run, whose statistics then still hold the random start.
    """
    momentum = max(0.9, 1 - 10 / steps_per_epoch)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


class _Watcher(keras.callbacks.Callback):
    """Validates after each epoch, and turns what came of it into rows, lines and a status.

    Keras's own validation, with scores that need all images, takes longer than an epoch of a head
    on stored features.
    """

    def __init__(
        self,
        plan: Plan,
        schedule: LearningRate,
        data: PhaseData,
        config: Config,
        *,
        progress: Progress,
        on_epoch: Callable[[EpochRow, Evaluation], None],
    ) -> None:
        super().__init__()
        self._phase = plan.phase
        self._steps_done = 0
        self._first_steps = 0
        self._steps_per_epoch = count_steps(data.num_train, config.batch_size)
        self._schedule = schedule
        self._data = data
        self._batch_size = config.batch_size
        self._progress = progress
        self._on_epoch = on_epoch
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._epoch = epoch
        self._epoch_start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._steps_done = self._epoch * self._steps_per_epoch + batch + 1
        if not self._first_steps:
            # Building the training step takes longer than many steps and comes only once.
            self._first_steps = self._steps_done
            self._first_end = time.monotonic()
        if not self._progress.on_terminal or logs is None:
            return
        seconds = time.monotonic() - self._epoch_start
        images = min((batch + 1) * self._batch_size, self._data.num_train)
        self._progress.status(
            f"{self._name()} step {batch + 1}/{self._steps_per_epoch}  "
            f"{images / seconds:.0f} images/s  loss {logs['loss']:.4f}  "
            f"accuracy {logs['accuracy']:.4f}{self._left()}"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        validation = self._data.validate()
        if not (validation.losses <= _LARGEST_LOSS).all():
            step = (epoch + 1) * self._steps_per_epoch - 1
            raise _not_finite(
                "validation after step", step, self._phase, self._schedule, self._steps_per_epoch
            )
        seconds = time.monotonic() - self._epoch_start
        logs = logs or {}
        row = EpochRow(
            phase=self._phase.name,
            epoch=epoch + 1,
            learning_rate=self._schedule.at(epoch * self._steps_per_epoch),
            seconds=seconds,
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
            **{f"val_{name}": value for name, value in validation.scores().items()},
        )
        self._on_epoch(row, validation)
        self._progress.line(
            f"{self._name()}: loss {row.loss:.4f}  accuracy {row.accuracy:.4f}  "
            f"val_loss {row.val_loss:.4f}  val_accuracy {row.val_accuracy:.4f}  "
            f"learning rate {row.learning_rate:.4g}  "
            f"{self._data.num_train / seconds:.0f} images/s{self._left()}"
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


def _not_finite(
    where: str, step: int, phase: Phase, schedule: LearningRate, steps_per_epoch: int
) -> KerastlError:
    epoch, step_in_epoch = divmod(step, steps_per_epoch)
    return KerastlError(
        f"loss: is not finite in the {phase.name} phase, epoch {epoch + 1}, {where} "
        f"{step_in_epoch + 1} of {steps_per_epoch}, at learning rate "
        f"{schedule.at(step):.4g}. Use a lower rate or more --warmup_epochs."
    )
