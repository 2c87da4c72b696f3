"""JPEGs, decoded no larger than they are needed."""

from collections.abc import Callable

import tensorflow as tf

from kerastl.data import exif
from kerastl.data.file_formats import JPEG, MAX_PIXELS, TOO_LARGE

# JPEGs with more pixels are decoded at a half, a quarter or an eighth of their size in any case.
MAX_JPEG_PIXELS = 1 << 24
# Frame headers of a progressive JPEG, gray and in colors (ITU-T T.81, B.2.2).
_PROGRESSIVE = (b"\xff\xc2\x00\x0b\x08", b"\xff\xc2\x00\x11\x08", b"\xff\xc2\x00\x14\x08")
# Separates two JPEGs in one file; the second is ignored.
_NEXT_JPEG = JPEG.tail + JPEG.magic
# The Exif data begin within this many bytes; the segments of a color profile may precede them.
_SEARCHED = 1 << 20
# libjpeg can divide the sides by these while it decodes, at a fraction of the time and memory.
_RATIOS = (1, 2, 4, 8)


def decode_jpeg(image_bytes: tf.Tensor, smallest: int | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a JPEG: pixels of one or three channels, and the Exif data."""

    def at(ratio: int) -> Callable[[], tf.Tensor]:
        # The accurate transform gives the same as other libraries, the default does not.
        return lambda: tf.io.decode_jpeg(
            image_bytes, channels=0, ratio=ratio, dct_method="INTEGER_ACCURATE"
        )

    sides = tf.io.extract_jpeg_shape(image_bytes)[:2]
    side, area = tf.reduce_min(sides), tf.reduce_prod(tf.cast(sides, tf.int64))
    shrinks = [area // ratio**2 > MAX_JPEG_PIXELS for ratio in _RATIOS[:-1]]
    if smallest is not None:
        enough = [side // ratio >= smallest for ratio in _RATIOS[1:]]
        shrinks = [a | b for a, b in zip(shrinks, enough, strict=True)]
    which = tf.reduce_sum(tf.cast(tf.stack(shrinks), tf.int32))
    is_allowed = tf.cond(area > MAX_PIXELS, lambda: ~_is_progressive(image_bytes), lambda: True)
    with tf.control_dependencies([tf.debugging.Assert(is_allowed, [TOO_LARGE])]):
        image_bytes = tf.identity(image_bytes)
    image = tf.switch_case(which, [at(ratio) for ratio in _RATIOS])
    head, _ = exif.around(tf.strings.substr(image_bytes, 0, _SEARCHED), _NEXT_JPEG)
    return image, exif.behind(head, JPEG.exif)


def _is_progressive(image_bytes: tf.Tensor) -> tf.Tensor:
    found = [tf.strings.length(exif.behind(image_bytes, header)) > 0 for header in _PROGRESSIVE]
    return tf.reduce_any(tf.stack(found))
