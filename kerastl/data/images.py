"""Bytes of an image file to pixels of the size that the network takes.

This is the only decoder and the only resizer: training, evaluation and the exported graph
all call it, so the served model sees the pixels that the trained one saw.
"""

import functools
import pathlib
from collections.abc import Callable

import tensorflow as tf

from kerastl.data import bmp, exif, gif, kinds
from kerastl.data.bmp import decode_bmp
from kerastl.data.gif import first_frame
from kerastl.data.kinds import HEAD, MAX_PIXELS, TOO_LARGE, UNKNOWN, count_pixels

# What decodes, as files: what was decoded is known by what these hold.
SOURCES = tuple(
    pathlib.Path(path)
    for path in (bmp.__file__, exif.__file__, gif.__file__, kinds.__file__, __file__)
)

# What shows through transparent pixels. White is what browsers and printed pages show.
BACKGROUND = 255

# Where a WebP file's flags stand, and two of them,
# https://developers.google.com/speed/webp/docs/riff_container#extended_file_format
_WEBP_FLAGS = 20
_WEBP_ANIMATION = 0x02
_WEBP_ALPHA = 0x10


# JPEGs of more pixels are decoded at a half, a quarter or an eighth of their size in any case.
MAX_JPEG_PIXELS = 1 << 24
# Headers of the frame of a progressive JPEG, grey and in colours (ITU-T T.81, B.2.2).
_PROGRESSIVE = (b"\xff\xc2\x00\x0b\x08", b"\xff\xc2\x00\x11\x08", b"\xff\xc2\x00\x14\x08")
# Between two JPEGs in one file, the second of which has nothing to say of the first.
_NEXT_JPEG = b"\xff\xd9\xff\xd8\xff"
# Pixels above which transparency is looked through row by row, which takes a third of the memory.
_MANY_PIXELS = 1 << 22
# What libjpeg divides sides by while it decodes, at a fraction of the time and memory.
_JPEG_RATIOS = (1, 2, 4, 8)


def decode(image_bytes: tf.Tensor, *, smallest_side: int | None = None) -> tf.Tensor:
    """Decodes one image file, by its content and not its name.

    Grey becomes three equal channels, 16 bits are scaled to 8, transparency shows
    `BACKGROUND` (black in a GIF), an animation gives its first frame, and a photo is turned
    upright as its Exif data say.

    Args:
        image_bytes: The whole JPEG, PNG, GIF, BMP or WebP file, a scalar string.
        smallest_side: A JPEG may come at a half, a quarter or an eighth of its size as long as
            its shorter side keeps this many pixels. Without it that is done only above
            `MAX_JPEG_PIXELS`.

    Returns:
        RGB pixels in 0..255, uint8 (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: If it is no such file, is damaged, or has more than
            `MAX_PIXELS` and is no JPEG that can be decoded smaller.
    """
    is_jpeg = tf.equal(tf.strings.substr(image_bytes, 0, 3), b"\xff\xd8\xff")
    image, data = tf.cond(
        is_jpeg,
        lambda: _decode_jpeg(image_bytes, smallest_side),
        lambda: _decode_other(image_bytes),
    )
    image = exif.upright(_three_channels(image), exif.orientation(data))
    return tf.ensure_shape(image, [None, None, 3])


def resize(images: tf.Tensor, *, image_size: int, rule: str) -> tf.Tensor:
    """Resizes to a square, bilinear, antialiased where it shrinks.

    Args:
        images: Pixels in 0..255 of any type, (height, width, 3) or a batch of them.
        image_size: Side of the square, in pixels.
        rule: "crop" cuts the largest centred square first, "pad" adds black at two sides,
            "stretch" changes the proportions.

    Returns:
        Pixels in 0..255, float32 (image_size, image_size, 3) or a batch of them.
    """
    if rule == "crop":
        images = _centre_square(images)
    square = tf.constant([image_size, image_size])
    sides = tf.shape(images)[-3:-1]
    inner = square
    if rule == "pad":
        # A thin line stays a line of one pixel.
        share = tf.cast(sides, tf.float32) / tf.cast(tf.reduce_max(sides), tf.float32)
        inner = tf.maximum(1, tf.cast(share * image_size, tf.int32))
    # Enlarging is the same with and without the filter, which takes four times as long. The cast
    # is for images that have the size already; before, it would take four times the memory.
    pixels = tf.cond(
        tf.reduce_any(sides > inner),
        lambda: tf.cast(tf.image.resize(images, inner, antialias=True), tf.float32),
        lambda: tf.cast(tf.image.resize(images, inner), tf.float32),
    )
    if rule == "pad":
        offset = (square - inner) // 2
        pixels = tf.image.pad_to_bounding_box(pixels, *tf.unstack(offset), image_size, image_size)
    return tf.ensure_shape(pixels, [*images.shape[:-3], image_size, image_size, 3])


def decode_and_resize(image_bytes: tf.Tensor, *, image_size: int, rule: str) -> tf.Tensor:
    """Turns one image file into the network's input: `decode`, then `resize`."""
    return _traced(image_size, rule)(image_bytes)


@functools.cache
def _traced(image_size: int, rule: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Traces the decoder once for all datasets and exports, which would take each a while."""

    def decode_and_resize_one(image_bytes: tf.Tensor) -> tf.Tensor:
        image = decode(image_bytes, smallest_side=smallest_side(image_size))
        return resize(image, image_size=image_size, rule=rule)

    signature = [tf.TensorSpec([], tf.string)]
    return tf.function(decode_and_resize_one, input_signature=signature, autograph=False)  # type: ignore[no-any-return]


def smallest_side(image_size: int) -> int:
    """Says how small a JPEG may be decoded that is resized to `image_size`.

    Half as much again leaves the resizing enough to average over: on photographs the pixels
    differ by less than one level of 255 from those of the full size.
    """
    return image_size + image_size // 2


def _decode_jpeg(image_bytes: tf.Tensor, smallest: int | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives pixels of one or three channels, and the Exif data."""

    def at(ratio: int) -> Callable[[], tf.Tensor]:
        # The accurate transform gives what other libraries give, the default does not.
        return lambda: tf.io.decode_jpeg(
            image_bytes, channels=0, ratio=ratio, dct_method="INTEGER_ACCURATE"
        )

    sides = tf.io.extract_jpeg_shape(image_bytes)[:2]
    side, area = tf.reduce_min(sides), tf.reduce_prod(tf.cast(sides, tf.int64))
    shrinks = [area // ratio**2 > MAX_JPEG_PIXELS for ratio in _JPEG_RATIOS[:-1]]
    if smallest is not None:
        enough = [side // ratio >= smallest for ratio in _JPEG_RATIOS[1:]]
        shrinks = [a | b for a, b in zip(shrinks, enough, strict=True)]
    which = tf.reduce_sum(tf.cast(tf.stack(shrinks), tf.int32))
    is_allowed = tf.cond(area > MAX_PIXELS, lambda: ~_is_progressive(image_bytes), lambda: True)
    with tf.control_dependencies([tf.debugging.Assert(is_allowed, [TOO_LARGE])]):
        image_bytes = tf.identity(image_bytes)
    image = tf.switch_case(which, [at(ratio) for ratio in _JPEG_RATIOS])
    head, _ = exif.around(tf.strings.substr(image_bytes, 0, exif.SEARCHED), _NEXT_JPEG)
    return image, exif.behind(head, exif.IN_JPEG)


def _is_progressive(image_bytes: tf.Tensor) -> tf.Tensor:
    found = [tf.strings.length(exif.behind(image_bytes, header)) > 0 for header in _PROGRESSIVE]
    return tf.reduce_any(tf.stack(found))


def _decode_other(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives what `_decode_jpeg` does, transparency over the background; refuses other kinds."""
    # Other files may be shorter.
    head = tf.strings.join([tf.strings.substr(image_bytes, 0, HEAD), "\0" * HEAD])
    is_png = tf.equal(tf.strings.substr(head, 1, 3), "PNG")
    is_gif = tf.equal(tf.strings.substr(head, 0, 4), "GIF8")
    is_bmp = tf.equal(tf.strings.substr(head, 0, 2), "BM")
    is_webp = tf.equal(tf.strings.substr(head, 8, 4), "WEBP")
    checks = [
        # TensorFlow decodes more, with limits of its own.
        tf.debugging.Assert(is_png | is_gif | is_bmp | is_webp, [UNKNOWN]),
        tf.debugging.Assert(count_pixels(head) <= MAX_PIXELS, [TOO_LARGE]),
    ]
    with tf.control_dependencies(checks):
        image_bytes = tf.identity(image_bytes)

    def decode_any(content: tf.Tensor) -> tf.Tensor:
        # channels=0 keeps the file's own channels: with 3 the alpha would be dropped, and the
        # colour that is stored below transparent pixels show.
        return tf.io.decode_image(content, channels=0, expand_animations=False)

    image = tf.case(
        [
            (is_png, lambda: _decode_png(image_bytes)),
            (is_bmp, lambda: decode_bmp(image_bytes)),
            (is_gif, lambda: decode_any(first_frame(image_bytes))),
        ],
        default=lambda: decode_any(_with_room_for_alpha(image_bytes)),
    )
    has_alpha = tf.equal(tf.shape(image)[-1] % 2, 0)
    image = tf.cond(has_alpha, lambda: _over_background(image), lambda: image)
    data = tf.case(
        [
            (is_png, lambda: exif.behind(image_bytes, exif.IN_PNG)),
            (is_webp, lambda: exif.of_webp(image_bytes)),
        ],
        default=lambda: tf.constant(b""),
    )
    return image, data


def _decode_png(image_bytes: tf.Tensor) -> tf.Tensor:
    # A single colour may be named as transparent, which TensorFlow heeds if asked for alpha.
    header, _ = exif.around(image_bytes, b"IDAT")
    is_cut_out = tf.strings.length(exif.behind(header, b"tRNS")) > 0
    return tf.cond(
        is_cut_out,
        lambda: tf.io.decode_png(image_bytes, channels=4),
        lambda: tf.io.decode_png(image_bytes, channels=0),
    )


def _three_channels(image: tf.Tensor) -> tf.Tensor:
    # One channel is repeated; three stay as they are.
    return tf.broadcast_to(image, tf.concat([tf.shape(image)[:2], [3]], axis=0))


def _with_room_for_alpha(image_bytes: tf.Tensor) -> tf.Tensor:
    """Says in the header of an animated WebP file that it has alpha.

    TensorFlow 2.21 writes four channels of an animation whatever the header says, and without
    that flag into room for three, which ends the process or worse.
    """
    size = _WEBP_FLAGS + 1
    # Other files may be shorter.
    header = tf.strings.join([tf.strings.substr(image_bytes, 0, size), "\0" * size])
    flags = tf.io.decode_raw(tf.strings.substr(header, _WEBP_FLAGS, 1), tf.uint8)[0]
    is_extended = tf.equal(tf.strings.substr(header, 8, 8), "WEBPVP8X")
    is_animated = is_extended & tf.not_equal(flags & _WEBP_ANIMATION, 0)
    with_alpha = tf.constant(bytes([_WEBP_ANIMATION | _WEBP_ALPHA]))
    return tf.cond(
        is_animated,
        lambda: tf.strings.join(
            [
                tf.strings.substr(image_bytes, 0, _WEBP_FLAGS),
                with_alpha,
                tf.strings.substr(image_bytes, size, tf.strings.length(image_bytes)),
            ]
        ),
        lambda: image_bytes,
    )


def _over_background(image: tf.Tensor) -> tf.Tensor:
    def blend(pixels: tf.Tensor) -> tf.Tensor:
        colour = tf.cast(pixels[..., :-1], tf.float32)
        alpha = tf.cast(pixels[..., -1:], tf.float32) / 255.0
        return tf.cast(tf.round(colour * alpha + BACKGROUND * (1.0 - alpha)), tf.uint8)

    row = tf.TensorSpec([None, None], tf.uint8)
    return tf.cond(
        tf.size(image) > _MANY_PIXELS,
        lambda: tf.map_fn(blend, image, fn_output_signature=row),
        lambda: blend(image),
    )


def _centre_square(images: tf.Tensor) -> tf.Tensor:
    height, width = tf.shape(images)[-3], tf.shape(images)[-2]
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[..., top : top + side, left : left + side, :]
