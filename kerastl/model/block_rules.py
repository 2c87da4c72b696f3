"""Finds the blocks of a network that no table describes, from the names and from the graph."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from kerastl.internals import sublayers
from kerastl.model.boundaries import LayerCall

# A word for a part of a network, and its number, as in "stack0_block1_conv" and "block7a_add".
_NUMBERED = re.compile(r"(?:^|_)(block|group|layer|mixed|stack|stage|unit)s?(_?\d+[a-z]?)(?=_|$)")
_MAP = 4


def find_blocks(calls: Sequence[LayerCall], *, is_transformer: bool = False) -> list[str | None]:
    """Names the block of each layer call, None where a call is in none.

    Those of a transformer are "block_1" and so on, whatever their layers are called. Else by the
    names of layers, where these number blocks or stages; else each layer that consists of layers is
    "block_1" and so on; else "stage_1" and so on are as many as the map has sizes.
    """
    if is_transformer:
        return _by_kind(calls)
    return _first_with_several(calls, (number_by_name, _by_layer, _by_size))


def _first_with_several(
    calls: Sequence[LayerCall], rules: Sequence[Callable[[Sequence[LayerCall]], list[str | None]]]
) -> list[str | None]:
    labels: list[str | None] = []
    for rule in rules:
        labels = rule(calls)
        if len({label for label in labels if label}) > 1:
            break
    return labels


def number_by_name(calls: Sequence[LayerCall]) -> list[str | None]:
    """Reads the block of each layer call from the layer's name, as "layer_0" and "stage_1"."""
    found = (_NUMBERED.search(call.layer.name) for call in calls)
    return [match[1] + match[2] if match else None for match in found]


def _by_layer(calls: Sequence[LayerCall]) -> list[str | None]:
    return _count(calls, [at for at, call in enumerate(calls) if _consists_of_layers(call.layer)])


def _by_kind(calls: Sequence[LayerCall]) -> list[str | None]:
    """Counts the layers of the class that holds most of the weights: a transformer's blocks."""
    sizes: Counter[type] = Counter()
    for call in calls:
        if _consists_of_layers(call.layer):
            sizes[type(call.layer)] += sum(math.prod(one.shape) for one in call.layer.weights)
    ((kind, _),) = sizes.most_common(1)
    return _count(calls, [at for at, call in enumerate(calls) if type(call.layer) is kind])


def _count(calls: Sequence[LayerCall], positions: Sequence[int]) -> list[str | None]:
    """Numbers the calls at some positions; what is between two belongs to the upper one."""
    labels: list[str | None] = [None] * len(calls)
    begin = positions[0] if positions else 0
    for number, at in enumerate(positions, start=1):
        labels[begin : at + 1] = [f"block_{number}"] * (at + 1 - begin)
        begin = at + 1
    return labels


def _by_size(calls: Sequence[LayerCall]) -> list[str | None]:
    labels: list[str | None] = []
    smallest, number = None, 1
    for call in calls:
        shape = call.outputs[0].shape
        if len(shape) == _MAP:
            if smallest is not None and shape[1] < smallest:
                number += 1
            smallest = shape[1] if smallest is None else min(smallest, shape[1])
        labels.append(f"stage_{number}")
    return labels


def _consists_of_layers(layer: Any) -> bool:
    return hasattr(layer, "weights") and bool(layer.weights) and bool(sublayers(layer))
