"""Draws a set of pictures that are no photos: letters and shapes, in classes of uneven size."""

import dataclasses
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools"))
# What draws the pictures that the bundled weights are trained on; these have a seed of their own.
from drawings import LETTER_LOOKS, SHAPE_LOOKS, draw
from fields import Fields, build_letters, build_shapes, build_textures

_CLASSES_OF_A_KIND = 8
# How many times as many pictures the largest class has as the smallest.
_UNEVEN = 6
_SEED = 7


def draw_pictures(*counts: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws sets of pictures with the same 16 classes, in the same proportions.

    Args:
        counts: About how many pictures each set has.

    Returns:
        Of each set the pictures, uint8 (pictures, side, side, 3), and their classes.
    """
    rng = np.random.default_rng(_SEED)
    letters = _some(build_letters(), rng)
    # Four kinds of shapes.
    shapes, textures = build_shapes(_SEED, _CLASSES_OF_A_KIND // 4), build_textures(_SEED)
    shares = rng.permutation(np.geomspace(1, _UNEVEN, 2 * _CLASSES_OF_A_KIND))
    sizes = [np.round(shares * count / shares.sum()).astype(int) for count in counts]
    pictures: list[list[np.ndarray]] = [[] for _ in shares]
    for family, looks, offset in (
        (letters, LETTER_LOOKS, 0),
        (shapes, SHAPE_LOOKS, _CLASSES_OF_A_KIND),
    ):
        needed = np.sum(sizes, axis=0)[offset : offset + _CLASSES_OF_A_KIND]
        while any(len(pictures[offset + label]) < count for label, count in enumerate(needed)):
            drawn = draw(family, 500, rng, looks=looks, textures=textures)
            for image, label in zip(drawn.images, drawn.labels, strict=True):
                pictures[offset + label].append(image)
    sets = []
    for size in sizes:
        images = [image for label, count in enumerate(size) for image in pictures[label][:count]]
        pictures = [rest[count:] for rest, count in zip(pictures, size, strict=True)]
        sets.append((np.stack(images), np.repeat(np.arange(len(size)), size)))
    return sets


def _some(fields: Fields, rng: np.random.Generator) -> Fields:
    """Chooses some of the classes of a family."""
    chosen = np.sort(rng.choice(fields.num_classes, _CLASSES_OF_A_KIND, replace=False))
    kept = np.flatnonzero(np.isin(fields.owners, chosen))
    return dataclasses.replace(
        fields,
        heights=fields.heights[kept],
        owners=np.searchsorted(chosen, fields.owners[kept]),
        styles=[fields.styles[index] for index in kept],
    )
