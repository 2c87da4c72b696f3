"""JPEGs, decoded no larger than they are needed."""

import functools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import tensorflow as tf

from kerastl.data import exif, file_formats
from kerastl.data.file_formats import JPEG, MAX_PIXELS, TOO_LARGE
from kerastl.progress import count_of

# JPEGs with more pixels are decoded at a half, a quarter or an eighth of their size in any case.
MAX_JPEG_PIXELS = 1 << 24
# Frame headers of a progressive JPEG, gray and in colors (ITU-T T.81, B.2.2).
_PROGRESSIVE = (b"\xff\xc2\x00\x0b\x08", b"\xff\xc2\x00\x11\x08", b"\xff\xc2\x00\x14\x08")
# Separates two JPEGs in one file; the second is ignored.
_NEXT_JPEG = JPEG.tail + JPEG.magic
# The Exif data begin within this many bytes; the segments of a color profile may precede them.
_SEARCHED = 1 << 20
# libjpeg can divide the sides by these while it decodes, at a fraction of the time and memory.
RATIOS = (1, 2, 4, 8)
# Begins the coded pixels, and takes the place of missing ones: its first bit is not that which
# libjpeg goes on with.
_SCAN = b"\xff\xda"
_OTHER_PIXELS = b"\xaa" * 64
# In an error.
TRUNCATED = "ends before its last row"
# Bytes behind FF that begin a frame, and what TensorFlow does not decode of them (ITU-T T.81,
# B.1.1.3, and T.87 for the last); progressive ones, and all others below 0xD0, it does.
_FORMS = {
    **dict.fromkeys((0xC3, 0xCB), "with lossless coding"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, 0xDE), "in hierarchical form"),
    **dict.fromkeys((0xC0, 0xC1, 0xC2, 0xC9, 0xCA), ""),
    0xF7: "with JPEG-LS coding",
}
# A marker, before which there may be any number of FF, and the length of what follows.
_SEGMENT = re.compile(rb"\xff+([\xc0-\xfe])(..)", re.DOTALL)
# Marker of tables of codes, of which those of details begin with at least this byte, then 16
# counts (ITU-T T.81, B.2.4.2); and the frames in which they are the only code.
_TABLES, _DETAILS, _COUNTS = 0xC4, 0x10, 16
_SEQUENTIAL = {0xC0, 0xC1}
# Place of the number of channels in a frame's header, and what is decoded.
_FRAME = 5
_BITS = 8
AS_THEY_ARE, _OF_INK = (1, 3), 4
_CHANNELS = (*AS_THEY_ARE, _OF_INK)
# Adobe's marker, by which libjpeg knows that a JPEG of four channels has their complement. So have
# files that lost it: Pillow and browsers show them so. One that follows counts in its place.
_ADOBE = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"


def decode_jpeg(image_bytes: tf.Tensor, smallest: int | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a JPEG: pixels of one or three channels, and the Exif data."""
    sides, channels = tf.split(tf.io.extract_jpeg_shape(image_bytes), [2, 1])
    side, area = tf.reduce_min(sides), tf.reduce_prod(tf.cast(sides, tf.int64))
    shrinks = [area // ratio**2 > MAX_JPEG_PIXELS for ratio in RATIOS[:-1]]
    largest = tf.reduce_sum(tf.cast(tf.stack(shrinks), tf.int32))
    if smallest is not None:
        enough = [side // ratio >= smallest for ratio in RATIOS[1:]]
        shrinks = [a | b for a, b in zip(shrinks, enough, strict=True)]
    which = tf.reduce_sum(tf.cast(tf.stack(shrinks), tf.int32))
    is_allowed = tf.cond(area > MAX_PIXELS, lambda: ~_is_progressive(image_bytes), lambda: True)
    with tf.control_dependencies([tf.debugging.Assert(is_allowed, [TOO_LARGE])]):
        image_bytes = _as_adobe_writes(image_bytes, channels[0])

    def decode(content: tf.Tensor, size: tf.Tensor = which) -> tf.Tensor:
        return tf.switch_case(
            size, [functools.partial(decode_at, ratio, content) for ratio in RATIOS]
        )

    def put_end_on() -> tf.Tensor:
        # At the size that the audit sees: a smaller image shows less of what is missing.
        with tf.control_dependencies([_check_rows(image_bytes, lambda one: decode(one, largest))]):
            return decode(tf.strings.join([image_bytes, JPEG.tail]))

    image = tf.cond(_lacks_end(image_bytes), put_end_on, lambda: decode(image_bytes))
    return image, _find_exif(image_bytes)


def _as_adobe_writes(image_bytes: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
    """Puts Adobe's marker into a JPEG of four channels."""

    def mark() -> tf.Tensor:
        # The first two bytes begin the file.
        rest = tf.strings.substr(image_bytes, 2, tf.strings.length(image_bytes))
        return tf.strings.join([JPEG.magic[:2], _ADOBE, rest])

    return tf.cond(tf.equal(channels, _OF_INK), mark, lambda: image_bytes)


def _find_exif(image_bytes: tf.Tensor) -> tf.Tensor:
    head, _ = exif.around(tf.strings.substr(image_bytes, 0, _SEARCHED), _NEXT_JPEG)
    return exif.behind(head, JPEG.exif)


def upright_sides(image_bytes: tf.Tensor) -> tf.Tensor:
    """Reads the height and width of a JPEG's upright image, undivided, int32 (2,)."""
    sides = tf.io.extract_jpeg_shape(image_bytes)[:2]
    turned = exif.turns(exif.orientation(_find_exif(image_bytes)))
    return tf.cond(turned, lambda: tf.reverse(sides, [0]), lambda: sides)


def find_ratio(height: int, width: int, smallest: int | None) -> int:
    """Finds the position in `RATIOS` of what `decode_jpeg` takes below `MAX_JPEG_PIXELS`."""
    if smallest is None:
        return 0
    return sum(min(height, width) // ratio >= smallest for ratio in RATIOS[1:])


def _is_progressive(image_bytes: tf.Tensor) -> tf.Tensor:
    found = [tf.strings.length(exif.behind(image_bytes, header)) > 0 for header in _PROGRESSIVE]
    return tf.reduce_any(tf.stack(found))


def decode_at(ratio: int, content: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG at a share of its size, uint8 (height, width, channels)."""
    # The accurate transform gives the same as other libraries, the default does not.
    return tf.io.decode_jpeg(content, channels=0, ratio=ratio, dct_method="INTEGER_ACCURATE")


def _lacks_end(image_bytes: tf.Tensor) -> tf.Tensor:
    """Does in a graph what `lacks_end` does."""

    def has_open_scan() -> tf.Tensor:
        parts = tf.raw_ops.StringSplitV2(input=tf.reshape(image_bytes, [1]), sep=JPEG.tail).values
        return tf.strings.length(exif.behind(parts[-1], _SCAN)) > 0

    has_end = tf.equal(tf.strings.substr(image_bytes, -len(JPEG.tail), len(JPEG.tail)), JPEG.tail)
    is_padded = tf.equal(tf.strings.substr(image_bytes, -1, 1), b"\0")
    return tf.cond(has_end | is_padded, lambda: False, has_open_scan)


def _check_rows(
    image_bytes: tf.Tensor, decode: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Operation | None:
    """Refuses a JPEG without an end marker where more than the marker is missing.

    libjpeg makes gray of what is missing. So two decodings with different bytes behind the last
    are the same only if nothing is.
    """
    image = decode(tf.strings.join([image_bytes, JPEG.tail]))
    # Behind a last byte of FF, a zero makes it a part of the pixels.
    is_marker = tf.equal(tf.strings.substr(image_bytes, -1, 1), b"\xff")
    zero = tf.where(is_marker, b"\0", b"")
    other = decode(tf.strings.join([image_bytes, zero, _OTHER_PIXELS, JPEG.tail]))
    return tf.debugging.Assert(tf.reduce_all(tf.equal(image, other)), [TRUNCATED])


def lacks_end(content: bytes) -> bool:
    """Whether a JPEG ends within its pixels, and not in zeros: the end marker is missing."""
    return _SCAN in content.rpartition(JPEG.tail)[2] and not content.endswith(b"\0")


class Parts(NamedTuple):
    """A JPEG, divided where its pixels begin; where its segments end, if one is damaged.

    Attributes:
        segments: The marker and the content of each segment.
        before: The bytes of all of these, with Exif data and profiles.
        pixels: The bytes of the pixels, up to the end marker.
    """

    segments: list[tuple[int, bytes]]
    before: bytes
    pixels: bytes


def divide(content: bytes) -> Parts:
    """Divides a JPEG into its parts."""
    found = list(segments(content))
    place = found[-1][-1] if found else 0
    parts = [(marker, segment) for marker, segment, _ in found]
    return Parts(parts, content[:place], content[place:].partition(JPEG.tail)[0])


def has_hole(content: bytes) -> bool:
    """Whether a JPEG that is decoded has pixels of zeros alone, that no program would write.

    Zeros can be flat areas where every shortest code, which has zero bits, ends a block. Where
    one stands for a change of color, areas would not be flat.
    """
    found, _, pixels = divide(content)
    if not file_formats.has_hole(pixels):
        return False
    channels = {segment[_FRAME : _FRAME + 1] for marker, segment in found if marker in _SEQUENTIAL}
    in_first_scan = {segment[:1] for marker, segment in found if marker == _SCAN[1]}
    # Else there are more scans, each with tables of its own.
    is_alone = bool(channels) and channels == in_first_scan
    tables = [table for marker, one in found if marker == _TABLES for table in _tables(one)]
    first_symbols = [symbols[0] for is_detail, symbols in tables if is_detail and symbols]
    return is_alone and any(first & 0x0F for first in first_symbols)


def _tables(segment: bytes) -> Iterator[tuple[bool, bytes]]:
    """Yields the tables of codes in a segment: whether it is of details, and what they stand for.

    The shortest codes come first.
    """
    while len(segment) > _COUNTS:
        size = sum(segment[1 : 1 + _COUNTS])
        yield segment[0] >= _DETAILS, segment[1 + _COUNTS : 1 + _COUNTS + size]
        segment = segment[1 + _COUNTS + size :]


def channels_of(frame: bytes) -> int:
    """Reads the number of channels from the header of a frame, 0 if that ends before it."""
    return int.from_bytes(frame[_FRAME : _FRAME + 1])


def unsupported_form(content: bytes) -> str:
    """Names the form of a JPEG that TensorFlow does not read; empty for one that it does."""
    for marker, segment, _ in segments(content):
        if marker in _FORMS and len(segment) > _FRAME:
            bits, channels = segment[0], segment[_FRAME]
            if _FORMS[marker]:
                return _FORMS[marker]
            if bits != _BITS:
                return f"of {count_of(bits, 'bit')} per sample"
            return "" if channels in _CHANNELS else f"of {count_of(channels, 'channel')}"
    return ""


def segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yields the marker, the content and the end of each segment before the first pixels."""
    place = 2
    while match := _SEGMENT.match(content, place):
        marker, size = match[1][0], int.from_bytes(match[2], "big")
        place = match.end() + max(0, size - 2)
        yield marker, content[match.end() : place], place
        if marker == _SCAN[1]:
            return
