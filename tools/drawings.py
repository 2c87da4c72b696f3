"""Draws pictures of fields, a batch at a time: bent, inked, colored, lit, blurred, with noise."""

import dataclasses

import numpy as np

from fields import SIDE as CELLS
from fields import Fields, build_letters, build_shapes, build_textures

SIDE = 48
THUMBNAIL = 8

# A third of the pictures have as few pixels as these and are enlarged, as small images are.
_LOW_SIDES = (8, 24)


@dataclasses.dataclass(frozen=True)
class Looks:
    """How the pictures of a family are colored; each value is a share of them.

    Attributes:
        gray: Both colors are grays.
        rough: Both surfaces have a texture.
        warp: Deviation of the displacement at full strength, as a share of the side.
    """

    gray: float
    rough: float
    warp: float


LETTER_LOOKS = Looks(gray=0.6, rough=0.15, warp=0.075)
SHAPE_LOOKS = Looks(gray=0.2, rough=0.7, warp=0.05)


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Pictures and all that a network can be asked about them.

    Attributes:
        images: RGB, uint8 (pictures, SIDE, SIDE, 3).
        labels: Class of each, int32 (pictures,).
        thumbnails: The picture before it was blurred, float32 (pictures, 8, 8, 3) in -1..1.
        masks: Share of ink, float32 (pictures, 8, 8) in 0..1.
        colors: Of the ink and of the ground, float32 (pictures, 6) in -1..1.
    """

    images: np.ndarray
    labels: np.ndarray
    thumbnails: np.ndarray
    masks: np.ndarray
    colors: np.ndarray


def draw(
    fields: Fields,
    count: int,
    rng: np.random.Generator,
    *,
    looks: Looks,
    textures: Fields,
    strength: float = 1.0,
) -> Pictures:
    """Draws pictures of random classes.

    Args:
        fields: What to draw.
        count: How many pictures.
        rng: Source of everything random.
        looks: How to color them.
        textures: Of what the rough surfaces are.
        strength: How much is bent, turned and sheared, from 0 to 1.
    """
    labels = rng.integers(0, fields.num_classes, count)
    ink = _ink(fields, _any_field_of(labels, fields, rng), rng, looks.warp, strength)
    colors = _colors(count, rng, looks.gray)
    surfaces = colors[:, :, None, None, :] + _relief(textures, count, rng, looks.rough)
    images = surfaces[:, 1] + ink[..., None] * (surfaces[:, 0] - surfaces[:, 1])
    images = np.clip(images * _light(count, rng), 0, 1)
    thumbnails = _means(images)
    images = _lower(images, rng)
    noise = rng.standard_normal(images.shape, np.float32)
    images += noise * rng.uniform(-0.06, 0.06, (count, 1, 1, 1)).clip(0).astype(np.float32)
    return Pictures(
        np.clip(images * 255 + 0.5, 0, 255).astype(np.uint8),
        labels.astype(np.int32),
        thumbnails * 2 - 1,
        _means(ink[..., None])[..., 0],
        colors.reshape(count, 6) * 2 - 1,
    )


class Families:
    """Letters and shapes, whose classes come after the letters'."""

    def __init__(self, seed: int) -> None:
        self.letters = build_letters()
        self.shapes, self.textures = build_shapes(seed), build_textures(seed)
        self.num_classes = self.letters.num_classes + self.shapes.num_classes

    def draw(self, count: int, rng: np.random.Generator, *, strength: float = 1.0) -> Pictures:
        """Draws `count` pictures, first the half of them that are letters."""
        letters, shapes = (
            draw(fields, count // 2, rng, looks=looks, textures=self.textures, strength=strength)
            for fields, looks in ((self.letters, LETTER_LOOKS), (self.shapes, SHAPE_LOOKS))
        )
        after = np.int32(self.letters.num_classes)
        shapes = dataclasses.replace(shapes, labels=shapes.labels + after)
        pairs = zip(astuple(letters), astuple(shapes), strict=True)
        return Pictures(*(np.concatenate(pair) for pair in pairs))


def astuple(pictures: Pictures) -> tuple[np.ndarray, ...]:
    """Gives the arrays of some pictures, in the order of `Pictures`."""
    return tuple(getattr(pictures, field.name) for field in dataclasses.fields(pictures))


def _any_field_of(labels: np.ndarray, fields: Fields, rng: np.random.Generator) -> np.ndarray:
    first = np.searchsorted(fields.owners, labels)
    after = np.searchsorted(fields.owners, labels, side="right")
    return rng.integers(first, after)


def _ink(
    fields: Fields, chosen: np.ndarray, rng: np.random.Generator, warp: float, strength: float
) -> np.ndarray:
    """Gives the share of ink of each pixel, float32 (pictures, SIDE, SIDE)."""
    styles = [fields.styles[index] for index in chosen]
    offset, softness, zoom = (
        rng.uniform(*np.array([getattr(style, name) for style in styles]).T).astype(np.float32)
        for name in ("offset", "softness", "zoom")
    )
    turn = rng.uniform(-1, 1, len(chosen)) * [style.rotation for style in styles] * strength
    matrix = _affine(turn, zoom, rng, strength)
    shift = rng.normal(0, 0.06, (len(chosen), 2)).astype(np.float32)
    bend = _bend(len(chosen), rng, warp * strength)
    places = np.einsum("nij,njhw->nihw", matrix, _GRID + bend) + shift[..., None, None]
    heights = _sample(fields.heights, chosen, places)
    return np.clip(
        0.5 + (heights + offset[:, None, None]) / softness[:, None, None], 0, 1, dtype=np.float32
    )


def _affine(
    turn: np.ndarray, zoom: np.ndarray, rng: np.random.Generator, strength: float
) -> np.ndarray:
    """Builds maps (pictures, 2, 2) from a picture's places to a field's."""
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
    aspect = np.exp(rng.normal(0, 0.12 * strength, len(turn)))
    shear = rng.normal(0, 0.2 * strength, len(turn))
    zero = np.zeros_like(shear)
    stretch = np.array([[aspect, zero], [shear, 1 / aspect]]).transpose(2, 0, 1)
    return (rotation @ stretch / zoom[:, None, None]).astype(np.float32)


def _bend(count: int, rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Builds smooth displacements (count, 2, SIDE, SIDE) from random ones at 5 x 5 nodes."""
    nodes = rng.normal(0, 2 * deviation, (count, 2, 5, 5)).astype(np.float32)
    return _FROM_NODES @ nodes @ _FROM_NODES.T


def _sample(heights: np.ndarray, chosen: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Reads fields at places (pictures, 2, height, width) in -1..1, bilinear, held at the edge."""
    cells = np.clip((places + 1) * ((CELLS - 1) / 2), 0, CELLS - 1.001)
    whole = cells.astype(np.int32)
    down, across = np.moveaxis(cells - whole.astype(np.float32), 1, 0)
    corner = (chosen.astype(np.int32)[:, None, None] * CELLS + whole[:, 0]) * CELLS + whole[:, 1]
    flat = heights.reshape(-1)
    upper = flat[corner] * (1 - across) + flat[corner + 1] * across
    lower = flat[corner + CELLS] * (1 - across) + flat[corner + CELLS + 1] * across
    return upper * (1 - down) + lower * down


def _colors(count: int, rng: np.random.Generator, gray: float) -> np.ndarray:
    """Draws colors of ink and ground, float32 (count, 2, 3) in 0..1, that can be told apart."""
    colors = rng.random((count, 2, 3), np.float32)
    is_gray = rng.random(count) < gray
    colors[is_gray] = colors[is_gray][..., :1]
    is_near = np.abs(colors[:, 0] - colors[:, 1]).mean(-1) < 0.2
    colors[is_near, 0] = (colors[is_near, 1] + 0.5) % 1
    return colors


def _relief(textures: Fields, count: int, rng: np.random.Generator, rough: float) -> np.ndarray:
    """Builds what roughness adds to both surfaces, float32 (count, 2, SIDE, SIDE, 3)."""
    chosen = rng.integers(0, len(textures.heights), count)
    zoom = rng.uniform(1.2, 4, count).astype(np.float32)
    places = _GRID / zoom[:, None, None, None] + rng.uniform(-0.2, 0.2, (count, 2, 1, 1))
    bumps = _sample(textures.heights, chosen, places.astype(np.float32))
    # The ground's bumps are those of another picture's ink.
    both = np.stack([bumps, np.roll(bumps, 1, axis=0)], axis=1)
    tints = rng.normal(0, 0.05, (count, 2, 3)) + rng.normal(0, 0.1, (count, 2, 1))
    tints *= rng.random((count, 1, 1)) < rough
    return both[..., None] * tints[:, :, None, None, :].astype(np.float32)


def _light(count: int, rng: np.random.Generator) -> np.ndarray:
    """Builds a brightness that changes along one direction, float32 (count, SIDE, SIDE, 1)."""
    slope = rng.normal(0, 0.15, (count, 2)).astype(np.float32)
    return 1 + np.einsum("ni,ihw->nhw", slope, _GRID)[..., None]


def _lower(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Takes pixels from a third of the pictures, and a few from another third."""
    count = len(images)
    low = rng.integers(_LOW_SIDES[0], _LOW_SIDES[1] + 1, count)
    some = rng.integers(_LOW_SIDES[1], SIDE, count)
    sides = np.choose(rng.integers(0, 3, count), [low, some, SIDE])
    matrices = _LOWERING[sides - _LOW_SIDES[0]]
    rows = matrices @ images.reshape(count, SIDE, SIDE * 3)
    return matrices[:, None] @ rows.reshape(count, SIDE, SIDE, 3)


def _means(images: np.ndarray) -> np.ndarray:
    """Averages pictures (pictures, SIDE, SIDE, channels) over the cells of a thumbnail."""
    size = SIDE // THUMBNAIL
    return images.reshape(len(images), THUMBNAIL, size, THUMBNAIL, size, -1).mean((2, 4))


def _averaging(low: int) -> np.ndarray:
    """Builds the matrix (low, SIDE) that averages SIDE pixels over each of `low`."""
    edges = np.linspace(0, SIDE, low + 1)
    pixels = np.arange(SIDE)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return shared.clip(0) * low / SIDE


def _enlarging(low: int) -> np.ndarray:
    """Builds the matrix (SIDE, low) of a bilinear enlargement, pixel centers at halves."""
    centers = ((np.arange(SIDE) + 0.5) * low / SIDE - 0.5).clip(0, low - 1)
    return (1 - np.abs(centers[:, None] - np.arange(low))).clip(0)


_GRID = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
_FROM_NODES = np.exp(
    -((np.linspace(-1, 1, SIDE)[:, None] - np.linspace(-1, 1, 5)) ** 2) / (2 * 0.35**2)
).astype(np.float32)
_FROM_NODES /= np.sqrt((_FROM_NODES**2).sum(1, keepdims=True))
_LOWERING = np.stack(
    [_enlarging(low) @ _averaging(low) for low in range(_LOW_SIDES[0], SIDE)] + [np.eye(SIDE)]
).astype(np.float32)
