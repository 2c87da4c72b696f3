"""The forms of BMP: palettes, masks and alpha."""

import tensorflow as tf

from kerastl.data.file_formats import UNKNOWN
from kerastl.progress import count_of

# Where a BMP describes its pixels, https://learn.microsoft.com/windows/win32/gdi/bitmap-storage
# and .../wingdi/ns-wingdi-bitmapv4header
_START = 10
_FILE_HEADER = 14
_WIDTH, _HEIGHT = 18, 22
_BITS = 28
_COMPRESSION = 30
_MASKS = 54
_PALETTE = 256 * 4
# The shortest header that TensorFlow reads, plain pixels and those with masks, and the masks of
# blue, green and red in this order, and of alpha behind them.
_HEADER = 40
_PLAIN, _MASKED = 0, 3
_COLOR_BITS = 24
_BGR = b"\0\0\xff\0" + b"\0\xff\0\0" + b"\xff\0\0\0"
_ALPHA = b"\0\0\0\xff"


def decode_bmp(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP, whose pixels of one byte are positions in the palette before them."""
    content = tf.strings.join([image_bytes, "\0" * _PALETTE])
    image = tf.io.decode_bmp(_up_to_last_row(image_bytes, content))

    def from_palette() -> tf.Tensor:
        size = tf.io.decode_raw(tf.strings.substr(content, _FILE_HEADER, 4), tf.int32)[0]
        start = tf.clip_by_value(_FILE_HEADER + size, 0, tf.strings.length(image_bytes))
        palette = tf.io.decode_raw(tf.strings.substr(content, start, _PALETTE), tf.uint8)
        colors = tf.reshape(palette, [-1, 4])[:, 2::-1]  # Blue comes first.
        return tf.gather(colors, tf.cast(image[..., 0], tf.int32))

    header, compression = (
        tf.io.decode_raw(tf.strings.substr(content, place, 4), tf.int32)[0]
        for place in (_FILE_HEADER, _COMPRESSION)
    )
    masks, alpha = (
        tf.strings.substr(content, place, size)
        for place, size in ((_MASKS, len(_BGR)), (_MASKS + len(_BGR), 4))
    )
    is_masked = tf.equal(compression, _MASKED)
    is_plain = tf.equal(compression, _PLAIN) | (is_masked & tf.equal(masks, _BGR))
    # Without its own mask the fourth byte of a pixel is reserved, and mostly 0.
    has_alpha = is_masked & (header > _HEADER) & tf.equal(alpha, _ALPHA)
    has_alpha &= tf.equal(tf.shape(image)[-1], 4)
    with tf.control_dependencies([tf.debugging.Assert(is_plain, [UNKNOWN])]):
        return tf.case(
            [(tf.equal(tf.shape(image)[-1], 1), from_palette), (has_alpha, lambda: image)],
            default=lambda: image[..., :3],
        )


def _up_to_last_row(image_bytes: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """Cuts off what some programs write behind the pixels, and TensorFlow refuses."""
    start, width, height = (
        tf.cast(tf.io.decode_raw(tf.strings.substr(content, place, 4), tf.int32)[0], tf.int64)
        for place in (_START, _WIDTH, _HEIGHT)
    )
    bits = tf.io.decode_raw(tf.strings.substr(content, _BITS, 2), tf.uint16)[0]
    row = (width * tf.cast(bits, tf.int64) + 31) // 32 * 4
    return tf.strings.substr(image_bytes, tf.constant(0, tf.int64), start + row * tf.abs(height))


def unsupported_form(content: bytes) -> str:
    """Names the form of a BMP that TensorFlow does not read; empty for one that it does."""
    header, bits, compression = (
        int.from_bytes(content[place : place + size], "little")
        for place, size in ((_FILE_HEADER, 4), (_BITS, 2), (_COMPRESSION, 4))
    )
    if header < _HEADER:
        return "with an OS/2 header"
    if bits in (1, 4, 16):
        return f"of {count_of(bits, 'bit')} per pixel"
    if compression not in (_PLAIN, _MASKED):
        return "with compression"
    masks = content[_MASKS : _MASKS + len(_BGR)]
    return "with its colors in another order" if compression and masks != _BGR else ""


def sides_of_plain(content: bytes) -> tuple[int, int] | None:
    """Returns height and width of a BMP with three bytes a pixel and nothing else; else None."""
    start, header, width, height, bits, compression = (
        int.from_bytes(content[place : place + size], "little", signed=place == _HEIGHT)
        for place, size in (
            (_START, 4),
            (_FILE_HEADER, 4),
            (_WIDTH, 4),
            (_HEIGHT, 4),
            (_BITS, 2),
            (_COMPRESSION, 4),
        )
    )
    size = start + (width * _COLOR_BITS + 31) // 32 * 4 * abs(height)
    is_plain = (bits, compression) == (_COLOR_BITS, _PLAIN) and header >= _HEADER
    return (abs(height), width) if is_plain and len(content) == size else None
