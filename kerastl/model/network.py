"""An opened network: its layer calls, its boundaries, and the plan of each phase."""

import dataclasses
import functools
import gc
import itertools
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerastl.errors import KerastlError, bad_value, closest
from kerastl.model.backbones import Backbone
from kerastl.model.block_rules import find_blocks, number_by_name
from kerastl.model.boundaries import (
    Boundary,
    LayerCall,
    find_boundaries,
    models_in,
    trace_calls,
)
from kerastl.model.build import POOLED, build_classifier
from kerastl.model.building.finding import open_backbone
from kerastl.model.building.interface import BACKBONE, Built, TextReader, fingerprint
from kerastl.model.phases import Plan, can_train, drop_rate, parts
from kerastl.model.sources.table import find_backbone, find_row
from kerastl.settings import Decides, ModelSettings, Phase
from kerastl.settings.training import ALL_LAYERS


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A classifier, with nested models opened.

    Attributes:
        backbone: The row of its backbone.
        model: The classifier, from images to logits.
        inputs: Its images.
        outputs: Its logits.
        calls: The calls of its layers, from input to output.
        boundaries: Where it can be cut, from the input itself to the output itself.
        notes: Remarks on its backbone, see `Built`.
        read_texts: Makes a head of texts, see `Built`; None where none are to be read.
    """

    backbone: Backbone
    model: keras.Model
    inputs: keras.KerasTensor
    outputs: keras.KerasTensor
    calls: tuple[LayerCall, ...]
    boundaries: tuple[Boundary, ...]
    notes: tuple[str, ...] = ()
    read_texts: TextReader | None = None
    _plans: dict[tuple[str | None, bool], Plan] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, classifier: keras.Model, backbone: Backbone) -> "Network":
        """Opens a model of `build_classifier`."""
        inputs, outputs, calls = trace_calls(classifier)
        boundaries = find_boundaries(inputs, outputs, calls)
        return cls(backbone, classifier, inputs, outputs, calls, boundaries)

    @functools.cached_property
    def blocks(self) -> tuple[str, ...]:
        """Names of the backbone's blocks, from the input up."""
        return tuple(dict.fromkeys(name for name in self._labels.values() if name))

    @functools.cached_property
    def pooled(self) -> Boundary:
        """The boundary of the head phase: the pooled features."""
        return self.boundary_below(self.find(None))

    def find(self, unfreeze_from: str | None) -> int:
        """Finds the position of the lowest layer call that trains, see `Phase.unfreeze_from`.

        Raises:
            UsageError: If the backbone has nothing of this name, or nothing above it to train;
                the message lists the blocks.
        """
        if unfreeze_from is None:
            return 1 + [call.layer.name for call in self.calls].index(POOLED)
        if unfreeze_from == ALL_LAYERS:
            return next(iter(self._labels))
        wanted = unfreeze_from or self.blocks[-1]
        position = self._position_of(wanted)
        if not any(can_train(self.calls[at].layer) for at in self._labels if at >= position):
            raise bad_value(
                "unfreeze_from",
                wanted,
                "has no weights of the backbone above it that could train",
                f"Choose a lower layer or a block: {', '.join(self.blocks)}",
            )
        return position

    def plan(self, phase: Phase) -> Plan:
        """Plans a phase; this changes nothing of the network.

        Raises:
            UsageError: If the backbone has nothing called `phase.unfreeze_from`.
        """
        key = phase.unfreeze_from, phase.name == "scratch"
        if key not in self._plans:
            self._plans[key] = self._make_plan(phase)
        return dataclasses.replace(self._plans[key], phase=phase)

    def set_trainable(self, plan: Plan) -> None:
        """Makes exactly the layers of a plan trainable; training functions made later obey."""
        ids = {id(layer) for layer in plan.trainable}
        # Setting a model's flag sets that of every layer in it, so the models come first.
        models = list(models_in(self.model))
        for model in models:
            model.trainable = True
        for call in self.calls:
            if isinstance(call.layer, keras.Layer):
                call.layer.trainable = id(call.layer) in ids
        held = itertools.chain.from_iterable(map(parts, plan.trainable))
        for part in held:
            if not can_train(part, from_scratch=plan.phase.name == "scratch"):
                part.trainable = False
        for model in reversed(models):
            if not model.trainable_weights:
                model.trainable = False

    def fingerprint(self) -> str:
        """Hashes the values of the backbone's weights, see `weights.fingerprint`."""
        return fingerprint(self.model.get_layer(BACKBONE))

    def lower(self, boundary: Boundary) -> keras.Model:
        """Builds the part below a boundary, from images."""
        return keras.Model(self.inputs, boundary.tensor, name="lower")

    def upper(self, boundary: Boundary) -> keras.Model:
        """Builds the part above a boundary, to logits."""
        return keras.Model(boundary.tensor, self.outputs, name="upper")

    def to_pooled(self, boundary: Boundary) -> Callable[..., Any]:
        """Builds the part from a boundary to the pooled features; at those themselves, nothing."""
        if boundary is self.pooled:
            return lambda features, **_: features
        above: Callable[..., Any] = keras.Model(boundary.tensor, self.pooled.tensor)
        return above

    def name_of(self, boundary: Boundary) -> str:
        """Returns the name of the layer whose output a boundary is."""
        return str(self.calls[boundary.position - 1].layer.name)

    def count_multiply_adds(self, boundary: Boundary) -> int:
        """Counts the multiplications by weights below a boundary, for one image.

        A kernel is used once at each place of the layer's output, in convolutions of every kind
        and in dense layers. The rest of a network's work is small beside that.
        """
        return sum(
            math.prod(kernel.shape) * math.prod(call.outputs[0].shape[1:-1])
            for call in self.calls[: boundary.position]
            for kernel in _kernels(call.layer)
        )

    @functools.cached_property
    def _labels(self) -> dict[int, str | None]:
        """Block of each layer call of the backbone, by its position."""
        positions = [
            position for position, call in enumerate(self.calls) if call.path[:1] == (BACKBONE,)
        ]
        calls, blocks = [self.calls[position] for position in positions], self.backbone.blocks
        if blocks:
            labels = blocks.label([call.layer.name for call in calls])
        else:
            labels = find_blocks(calls, is_transformer=self.backbone.is_transformer)
        return dict(zip(positions, labels, strict=True))

    def _position_of(self, wanted: str) -> int:
        names = {position: self.calls[position].layer.name for position in self._labels}
        beginning = re.compile(rf"{re.escape(wanted)}(?![0-9])[a-z]?_")
        numbered = number_by_name([self.calls[position] for position in names])
        # A block, then an exact layer, then the beginning of layers' names up to a separator,
        # as in conv5_block3, then the number that a layer's own name has, as layer_0.
        for matching in (
            [position for position, label in self._labels.items() if label == wanted],
            [position for position, name in names.items() if name == wanted],
            [position for position, name in names.items() if beginning.match(name)],
            [at for at, label in zip(names, numbered, strict=True) if label == wanted],
        ):
            if matching:
                return matching[0]
        near = closest(wanted, self.blocks) or closest(wanted, list(names.values()))
        raise bad_value(
            "unfreeze_from",
            wanted,
            "is not a block or layer of the backbone",
            (f"Did you mean {near[0]!r}? " if near else "")
            + f"Blocks: {', '.join(self.blocks)}; an exact layer name or 'all' is accepted too",
        )

    def _make_plan(self, phase: Phase) -> Plan:
        first = self.find(phase.unfreeze_from)
        boundary = self.boundary_below(first)
        return Plan(
            phase=phase,
            boundary=boundary,
            first=first,
            lower=self.lower(boundary),
            upper=self.upper(boundary),
            trainable=tuple(
                call.layer
                for call in self.calls[first:]
                if can_train(call.layer, from_scratch=phase.name == "scratch")
            ),
            silenced=tuple(
                part
                for call in self.calls[boundary.position : first]
                for part in parts(call.layer)
                if drop_rate(part)
            ),
        )

    def boundary_below(self, first: int) -> Boundary:
        """Finds the highest boundary below a layer call, by its position."""
        return [boundary for boundary in self.boundaries if boundary.position <= first][-1]


def build_key(settings: ModelSettings) -> tuple[Any, ...]:
    """Returns what a network is built from; a rate of dropout can be set later, unless it is 0."""
    features = settings.deciding(Decides.FEATURES, of=ModelSettings)
    del features["resize"]  # By then images have their size.
    return (*features.values(), settings.seed, bool(settings.dropout))


def forget_networks(seed: int) -> None:
    """Makes Keras forget what it has built, but not the precision, and starts from a seed."""
    policy = keras.config.dtype_policy()
    keras.backend.clear_session()
    keras.config.set_dtype_policy(policy)
    gc.collect()
    keras.utils.set_random_seed(seed)


class First:
    """The backbone that is used first, opened before the images are looked at.

    So weights that are missing, damaged or of another network are reported before that work.

    Attributes:
        seconds: Time that it took.
    """

    def __init__(self, settings: ModelSettings) -> None:
        """Opens it.

        Raises:
            KerastlError: If its weights are not available, or its images are too small.
        """
        began = time.monotonic()
        self._settings = settings
        self._built: Built | None = open_backbone(find_backbone(settings), settings)
        self.seconds = time.monotonic() - began

    @classmethod
    def that_opens(cls, several: Sequence[ModelSettings]) -> "First":
        """Opens the first of several that can be opened.

        Raises:
            KerastlError: That of the first, if none can.
        """
        errors: list[KerastlError] = []
        for settings in several:
            try:
                return cls(settings)
            except KerastlError as error:
                errors.append(error)
        raise errors[0]

    def take(self, settings: ModelSettings) -> Built | None:
        """Returns it to the first who wants what it is; None to others."""
        if build_key(settings) != build_key(self._settings):
            return None
        built, self._built = self._built, None
        return built


def open_network(
    settings: ModelSettings, *, num_classes: int, first: First | None = None
) -> Network:
    """Builds the classifier that settings describe, with its weights and a head at zero.

    Args:
        settings: The network.
        num_classes: Number of logits.
        first: Is used if it is the backbone.

    Raises:
        KerastlError: If its weights are not available, or its images are too small.
    """
    row = find_backbone(settings)
    built = (first and first.take(settings)) or open_backbone(row, settings)
    classifier = build_classifier(
        built.network, scaling=built.scaling, num_classes=num_classes, dropout=settings.dropout
    )
    # What is at an address may show only now that its files are here.
    network = Network.of(classifier, find_row(settings.backbone))
    return dataclasses.replace(network, notes=built.notes, read_texts=built.read_texts)


def _kernels(layer: Any) -> list[Any]:
    matrix = 2
    return [weight for weight in getattr(layer, "weights", ()) if len(weight.shape) >= matrix]
