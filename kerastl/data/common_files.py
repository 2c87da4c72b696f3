"""The common kinds of image files, which need none of the decoder's exceptions.

Most of the decoder's graph checks for what few files have: transparency, an orientation, a missing
end. For a small file that takes several times as long as to decode it. Here bytes show that a file
has nothing of it, and one operation of the graph gives the same pixels.
"""

from collections.abc import Callable

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


def decoder_of(content: bytes) -> Callable[[bytes], tf.Tensor] | None:
    """Returns the operation that decodes a common file as `images.decode` does; None for others.

    The result has three channels, or one that stands for three.
    """
    if content.startswith(PNG.magic):
        return _decode_png if _is_common_png(content) else None
    return _decode_jpeg if _is_common_jpeg(content) else None


def _is_common_png(content: bytes) -> bool:
    sides = content[_SIDES]
    pixels = int.from_bytes(sides[:4], "big") * int.from_bytes(sides[4:], "big")
    has_colors = len(content) > _COLORS and content[_COLORS] in _OPAQUE
    is_plain = _CUT_OUT not in content and PNG.exif not in content
    return has_colors and is_plain and pixels <= _MOST_PIXELS


def _is_common_jpeg(content: bytes) -> bool:
    is_whole = content.startswith(JPEG.magic) and content.endswith(JPEG.tail)
    if not is_whole or JPEG.exif in content:
        return False
    frames = [segment for marker, segment, _ in jpeg.segments(content) if marker in _FRAMES]
    if len(frames) != 1:
        return False
    height, width = (int.from_bytes(frames[0][at : at + 2], "big") for at in (1, 3))
    return 0 < height * width <= _MOST_PIXELS


def _decode_png(content: bytes) -> tf.Tensor:
    return tf.io.decode_png(content + PNG_END, channels=0)


def _decode_jpeg(content: bytes) -> tf.Tensor:
    return jpeg.decode_at(1, tf.constant(content))
