"""The common kinds of image files, which need none of the decoder's exceptions.

Most of the decoder's graph checks for what few files have: transparency, an orientation, a missing
end. For a small file that takes ten times as long as to decode it. Here bytes show that a file
has nothing of it, and one operation of the graph gives the same pixels.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerastl.data import bmp, jpeg
from kerastl.data.file_formats import BMP, JPEG, PNG
from kerastl.data.images import PNG_END

# Where a PNG has its width, height and colors, and those without transparency: gray, RGB, and a
# palette, https://www.w3.org/TR/png-3 (11.2.1)
_SIDES, _COLORS = slice(16, 24), 25
_OPAQUE = (0, 2, 3)
_CUT_OUT = b"tRNS"
# Headers of the frames that libjpeg mostly meets: height and width follow one byte.
_FRAMES = (0xC0, 0xC1, 0xC2)
# A file with more pixels takes longer to decode than the graph takes.
_MOST_PIXELS = 1 << 22


def _decode_png(content: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_png(tf.strings.join([content, PNG_END]), channels=0)


# The operations, from a file's bytes to uint8 (height, width, 1 or 3).
DECODERS: tuple[Callable[[tf.Tensor], tf.Tensor], ...] = (
    _decode_png,
    tf.io.decode_bmp,
    *(functools.partial(jpeg.decode_at, ratio) for ratio in jpeg.RATIOS),
)
_PNG, _BMP, _JPEG = range(3)


class Common(NamedTuple):
    """How a common file is decoded.

    Attributes:
        decoder: Position of the operation in `DECODERS`.
        height: Of the upright image, in pixels; the operation may divide it.
        width: As `height`.
    """

    decoder: int
    height: int
    width: int


def find_common(content: bytes, *, smallest_side: int | None) -> Common | None:
    """Finds the operation that decodes a file as `images.decode` does; None if there is none.

    Its result has three channels, or one that stands for three.
    """
    for magic, find in _KINDS:
        if content.startswith(magic):
            found = find(content, smallest_side)
            return found if found and 0 < found.height * found.width <= _MOST_PIXELS else None
    return None


def _find_png(content: bytes, _: int | None) -> Common | None:
    has_colors = len(content) > _COLORS and content[_COLORS] in _OPAQUE
    if not has_colors or _CUT_OUT in content or PNG.exif in content:
        return None
    sides = content[_SIDES]
    width, height = (int.from_bytes(side, "big") for side in (sides[:4], sides[4:]))
    return Common(_PNG, height, width)


def _find_bmp(content: bytes, _: int | None) -> Common | None:
    sides = bmp.sides_of_plain(content)
    return Common(_BMP, *sides) if sides else None


def _find_jpeg(content: bytes, smallest_side: int | None) -> Common | None:
    if not content.endswith(JPEG.tail) or JPEG.exif in content:
        return None
    frames = [segment for marker, segment, _ in jpeg.segments(content) if marker in _FRAMES]
    if len(frames) != 1 or jpeg.channels_of(frames[0]) not in jpeg.AS_THEY_ARE:
        return None
    height, width = (int.from_bytes(frames[0][at : at + 2], "big") for at in (1, 3))
    return Common(_JPEG + jpeg.find_ratio(height, width, smallest_side), height, width)


_KINDS = ((PNG.magic, _find_png), (BMP.magic, _find_bmp), (JPEG.magic, _find_jpeg))


def as_three_channels(pixels: np.ndarray) -> np.ndarray:
    """Repeats a single channel, uint8 (height, width, 3)."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
