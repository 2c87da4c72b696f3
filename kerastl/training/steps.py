"""The training step: forward pass, loss, gradients, and update, many of them in one graph."""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl import replicas
from kerastl.errors import KerastlError
from kerastl.model.phases import Plan
from kerastl.settings import TrainingSettings
from kerastl.training.checkpoint import copy_values
from kerastl.training.copies import open_model
from kerastl.training.schedule import LearningRate

# No weights that give a larger loss are worth keeping, so it counts as infinite.
LARGEST_LOSS = 1e20
_NOT_FINITE = "the loss is not finite"
# Of the softmax of a teacher and of what learns from it: the best of four for speech, with a weight
# of 0.5, https://arxiv.org/abs/1503.02531 (section 4.1).
_TEMPERATURE = 2.0
# Inputs, labels, weights and a teacher's answers.
_MOST_IN_BATCH = 4
# Decay is for kernels, https://arxiv.org/abs/1812.01187 (section 3.1).
_NOT_DECAYED = re.compile("bias|gamma|beta")


class NotFiniteError(KerastlError):
    """The loss is not finite, in a step or in a validation.

    Attributes:
        where: The phase, the epoch, the step and the rate, in words.
    """

    def __init__(self, where: str) -> None:
        super().__init__(
            f"loss: is not finite in {where}. Use a lower rate or more --warmup_epochs."
        )
        self.where = where


class TrainingSteps:
    """The steps of a phase, on features at its boundary or on images.

    Images go through the frozen part first, by the very function that fills the store: what
    differs by a rounding there differs visibly after some steps of fine-tuning.

    A loop inside a graph runs several steps in one call. Keras's `fit` looks before every step
    whether there is another batch, and adds gradients up over devices even if there is only one;
    for that sum TensorFlow keeps the graph of every training for good, 3 MB a trial of a search.

    On several devices each takes its share of a batch, see `kerastl.replicas`; losses are added up
    and divided by the images of the whole batch, so that the step is that of one device.

    A call is over before Python looks for a signal, and counts its steps itself: wherever the code
    around it is interrupted, `values` are those after a whole number of calls.
    """

    def __init__(
        self,
        plan: Plan,
        lower: Callable[[tf.Tensor], tf.Tensor] | None,
        settings: TrainingSettings,
        schedule: LearningRate,
        *,
        at_once: int,
    ) -> None:
        """Prepares the steps of a plan whose layers are trainable, `at_once` in a call of `run`.

        `lower` is a function from images to features at the boundary, None for stored features.
        """
        # The optimizer's own count may or may not include a step whose loss is not finite.
        self._done = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._phase = plan.phase
        self._schedule = schedule
        self._replicas = replicas.current()
        self._model = open_model(plan.upper, self._replicas)
        self._lower = lower
        self._weight_decay = settings.weight_decay
        self._teacher_weight = settings.teacher_weight
        with self._replicas.strategy.scope():
            self._optimizer = _build_optimizer(settings, schedule)
            # Or the first step would create these variables, and be built twice.
            self._optimizer.build(self._model.trainable)
        self._loss = keras.metrics.Mean("loss")
        self._accuracy = keras.metrics.Mean("accuracy")
        self._at_once = at_once
        # Without XLA, which is several times slower on a CPU and which TensorFlow refuses where
        # kernels have to be deterministic.
        self._function = tf.function(self._run_steps, autograph=False, reduce_retracing=True)

    @property
    def count(self) -> int:
        """Steps taken so far."""
        return int(self._done)

    def values(self) -> list[np.ndarray]:
        """Copies all that the steps change: weights, states of dropout and optimizer, counts."""
        return copy_values(self._variables_changed())

    def load(self, values: Sequence[np.ndarray]) -> None:
        """Restores what `values` has returned for the same plan."""
        for variable, value in zip(self._variables_changed(), values, strict=True):
            variable.assign(value)
        self._model.write_back()

    def results(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `run` has returned last; the network then has the weights of that step."""
        self._model.write_back()
        return self._mean_results()

    def _mean_results(self) -> tuple[tf.Tensor, tf.Tensor]:
        return self._loss.result(), self._accuracy.result()

    def _variables_changed(self) -> list[Any]:
        metrics = (*self._loss.variables, *self._accuracy.variables)
        # Those of the model include the states of its random generators.
        return [*self._model.variables, *self._optimizer.variables, *metrics, self._done]

    def begin_epoch(self) -> None:
        """Forgets the loss and accuracy of the steps so far."""
        self._loss.reset_state()
        self._accuracy.reset_state()

    def run(self, batches: Iterator[Any]) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes the next steps, on as many batches of `training_dataset`.

        Returns:
            Loss and accuracy, each the mean over the images of the epoch so far.

        Raises:
            NotFiniteError: If the loss of a step is not finite.
        """
        try:
            loss, accuracy = self._function(batches)
        except tf.errors.InvalidArgumentError as error:
            if _NOT_FINITE not in str(error):
                raise
            raise self._not_finite("step", int(self._done)) from error
        return loss, accuracy

    def settle(self, epochs: int) -> None:
        """Changes how many epochs there are, before the rate depends on it."""
        steps_per_epoch = self._schedule.total_steps // self._phase.epochs
        self._phase = dataclasses.replace(self._phase, epochs=epochs)
        self._schedule.total_steps = epochs * steps_per_epoch

    def check_validation(self, losses: np.ndarray) -> None:
        """Checks the losses of the validation images after the steps so far.

        Raises:
            NotFiniteError: If one is not finite.
        """
        if not (losses <= LARGEST_LOSS).all():
            raise self._not_finite("validation after step", int(self._done) - 1)

    def _not_finite(self, where: str, step: int) -> NotFiniteError:
        steps_per_epoch = self._schedule.total_steps // self._phase.epochs
        epoch, step_in_epoch = divmod(step, steps_per_epoch)
        return NotFiniteError(
            f"the {self._phase.name} phase, epoch {epoch + 1}, {where} {step_in_epoch + 1} of "
            f"{steps_per_epoch}, at learning rate {self._schedule.at(step):.4g}"
        )

    def _run_steps(self, batches: Any) -> tuple[tf.Tensor, tf.Tensor]:
        def run_one(step: tf.Tensor) -> tf.Tensor:
            self._take_step(*batches.get_next())
            return step + 1

        tf.while_loop(lambda step: step < self._at_once, run_one, [0], parallel_iterations=1)
        return self._mean_results()

    def _take_step(self, *batch: tf.Tensor) -> None:
        self._replicas.strategy.run(self._compute, args=batch)

    def _compute(self, *batch: tf.Tensor) -> None:
        """Computes the share of one device in a step."""
        context = tf.distribute.get_replica_context()
        if len(self._replicas.devices) > 1:
            here = self._replicas.slice_here(tf.shape(batch[1])[0])
            batch = tuple(each[here] for each in batch)
        count = tf.cast(tf.size(batch[1]), tf.float32)
        if self._replicas.count > 1:
            batch = never_empty(*batch)
            count = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
        inputs, labels, weights, answers = (*batch, None, None)[:_MOST_IN_BATCH]
        if self._lower is not None:
            inputs = self._lower(inputs)
        variables = [variable.value for variable in self._model.trainable]
        with tf.GradientTape() as tape:
            logits, penalties, state = self._model(inputs)
            losses = cross_entropy(labels, logits)
            if answers is not None:
                distances = distance_from(answers, logits)
                losses += self._teacher_weight * (distances - losses)
            if weights is not None:
                losses *= weights
            loss = tf.reduce_sum(losses) / tf.cast(count, losses.dtype)
            loss = sum((one / self._replicas.count for one in penalties), start=loss)
        gradients = tape.gradient(loss, variables)
        hits = keras.metrics.sparse_categorical_accuracy(labels, logits)
        if self._replicas.count > 1 and weights is not None:
            # Those that only fill an empty share have no weight.
            hits = tf.where(weights > 0, hits, 0.0)
        hits = tf.reduce_sum(hits)
        context.merge_call(self._update, args=(loss, hits, count, gradients, state))

    def _update(
        self,
        strategy: tf.distribute.Strategy,
        loss: tf.Tensor,
        hits: tf.Tensor,
        count: tf.Tensor,
        gradients: list[tf.Tensor | None],
        state: list[tf.Tensor],
    ) -> None:
        """Adds up what the devices have computed, and changes the weights on all of them."""
        variables = [variable.value for variable in self._model.trainable]
        if self._replicas.count > 1:
            loss, hits, gradients = _add_up(strategy, loss, hits, variables, gradients)
            count = strategy.experimental_local_results(count)[0]
        loss = tf.debugging.check_numerics(loss, _NOT_FINITE)
        with tf.control_dependencies([loss]):
            rate = self._optimizer.learning_rate
            for weight, variable, gradient in zip(
                self._model.trained, variables, gradients, strict=True
            ):
                change = functools.partial(self._change, weight)
                strategy.extended.update(variable, change, args=(gradient, rate), group=False)
            for variable, value in zip(self._model.state, state, strict=True):
                strategy.extended.update(variable.value, _assign, args=(value,), group=False)
            self._optimizer.iterations.assign_add(1)
            self._done.assign_add(1)
        self._loss.update_state(loss, sample_weight=count)
        self._accuracy.update_state([1.0, 0.0], sample_weight=[hits, count - hits])

    def _change(
        self, weight: Any, variable: tf.Variable, gradient: tf.Tensor | None, rate: tf.Tensor
    ) -> None:
        if self._weight_decay and not _NOT_DECAYED.search(weight.name):
            variable.assign_sub(variable * self._weight_decay * rate)
        if gradient is not None:
            self._optimizer.update_step(gradient, variable, rate)
        if weight.constraint is not None:
            variable.assign(weight.constraint(variable))


def never_empty(
    inputs: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None, *others: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Fills an empty share with a row of zeros and no weight: oneDNN has none of no images."""
    if weights is None:
        weights = tf.ones_like(labels, tf.float32)
    given = inputs, labels, weights, *others
    zeros = [tf.zeros([1, *each.shape[1:]], each.dtype) for each in given]
    filled: tuple[tf.Tensor, ...] = tf.cond(
        tf.equal(tf.size(labels), 0), lambda: tuple(zeros), lambda: given
    )
    return filled


def _assign(variable: tf.Variable, value: tf.Tensor) -> None:
    variable.assign(value)


def _add_up(
    strategy: tf.distribute.Strategy,
    loss: tf.Tensor,
    hits: tf.Tensor,
    variables: list[tf.Variable],
    gradients: list[tf.Tensor | None],
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor | None]]:
    """Adds losses, hits and gradients up over all devices."""
    add = tf.distribute.ReduceOp.SUM
    given = [place for place, gradient in enumerate(gradients) if gradient is not None]
    pairs = [(gradients[place], variables[place]) for place in given]
    summed: list[tf.Tensor | None] = [None] * len(gradients)
    for place, total in zip(given, strategy.extended.batch_reduce_to(add, pairs), strict=True):
        summed[place] = total
    return strategy.reduce(add, loss, axis=None), strategy.reduce(add, hits, axis=None), summed


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Computes each image's loss, float32 (batch,); infinite above LARGEST_LOSS."""
    loss = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return tf.where(loss > LARGEST_LOSS, tf.constant(float("inf")), loss)


def distance_from(answers: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Computes the distance of logits from a teacher's, float32 (batch,), both (batch, classes).

    It is the cross-entropy of the two at a temperature, times its square, so that gradients are of
    the size of those from labels: https://arxiv.org/abs/1503.02531, section 2.
    """
    probabilities = tf.nn.softmax(answers / _TEMPERATURE)
    loss = keras.losses.categorical_crossentropy(
        probabilities, logits / _TEMPERATURE, from_logits=True
    )
    return loss * _TEMPERATURE**2


def _build_optimizer(
    settings: TrainingSettings, schedule: LearningRate
) -> keras.optimizers.Optimizer:
    if settings.optimizer == "adamw":
        return keras.optimizers.Adam(schedule)
    return keras.optimizers.SGD(schedule, momentum=settings.momentum)
