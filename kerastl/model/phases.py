"""The plan of a phase: its layers, where the network is cut, and which dropout is off."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras

from kerastl.internals import sublayers
from kerastl.model.boundaries import Boundary
from kerastl.settings import Phase

NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
)
# Keras's Dropout, and the stochastic depth of ConvNeXt and of Swin.
_DROP_RATES = ("rate", "drop_path_rate", "drop_prob")


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How a phase trains a network.

    Attributes:
        phase: The phase.
        boundary: Where the network is cut: the highest boundary below all layers that train.
        first: Position of the lowest layer call that trains.
        lower: Frozen part, from images to the boundary.
        upper: Part above the boundary, to logits; shares its layers with the classifier.
        trainable: Layers that train, from the input up. What they hold trains too, apart from
            the normalizations of a pretrained network.
        silenced: Dropout layers above the boundary that are frozen anyway, also inside others.
    """

    phase: Phase
    boundary: Boundary
    first: int
    lower: keras.Model
    upper: keras.Model
    trainable: tuple[Any, ...]
    silenced: tuple[Any, ...]

    @property
    def first_name(self) -> str:
        """Name of the lowest layer that trains."""
        return str(self.trainable[0].name)

    def count_trained(self) -> int:
        """Counts the parameters that gradients change, once the plan's layers are trainable."""
        return sum(math.prod(weight.shape) for weight in self.upper.trainable_weights)


@contextlib.contextmanager
def silent_dropout(plan: Plan) -> Iterator[None]:
    """Turns off the dropout of frozen layers above the boundary."""
    rates = [(layer, drop_rate(layer)) for layer in plan.silenced]
    values = [getattr(layer, name) for layer, name in rates]
    for layer, name in rates:
        setattr(layer, name, 0.0)
    try:
        yield
    finally:
        for (layer, name), value in zip(rates, values, strict=True):
            setattr(layer, name, value)


def can_train(layer: Any, *, from_scratch: bool = False) -> bool:
    """Decides whether a layer is trained; normalizations of a pretrained network never are.

    This also freezes the statistics of batch norm: `backbone(images, training=False)` would not,
    since under `fit` Keras 3 lets the outer `training=True` win.
    """
    if not getattr(layer, "weights", None) or isinstance(layer, keras.layers.Normalization):
        return False  # The latter holds the constants of an input scaling.
    return from_scratch or not isinstance(layer, NORMALIZATIONS)


def parts(layer: Any) -> Iterator[Any]:
    """Yields a layer and all that it holds; only an operation of Keras holds nothing."""
    yield layer
    if isinstance(layer, keras.Layer):
        yield from sublayers(layer, deep=True)


def drop_rate(layer: Any) -> str:
    """Finds the name of the attribute that holds a layer's drop rate; empty if it drops nothing."""
    return next((name for name in _DROP_RATES if getattr(layer, name, 0.0)), "")
