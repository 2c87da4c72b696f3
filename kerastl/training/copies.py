"""The trained part of a network on the devices that train it."""

from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

from kerastl.replicas import Replicas

# Each device draws its own numbers: its states of random generators are this far apart.
_APART = 1_000_003


class Computed(NamedTuple):
    """What a call of a model gives in training.

    Attributes:
        logits: Float32 (batch, classes).
        penalties: Of its regularizers, scalars.
        state: New values of what a call changes, in the order of `Trainee.state`.
    """

    logits: tf.Tensor
    penalties: list[tf.Tensor]
    state: list[tf.Tensor]


class Trainee(Protocol):
    """What a step trains.

    Attributes:
        trained: The network's own weights that gradients change.
        trainable: The variables of their values in training, in the same order.
        state: Variables that a step is to give the values of `Computed.state`.
        variables: All variables, in the order of the model's own.
    """

    trained: list[Any]
    trainable: list[Any]
    state: list[Any]
    variables: list[Any]

    def __call__(self, inputs: tf.Tensor) -> Computed:
        """Computes a batch as in training."""

    def write_back(self) -> None:
        """Gives the network's own variables the values of these."""


def open_model(model: keras.Model, replicas: Replicas) -> Trainee:
    """Prepares a model, whose layers are trainable, to be trained on the devices of a run."""
    return _Alone(model) if replicas.count == 1 else _Copied(model, replicas)


class _Alone:
    """A model that is trained where it is."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self.trained = self.trainable = list(model.trainable_variables)
        self.state: list[Any] = []
        self.variables = list(model.variables)

    def __call__(self, inputs: tf.Tensor) -> Computed:
        return Computed(self._model(inputs, training=True), list(self._model.losses), [])

    def write_back(self) -> None:
        """Does nothing: the variables are the network's own."""


class _Copied:
    """A model that is called with the values of variables which each device has."""

    def __init__(self, model: keras.Model, replicas: Replicas) -> None:
        self._model, self._replicas = model, replicas
        self._own = list(model.variables)
        with replicas.strategy.scope():
            copies = {id(one): _copy(one) for one in self._own}
        self.variables = [copies[id(one)] for one in self._own]
        self.trained = list(model.trainable_variables)
        self.trainable = [copies[id(one)] for one in self.trained]
        self.state = [copies[id(one)] for one in model.non_trainable_variables]

    def __call__(self, inputs: tf.Tensor) -> Computed:
        place = tf.distribute.get_replica_context().replica_id_in_sync_group
        values = [tf.convert_to_tensor(one.value) for one in self.state]
        shifts = [_shift(one, place) for one in values]
        given = [one if by is None else one + by for one, by in zip(values, shifts, strict=True)]
        logits, state, penalties = self._model.stateless_call(
            [one.value for one in self.trainable], given, inputs, training=True, return_losses=True
        )
        state = [one if by is None else one - by for one, by in zip(state, shifts, strict=True)]
        return Computed(logits, list(penalties), state)

    def write_back(self) -> None:
        for own, copy in zip(self._own, self.variables, strict=True):
            own.assign(copy.value)


def _copy(one: Any) -> Any:
    return keras.Variable(
        keras.ops.convert_to_numpy(one), dtype=one.dtype, trainable=one.trainable, name=one.name
    )


def _shift(value: tf.Tensor, place: Any) -> tf.Tensor | None:
    """Returns what to add to the state of a random generator; None for other values."""
    if not value.dtype.is_integer:
        return None
    # A state is a seed and a count of draws.
    return tf.cast(tf.stack([place * _APART, 0]), value.dtype)
