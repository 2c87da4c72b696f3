"""Facts about image files that say nothing of what they show, by which a class may be told."""

import collections
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kerastl.data.inspection import Inspection

# Words that have a number of their own; the rarer ones share one.
_MOST_WORDS = 32


def list_facts(inspections: Sequence[Inspection]) -> Mapping[str, np.ndarray]:
    """Returns the facts of usable files, each float64 (images, columns).

    Words are numbered from the most frequent on.
    """
    sides = np.array([(one.height, one.width) for one in inspections], float).reshape(-1, 2)
    colors = np.frombuffer(b"".join(one.colors for one in inspections), np.uint8)
    return {
        "size": np.sqrt(sides.prod(axis=1, keepdims=True)),
        "shape": sides[:, 1:] / sides[:, :1],
        "file format": _number(one.kind for one in inspections),
        "camera": _number(one.camera for one in inspections),
        "brightness": colors.reshape(len(inspections), -1).mean(axis=1, keepdims=True),
        "border": np.array([one.border for one in inspections], float).reshape(-1, 2),
    }


def _number(words: Iterable[str]) -> np.ndarray:
    listed = list(words)
    ranked = [word for word, _ in collections.Counter(listed).most_common(_MOST_WORDS)]
    number = {word: place for place, word in enumerate(ranked)}
    return np.array([number.get(word, _MOST_WORDS) for word in listed], float)[:, None]
