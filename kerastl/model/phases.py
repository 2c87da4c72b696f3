"""Which layers a phase trains, where the network is cut for it, and what must stay as it is."""

import contextlib
import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from kerastl.errors import bad_value, closest
from kerastl.model.backbones import Blocks
from kerastl.model.boundaries import Boundary, FlatModel, find_boundaries
from kerastl.model.build import POOLED
from kerastl.model.nesting import models_in
from kerastl.model.weights import BACKBONE
from kerastl.settings import Phase
from kerastl.settings.training import ALL_LAYERS

NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
)
# Keras's Dropout and ConvNeXt's StochasticDepth.
_DROP_RATES = ("rate", "drop_path_rate")


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How a phase trains a classifier.

    Attributes:
        phase: The phase.
        boundary: Where the network is cut.
        lower: Frozen part, from images to the boundary.
        upper: Part above the boundary, to logits; shares its layers with the classifier.
        first: Name of the lowest layer that trains.
        silenced: Dropout layers above the boundary that are frozen all the same.
    """

    phase: Phase
    boundary: Boundary
    lower: keras.Model
    upper: keras.Model
    first: str
    silenced: tuple[Any, ...]

    def count_trained(self) -> int:
        """Counts the parameters that gradients change."""
        return sum(math.prod(weight.shape) for weight in self.upper.trainable_weights)


def prepare_phase(classifier: keras.Model, flat: FlatModel, phase: Phase, blocks: Blocks) -> Plan:
    """Makes exactly a phase's layers trainable and cuts the network below the lowest of them.

    In a pretrained backbone no normalization layer trains, so its statistics stay too:
    `backbone(images, training=False)` would not hold them, since under `fit` Keras 3 lets
    the outer `training=True` win. The flags take effect with the next `compile`.

    Raises:
        UsageError: If the backbone has nothing called `phase.unfreeze_from`.
    """
    first = find_first(flat, phase.unfreeze_from, blocks)
    boundary = find_boundary(flat, first)
    from_scratch = phase.name == "scratch"
    trainable = [
        step.layer
        for step in flat.steps[first:]
        if _can_train(step.layer, from_scratch=from_scratch)
    ]
    _set_trainable(classifier, flat, trainable)
    return Plan(
        phase=phase,
        boundary=boundary,
        lower=keras.Model(flat.inputs, boundary.tensor, name="lower"),
        upper=keras.Model(boundary.tensor, flat.outputs, name="upper"),
        first=trainable[0].name,
        silenced=tuple(
            step.layer for step in flat.steps[boundary.position : first] if _drop_rate(step.layer)
        ),
    )


def find_boundary(flat: FlatModel, first: int) -> Boundary:
    """Finds the highest boundary that has the step at position `first` above it."""
    return [place for place in find_boundaries(flat) if place.position <= first][-1]


@contextlib.contextmanager
def silent_dropout(plan: Plan) -> Iterator[None]:
    """Turns off the dropout of frozen layers that the boundary could not leave below it."""
    rates = [(layer, _drop_rate(layer)) for layer in plan.silenced]
    values = [getattr(layer, name) for layer, name in rates]
    for layer, name in rates:
        setattr(layer, name, 0.0)
    try:
        yield
    finally:
        for (layer, name), value in zip(rates, values, strict=True):
            setattr(layer, name, value)


def block_names(flat: FlatModel, blocks: Blocks) -> list[str]:
    """Lists the backbone's blocks from the input up."""
    return _names(_labels(flat, blocks))


def find_first(flat: FlatModel, unfreeze_from: str | None, blocks: Blocks) -> int:
    """Finds the position of the lowest step that trains, see `Phase.unfreeze_from`.

    Raises:
        UsageError: If the backbone has nothing of this name, or nothing above it to train; the
            message lists the blocks.
    """
    if unfreeze_from is None:
        return 1 + next(
            position for position, step in enumerate(flat.steps) if step.layer.name == POOLED
        )
    labels = _labels(flat, blocks)
    in_backbone = list(labels)
    if unfreeze_from == ALL_LAYERS:
        return in_backbone[0]
    names = _names(labels)
    wanted = unfreeze_from or names[-1]
    # A block, then an exact layer, then the beginning of layers' names up to a separator,
    # as in conv5_block3.
    rules = (
        lambda position: labels[position] == wanted,
        lambda position: flat.steps[position].layer.name == wanted,
        lambda position: re.match(
            rf"{re.escape(wanted)}(?![0-9])[a-z]?_", flat.steps[position].layer.name
        ),
    )
    for rule in rules:
        if found := [position for position in in_backbone if rule(position)]:
            if not any(
                _can_train(flat.steps[position].layer)
                for position in labels
                if position >= found[0]
            ):
                raise bad_value(
                    "unfreeze_from",
                    wanted,
                    "has no weights of the backbone above it that could train",
                    f"Choose a lower layer or a block: {', '.join(names)}",
                )
            return found[0]
    layers = [flat.steps[position].layer.name for position in in_backbone]
    near = closest(wanted, names) or closest(wanted, layers)
    raise bad_value(
        "unfreeze_from",
        wanted,
        "is no block or layer of the backbone",
        (f"Did you mean {near[0]!r}? " if near else "")
        + f"Blocks: {', '.join(names)}; an exact layer name or 'all' will do too",
    )


def _can_train(layer: Any, *, from_scratch: bool = False) -> bool:
    if not getattr(layer, "weights", None) or isinstance(layer, keras.layers.Normalization):
        return False  # The latter holds the constants of an input scaling.
    return from_scratch or not isinstance(layer, NORMALIZATIONS)


def _names(labels: Mapping[int, str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in labels.values() if name))


def _labels(flat: FlatModel, blocks: Blocks) -> dict[int, str | None]:
    positions = [
        position for position, step in enumerate(flat.steps) if step.path[:1] == (BACKBONE,)
    ]
    labels = blocks.label([flat.steps[position].layer.name for position in positions])
    return dict(zip(positions, labels, strict=True))


def _set_trainable(classifier: keras.Model, flat: FlatModel, trainable: list[Any]) -> None:
    ids = {id(layer) for layer in trainable}
    # Setting a model's flag sets that of every layer in it, so the models come first.
    models = list(models_in(classifier))
    for model in models:
        model.trainable = True
    for step in flat.steps:
        if isinstance(step.layer, keras.Layer):
            step.layer.trainable = id(step.layer) in ids
    for model in reversed(models):
        if not model.trainable_weights:
            model.trainable = False


def _drop_rate(layer: Any) -> str:
    """Names the attribute that holds a layer's drop rate; empty if it drops nothing."""
    return next((name for name in _DROP_RATES if getattr(layer, name, 0.0)), "")
