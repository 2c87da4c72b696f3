"""Bytes of an image file to pixels of the size that the network takes.

This is the only decoder and the only resizer: training, evaluation and the exported graph
all call it, so the served model sees the pixels that the trained one saw.
"""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerastl.data import bmp, exif, file_formats, gif, jpeg, webp
from kerastl.data.file_formats import (
    BMP,
    FORMATS,
    GIF,
    HEAD,
    JPEG,
    MAX_PIXELS,
    PNG,
    TOO_LARGE,
    UNKNOWN,
    WEBP,
    FileFormat,
)
from kerastl.internals import AS_ONE_NODE
from kerastl.settings.images import BILINEAR, KERAS_ANTIALIAS, fit_of, interpolation_of, manner_of

# The decoder's files: a decoded image is identified by their contents.
_MODULES = (bmp, exif, file_formats, gif, jpeg, webp)
SOURCES = tuple(
    pathlib.Path(str(path)) for path in (*(module.__file__ for module in _MODULES), __file__)
)

# What shows through transparent pixels. White is what browsers and printed pages show.
BACKGROUND = 255
# The last chunk of a PNG. It may be missing where all rows are there; a second one changes nothing.
PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"
# With more pixels, transparency is blended row by row, which takes a third of the memory.
_MANY_PIXELS = 1 << 22


def decode(image_bytes: tf.Tensor, *, smallest_side: int | None = None) -> tf.Tensor:
    """Decodes one image file, by its content and not its name.

    Gray becomes three equal channels, 16 bits are scaled to 8, transparency shows
    `BACKGROUND` (black in a GIF), an animation gives its first frame, and a photo is turned
    upright according to its Exif data.

    Args:
        image_bytes: The whole JPEG, PNG, GIF, BMP or WebP file, a scalar string.
        smallest_side: A JPEG may come at a half, a quarter or an eighth of its size as long as
            its shorter side keeps this many pixels. Without it that is done only above
            `jpeg.MAX_JPEG_PIXELS`.

    Returns:
        RGB pixels in 0..255, uint8 (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: If it is not such a file, is damaged, or has more than
            `MAX_PIXELS` and is not a JPEG that can be decoded smaller.
    """
    image, data = tf.cond(
        is_in(JPEG, image_bytes),
        lambda: jpeg.decode_jpeg(image_bytes, smallest_side),
        lambda: _decode_other(image_bytes),
    )
    image = exif.upright(three_channels(image), exif.orientation(data))
    return tf.ensure_shape(image, [None, None, 3])


def resize(images: tf.Tensor, *, image_size: int, rule: str) -> tf.Tensor:
    """Resizes to a square, antialiased where it shrinks.

    Args:
        images: Pixels in 0..255 of any type, (height, width, 3) or a batch of them.
        image_size: Side of the square, in pixels.
        rule: "crop" cuts out the largest centered square first, "pad" adds black at two sides,
            "stretch" changes the proportions; bilinear, or as in "crop:bicubic"; as Keras does
            it, as in "pad:bicubic:keras" and "pad:bicubic:keras_antialias".

    Returns:
        Pixels in 0..255, float32 (image_size, image_size, 3) or a batch of them; as Keras does it,
        also beyond.
    """
    if fit_of(rule) == "crop":
        images = _center_square(images)
    return _resize_whole(images, image_size, rule)


def _resize_whole(images: tf.Tensor, image_size: int, rule: str) -> tf.Tensor:
    if manner_of(rule) and fit_of(rule) == "pad":
        longest = tf.cast(tf.reduce_max(tf.shape(images)[-3:-1]), tf.int64)
        pixels = tf.cond(
            longest**2 <= MAX_PIXELS,
            lambda: _resize_as_keras(_pad_to_square(images), image_size, rule),
            # The square of a long strip would not fit into the memory.
            lambda: _resize_here(images, image_size, rule),
        )
    else:
        way = _resize_as_keras if manner_of(rule) else _resize_here
        pixels = way(images, image_size, rule)
    return tf.ensure_shape(pixels, [*images.shape[:-3], image_size, image_size, 3])


def _resize_as_keras(images: tf.Tensor, image_size: int, rule: str) -> tf.Tensor:
    how, antialias = interpolation_of(rule), manner_of(rule) == KERAS_ANTIALIAS
    return tf.cast(tf.image.resize(images, [image_size] * 2, how, antialias=antialias), tf.float32)


def _pad_to_square(images: tf.Tensor) -> tf.Tensor:
    """Adds black as Keras does: as much at both ends, so that one pixel may be lacking."""
    sides = tf.shape(images)[-3:-1]
    added = (tf.reduce_max(sides) - sides) // 2
    return tf.image.pad_to_bounding_box(images, *tf.unstack(added), *tf.unstack(sides + 2 * added))


def _resize_here(images: tf.Tensor, image_size: int, rule: str) -> tf.Tensor:
    square = tf.constant([image_size, image_size])
    sides = tf.shape(images)[-3:-1]
    inner = square
    if fit_of(rule) == "pad":
        # A thin line stays a line of one pixel.
        share = tf.cast(sides, tf.float32) / tf.cast(tf.reduce_max(sides), tf.float32)
        inner = tf.maximum(1, tf.cast(share * image_size, tf.int32))
    how = interpolation_of(rule)

    def resized(*, antialias: bool) -> tf.Tensor:
        # The cast is for images that have the size already; earlier, it would take four times the
        # memory.
        return tf.cast(tf.image.resize(images, inner, how, antialias=antialias), tf.float32)

    if how == BILINEAR:
        # Enlarging is the same with and without the filter, which takes four times as long.
        pixels = tf.cond(
            tf.reduce_any(sides > inner),
            lambda: resized(antialias=True),
            lambda: resized(antialias=False),
        )
    else:
        # Others go beyond the pixels that they are made of, at edges.
        pixels = tf.clip_by_value(resized(antialias=True), 0.0, 255.0)
    if fit_of(rule) == "pad":
        offset = (square - inner) // 2
        pixels = tf.image.pad_to_bounding_box(pixels, *tf.unstack(offset), image_size, image_size)
    return pixels


def decode_and_resize(image_bytes: tf.Tensor, *, image_size: int, rule: str) -> tf.Tensor:
    """Turns one image file into the network's input: `decode`, then `resize`."""
    return _traced(image_size, rule)(image_bytes)


def decode_for(image_bytes: tf.Tensor, *, image_size: int, rule: str) -> tf.Tensor:
    """Decodes a file as large as `resize` needs it for the network's input."""
    image = _decoder_as_one_node(smallest_side(image_size, rule))(image_bytes)
    return tf.ensure_shape(image, [None, None, 3])


def resize_to_keep(
    image: tf.Tensor, *, image_size: int, rule: str
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Does what `resize` does, and returns what `read_kept` makes the same of again.

    Returns:
        The network's input; the pixels to keep as bytes, uint8 (bytes,); and their height and
        width, int32 (2,). They are float32 where the image shrinks, and else uint8.
    """
    return _traced_to_keep(image_size, rule)(image)


def read_kept(pixels: tf.Tensor, about: tf.Tensor, *, image_size: int, rule: str) -> tf.Tensor:
    """Makes the network's input of what `resize_to_keep` has returned to keep.

    Args:
        pixels: The bytes.
        about: Height, width, and bytes of a value, int32 (3,).
        image_size: As it was.
        rule: As it was.
    """
    shape = tf.concat([about[:2], [3]], axis=0)
    return tf.cond(
        tf.equal(about[2], 1),
        lambda: resize(
            tf.ensure_shape(tf.reshape(pixels, shape), [None, None, 3]),
            image_size=image_size,
            rule=rule,
        ),
        lambda: tf.reshape(
            tf.bitcast(tf.reshape(pixels, [-1, 4]), tf.float32), [image_size, image_size, 3]
        ),
    )


@functools.cache
def _traced_to_keep(image_size: int, rule: str) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    def resize_one(image: tf.Tensor) -> tuple[tf.Tensor, ...]:
        if fit_of(rule) == "crop":
            image = tf.ensure_shape(_center_square(image), [None, None, 3])
        resized = _resize_whole(image, image_size, rule)
        shrinks = tf.reduce_any(tf.shape(image)[:2] > image_size)
        kept, sides = tf.cond(
            shrinks,
            lambda: (tf.reshape(tf.bitcast(resized, tf.uint8), [-1]), tf.shape(resized)[:2]),
            lambda: (tf.reshape(image, [-1]), tf.shape(image)[:2]),
        )
        return resized, kept, sides

    signature = [tf.TensorSpec([None, None, 3], tf.uint8)]
    return tf.function(resize_one, input_signature=signature, autograph=False)  # type: ignore[no-any-return]


@functools.cache
def _traced(image_size: int, rule: str) -> Callable[[tf.Tensor], tf.Tensor]:
    def decode_and_resize_one(image_bytes: tf.Tensor) -> tf.Tensor:
        decoder = _decoder(smallest_side(image_size, rule))
        image = tf.ensure_shape(decoder(image_bytes), [None, None, 3])
        return resize(image, image_size=image_size, rule=rule)

    signature = [tf.TensorSpec([], tf.string)]
    return tf.function(decode_and_resize_one, input_signature=signature, autograph=False)  # type: ignore[no-any-return]


@functools.cache
def _decoder_as_one_node(smallest: int | None) -> Callable[[tf.Tensor], tf.Tensor]:
    # A branch of a graph that is not taken passes over all of its nodes.
    return tf.function(  # type: ignore[no-any-return]
        _decoder(smallest),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
        experimental_attributes=AS_ONE_NODE,
    )


@functools.cache
def _decoder(smallest: int | None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Traces the decoder once for all datasets and exports, as each tracing takes a while."""
    return tf.function(  # type: ignore[no-any-return]
        functools.partial(decode, smallest_side=smallest),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )


def smallest_side(image_size: int, rule: str) -> int | None:
    """Returns the smallest side to which a JPEG may be decoded before it is resized.

    Half as much again leaves the resizing enough to average over: on photographs the pixels
    differ by less than one level of 255 from those of the full size. None for Keras's way, which
    takes that size, and of it only some pixels where it does not antialias.
    """
    return None if manner_of(rule) else image_size + image_size // 2


def _decode_other(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes like `decode_jpeg`, transparency over the background; refuses other formats."""
    # Padded, since files may be shorter.
    head = tf.strings.join([tf.strings.substr(image_bytes, 0, HEAD), "\0" * HEAD])
    is_format = [is_in(decoder.format, head) for decoder in _DECODERS]
    checks = [
        # TensorFlow decodes more, with its own limits.
        tf.debugging.Assert(tf.reduce_any(is_format), [UNKNOWN]),
        tf.debugging.Assert(_count_pixels(head) <= MAX_PIXELS, [TOO_LARGE]),
    ]
    with tf.control_dependencies(checks):
        image_bytes = tf.identity(image_bytes)

    def by_format(functions: Sequence[Callable[[tf.Tensor], tf.Tensor]]) -> tf.Tensor:
        *cases, default = (functools.partial(function, image_bytes) for function in functions)
        return tf.case(list(zip(is_format, cases, strict=False)), default=default)

    image = by_format([decoder.decode for decoder in _DECODERS])
    has_alpha = tf.equal(tf.shape(image)[-1] % 2, 0)
    image = tf.cond(has_alpha, lambda: _over_background(image), lambda: image)
    return image, by_format([decoder.find_exif for decoder in _DECODERS])


def _decode_any(image_bytes: tf.Tensor) -> tf.Tensor:
    # channels=0 keeps the file's own channels: with 3 the alpha would be dropped, and the color
    # that is stored below transparent pixels show.
    return tf.io.decode_image(image_bytes, channels=0, expand_animations=False)


def _no_exif(_: tf.Tensor) -> tf.Tensor:
    return tf.constant(b"")


def _decode_png(image_bytes: tf.Tensor) -> tf.Tensor:
    # A single color may be declared transparent, which TensorFlow honors if alpha is requested.
    image_bytes = tf.strings.join([image_bytes, PNG_END])
    header, _ = exif.around(image_bytes, b"IDAT")
    is_cut_out = tf.strings.length(exif.behind(header, b"tRNS")) > 0
    return tf.cond(
        is_cut_out,
        lambda: tf.io.decode_png(image_bytes, channels=4),
        lambda: tf.io.decode_png(image_bytes, channels=0),
    )


def three_channels(image: tf.Tensor) -> tf.Tensor:
    """Repeats a single channel; returns three as they are."""
    # One channel is repeated; three stay as they are.
    return tf.broadcast_to(image, tf.concat([tf.shape(image)[:2], [3]], axis=0))


def _over_background(image: tf.Tensor) -> tf.Tensor:
    def blend(pixels: tf.Tensor) -> tf.Tensor:
        color = tf.cast(pixels[..., :-1], tf.float32)
        alpha = tf.cast(pixels[..., -1:], tf.float32) / 255.0
        return tf.cast(tf.round(color * alpha + BACKGROUND * (1.0 - alpha)), tf.uint8)

    row = tf.TensorSpec([None, None], tf.uint8)
    return tf.cond(
        tf.size(image) > _MANY_PIXELS,
        lambda: tf.map_fn(blend, image, fn_output_signature=row),
        lambda: blend(image),
    )


def _center_square(images: tf.Tensor) -> tf.Tensor:
    height, width = tf.shape(images)[-3], tf.shape(images)[-2]
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[..., top : top + side, left : left + side, :]


def is_in(file_format: FileFormat, image_bytes: tf.Tensor) -> tf.Tensor:
    """Whether the bytes of a file are of a format, a scalar bool."""
    magic = file_format.magic
    return tf.equal(tf.strings.substr(image_bytes, file_format.at, len(magic)), magic)


def _count_pixels(head: tf.Tensor) -> tf.Tensor:
    """Reads a file's width times height from its first bytes, int64; 0 if unknown."""
    forms = [sizes for one in FORMATS for sizes in one.sizes]
    numbers = [number for sizes in forms for number in (sizes.width, sizes.height)]
    factors = np.zeros((len(numbers), HEAD), np.int64)
    for row, number in zip(factors, numbers, strict=True):
        powers = 256 ** np.arange(abs(number.size))
        stored = powers if number.size > 0 else powers[::-1]
        row[number.first : number.first + abs(number.size)] = stored
    skipped, bits, added = np.array([number[2:] for number in numbers], np.int64).T
    data = tf.io.decode_raw(tf.strings.substr(head, 0, HEAD), tf.uint8, fixed_length=HEAD)
    values = tf.reduce_sum(tf.cast(data, tf.int64) * factors, axis=1)
    values = values // 2**skipped % 2**bits + added
    # A BMP's height is below 0 where its rows go down.
    sides = tf.reshape(tf.minimum(values, 2**32 - values), [len(forms), 2])
    markers = [sizes.marker for sizes in forms]
    places, lengths = [sizes.at for sizes in forms], [len(marker) for marker in markers]
    found = tf.strings.substr(tf.fill([len(forms)], head), places, lengths)
    return tf.reduce_max(tf.where(tf.equal(found, markers), tf.reduce_prod(sides, axis=1), 0))


class _Decoder(NamedTuple):
    """How files of a format other than JPEG become pixels, and where their Exif data are."""

    format: FileFormat
    decode: Callable[[tf.Tensor], tf.Tensor]
    find_exif: Callable[[tf.Tensor], tf.Tensor] = _no_exif


_DECODERS = (
    _Decoder(PNG, _decode_png, lambda content: exif.behind(content, PNG.exif)),
    _Decoder(BMP, bmp.decode_bmp),
    _Decoder(GIF, lambda content: _decode_any(gif.first_frame(content))),
    _Decoder(WEBP, lambda content: _decode_any(webp.with_room_for_alpha(content)), webp.find_exif),
)
