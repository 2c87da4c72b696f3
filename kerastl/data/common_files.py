"""The common kinds of image files, which need none of the decoder's exceptions.

Most of the decoder's graph checks for what few files have: transparency, an orientation, a missing
end. For a small file that takes several times as long as to decode it. Here bytes show that a file
has nothing of it, and one operation of the graph gives the same pixels.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerastl.data import jpeg
from kerastl.data.file_formats import JPEG, PNG
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


class Decoded(NamedTuple):
    """A decoded file.

    Attributes:
        pixels: Upright RGB, uint8 (height, width, 3); of a JPEG perhaps at a share of its size.
        height: In pixels, as the file has it.
        width: In pixels, as the file has it.
    """

    pixels: np.ndarray
    height: int
    width: int


def decode_common(content: bytes, *, smallest_side: int) -> Decoded | None:
    """Decodes a common file as `images.decode` does; None for others.

    Raises:
        tf.errors.OpError: If it is damaged.
    """
    if content.startswith(PNG.magic):
        return _decode_png(content) if _is_common_png(content) else None
    sides = _sides_of_common_jpeg(content)
    if sides is None:
        return None
    ratio = jpeg.find_ratio(*sides, smallest_side)
    return Decoded(_three_channels(jpeg.decode_at(ratio, tf.constant(content))), *sides)


def _is_common_png(content: bytes) -> bool:
    sides = content[_SIDES]
    pixels = int.from_bytes(sides[:4], "big") * int.from_bytes(sides[4:], "big")
    has_colors = len(content) > _COLORS and content[_COLORS] in _OPAQUE
    is_plain = _CUT_OUT not in content and PNG.exif not in content
    return has_colors and is_plain and pixels <= _MOST_PIXELS


def _sides_of_common_jpeg(content: bytes) -> tuple[int, int] | None:
    is_whole = content.startswith(JPEG.magic) and content.endswith(JPEG.tail)
    if not is_whole or JPEG.exif in content:
        return None
    frames = [segment for marker, segment, _ in jpeg.segments(content) if marker in _FRAMES]
    if len(frames) != 1:
        return None
    height, width = (int.from_bytes(frames[0][at : at + 2], "big") for at in (1, 3))
    return (height, width) if 0 < height * width <= _MOST_PIXELS else None


def _decode_png(content: bytes) -> Decoded:
    pixels = _three_channels(tf.io.decode_png(content + PNG_END, channels=0))
    return Decoded(pixels, *pixels.shape[:2])


def _three_channels(image: tf.Tensor) -> np.ndarray:
    pixels = image.numpy()
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
