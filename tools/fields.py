"""Height fields of shapes and letters: what `drawings.py` makes pictures of.

A field says for each cell how far inside the ink it is, in cells, negative outside. So one field
gives thin and bold pictures, sharp and soft ones, and can be bent before it is inked. Textures have
a noise of deviation 1 instead. A class has several fields: fonts of a letter, variants of a shape.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

# Cells along each side of a field. What is drawn fills the middle 0.7 of it.
SIDE = 64
_FINE = 2 * SIDE
_FILLED = 0.7

SHAPES_OF_A_KIND = 90
_VARIANTS = 8

# No digits. Small letters that only repeat their capital are left out.
LETTERS = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghijklmnqrtuy"
    "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπρστφχψω"
    "БДЖИЛУЦЧШЩЪЫЭЮЯбвгджиклмнтцчшщъыю"
)
# Of the files that Matplotlib brings, those with an upright or slanted alphabet of their own.
_FONTS = [
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
    "cmr10",
    "cmss10",
    "cmti10",
    "cmmi10",
    "cmtt10",
]


@dataclasses.dataclass(frozen=True)
class Style:
    """How heights become ink: `clip(0.5 + (height + offset) / softness, 0, 1)`.

    Attributes:
        offset: Lowest and highest offset, in the unit of the heights.
        softness: Likewise of the softness.
        zoom: Likewise of how large the field is drawn; below 1 something of it is cut off.
        rotation: Largest rotation to either side, in radians.
    """

    offset: tuple[float, float]
    softness: tuple[float, float]
    zoom: tuple[float, float]
    rotation: float


_OUTLINE = Style((-0.8, 2.5), (1, 4), (0.75, 1.45), 0.3)
_PEN = Style((1, 5), (1, 4), (0.75, 1.45), 0.3)
_CONTOUR = Style((-2, 2), (1, 4), (0.8, 1.7), 0.5)
_FRACTAL = Style((-0.5, 1.5), (1, 4), (0.7, 1.5), 0.4)
# Enlarged, so that the picture ends before the field does.
_TEXTURE = Style((-0.5, 0.5), (0.5, 5), (1.3, 2.2), 0.3)


@dataclasses.dataclass(frozen=True)
class Fields:
    """All fields of a family, in the order of their classes.

    Attributes:
        heights: Float32 (fields, SIDE, SIDE).
        owners: Class of each field, whole numbers from 0 (fields,).
        styles: Style of each field.
    """

    heights: np.ndarray
    owners: np.ndarray
    styles: list[Style]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return int(self.owners[-1]) + 1


def build_letters() -> Fields:
    """Builds two fields for each letter and font: of its outline, and of a pen along its middle."""
    folder = pathlib.Path(mpl.get_data_path()) / "fonts/ttf"
    glyphs, owners = [], []
    for name in _FONTS:
        path = folder / f"{name}.ttf"
        known = FT2Font(path).get_charmap()
        font = ImageFont.truetype(path, _FINE)
        for label, letter in enumerate(LETTERS):
            if ord(letter) in known:
                glyphs.append(_draw_letter(letter, font))
                owners.append(label)
    masks = np.stack(glyphs)
    heights = [*map(_signed_distance, masks), *map(_pen_distance, _thin(masks[:, ::2, ::2]))]
    order = np.argsort(owners * 2, kind="stable")
    styles = [_OUTLINE] * len(owners) + [_PEN] * len(owners)
    return Fields(
        np.stack(heights)[order].astype(np.float32),
        np.array(owners * 2)[order],
        [styles[index] for index in order],
    )


def build_shapes(seed: int, of_a_kind: int = SHAPES_OF_A_KIND) -> Fields:
    """Builds the variants of random fractals, strokes, contours and textures, in equal numbers."""
    kinds = ((_fractal, _FRACTAL), (_strokes, _PEN), (_contour, _CONTOUR), (_texture, _TEXTURE))
    return _build_kinds(kinds, np.random.default_rng(seed), of_a_kind)


def build_textures(seed: int) -> Fields:
    """Builds textures that are no class, for the surfaces of everything."""
    return _build_kinds(
        [(_texture, _TEXTURE)], np.random.default_rng((seed, 1)), 2 * SHAPES_OF_A_KIND
    )


def _build_kinds(
    kinds: Sequence[tuple[Callable[[np.random.Generator], list[np.ndarray]], Style]],
    rng: np.random.Generator,
    of_a_kind: int,
) -> Fields:
    heights, styles = [], []
    for variants_of, style in kinds:
        for _ in range(of_a_kind):
            heights.extend(variants_of(rng))
            styles.extend([style] * _VARIANTS)
    owners = np.repeat(np.arange(len(kinds) * of_a_kind), _VARIANTS)
    return Fields(np.stack(heights).astype(np.float32), owners, styles)


def _draw_letter(letter: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """Draws a letter's mask (_FINE, _FINE), its longer side as long as every letter's."""
    left, top, right, bottom = font.getbbox(letter)
    image = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(image).text((1 - left, 1 - top), letter, fill=255, font=font)
    scale = _FILLED * _FINE / max(image.size)
    image = image.resize([max(1, round(side * scale)) for side in image.size])
    canvas = Image.new("L", (_FINE, _FINE))
    canvas.paste(image, ((_FINE - image.width) // 2, (_FINE - image.height) // 2))
    return np.asarray(canvas) > 127


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Measures in cells, of a mask (_FINE, _FINE), how far inside each of (SIDE, SIDE) cells is."""
    inside, outside = (ndimage.distance_transform_edt(side) for side in (mask, ~mask))
    return (inside - outside)[::2, ::2] / 2


def _pen_distance(line: np.ndarray) -> np.ndarray:
    """Measures the negative distance to a line one cell thick."""
    return -ndimage.distance_transform_edt(~line) * SIDE / len(line)


def _thin(masks: np.ndarray) -> np.ndarray:
    """Thins masks (masks, height, width) to lines, all at once.

    Zhang and Suen's rule, https://doi.org/10.1145/357994.358023: a cell goes that has 2 to 6
    neighbors, one run of them, and none in a corner that the half step keeps.
    """
    masks = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    clockwise = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    while True:
        before = masks.sum()
        for keeps in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            around = [np.roll(masks, (-down, -right), (1, 2)) for down, right in clockwise]
            count = sum(cell.astype(np.int8) for cell in around)
            runs = sum(~around[i] & around[(i + 1) % 8] for i in range(8)).astype(np.int8)
            free = [~np.logical_and.reduce([around[i] for i in corner]) for corner in keeps]
            masks = masks & ~((count >= 2) & (count <= 6) & (runs == 1) & free[0] & free[1])
        if masks.sum() == before:
            return masks[:, 1:-1, 1:-1]


def _fractal(rng: np.random.Generator) -> list[np.ndarray]:
    """Draws attractors of two to four affine maps, after https://arxiv.org/abs/2101.08515."""
    while True:
        num_maps = rng.integers(2, 5)
        turns = rng.uniform(-np.pi, np.pi, (2, num_maps))
        stretches = rng.uniform(0.25, 0.8, (num_maps, 2))
        maps = _rotation(turns[0]) @ (stretches[..., None] * _rotation(turns[1]))
        shifts = rng.uniform(-1, 1, (num_maps, 2))
        variants = [
            _attractor(
                maps + rng.normal(0, 0.03, maps.shape),
                shifts + rng.normal(0, 0.05, shifts.shape),
                rng,
            )
            for _ in range(_VARIANTS)
        ]
        if all(0.06 < mask.mean() < 0.5 for mask in variants):
            return [_signed_distance(mask) for mask in variants]


def _rotation(angle: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.moveaxis(np.array([[cos, -sin], [sin, cos]]), (0, 1), (-2, -1))


def _attractor(maps: np.ndarray, shifts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Marks where 256 points go that a random map moves, 40 times each."""
    areas = np.abs(np.linalg.det(maps)) + 0.02
    choices = rng.choice(len(maps), (50, 256), p=areas / areas.sum())
    points = np.zeros((256, 2))
    visited = []
    for choice in choices:
        points = np.einsum("nij,nj->ni", maps[choice], points) + shifts[choice]
        visited.append(points)
    # The first ten are still on their way.
    cloud = np.concatenate(visited[10:])
    low, high = np.percentile(cloud, (1, 99), axis=0)
    scaled = (cloud - (low + high) / 2) / max((high - low).max(), 1e-6) * _FILLED + 0.5
    mask, *_ = np.histogram2d(*scaled.T, bins=SIDE, range=((0, 1), (0, 1)))
    return np.kron(mask > 0, np.ones((2, 2), bool))


def _strokes(rng: np.random.Generator) -> list[np.ndarray]:
    """Draws two to four cubic Bézier curves."""
    control = rng.uniform(0.15, 0.85, (rng.integers(2, 5), 4, 2))
    # Half of them go on where the one before ended, as a pen does.
    for before, after in itertools.pairwise(control):
        if rng.random() < 0.5:
            after[0] = before[-1]
    t = np.linspace(0, 1, 100)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    variants = []
    for _ in range(_VARIANTS):
        curves = weights @ (control + rng.normal(0, 0.04, control.shape))
        rows, columns = np.clip(curves.reshape(-1, 2).T * _FINE, 0, _FINE - 1).astype(int)
        line = np.zeros((_FINE, _FINE), bool)
        line[rows, columns] = True
        variants.append(_pen_distance(line)[::2, ::2])
    return variants


def _contour(rng: np.random.Generator) -> list[np.ndarray]:
    """Draws blobs and stars whose radius is a sum of waves, half of them with a hole."""
    waves = np.arange(1, 9)
    sizes = rng.exponential(0.5, (2, 8)) / np.sqrt(waves) * (rng.random((2, 8)) < 0.4)
    phases = rng.uniform(0, 2 * np.pi, (2, 8))
    has_hole = rng.random() < 0.5
    down, across = np.mgrid[-1 : 1 : _FINE * 1j, -1 : 1 : _FINE * 1j]
    angle, distance = np.arctan2(down, across), np.hypot(down, across)
    variants = []
    for _ in range(_VARIANTS):
        bumps = (sizes * rng.normal(1, 0.15, sizes.shape))[..., None, None] * np.cos(
            waves[:, None, None] * angle + (phases + rng.normal(0, 0.1, (2, 8)))[..., None, None]
        )
        outer, inner = np.exp(0.6 * np.tanh(bumps.sum(1)))
        mask = distance < outer * _FILLED / 1.5
        if has_hole:
            mask &= distance > inner * _FILLED / 3.5
        variants.append(_signed_distance(mask))
    return variants


def _texture(rng: np.random.Generator) -> list[np.ndarray]:
    """Filters noise to one to three bands of frequency and direction."""
    frequency = np.fft.fftfreq(SIDE, 1 / SIDE)
    down, across = np.meshgrid(frequency, frequency, indexing="ij")
    radius, angle = np.hypot(down, across), np.arctan2(down, across)
    gain = np.zeros_like(radius)
    for _ in range(rng.integers(1, 4)):
        center = np.exp(rng.uniform(np.log(2), np.log(14)))
        band = np.exp(-((radius - center) ** 2) / (2 * (center * rng.uniform(0.1, 0.4)) ** 2))
        away = np.angle(np.exp(2j * (angle - rng.uniform(0, np.pi)))) / 2
        spread = rng.choice([0.1, 0.3, 10])
        gain += band * np.exp(-(away**2) / (2 * spread**2)) / center
    is_ridged = rng.random() < 0.3
    variants = []
    for _ in range(_VARIANTS):
        noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=gain.shape)) * gain).real
        noise = np.abs(noise) if is_ridged else noise
        variants.append((noise - noise.mean()) / noise.std())
    return variants
