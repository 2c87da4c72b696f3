"""Bytes of an image file to pixels of the size that the network takes.

This is the only decoder and the only resizer: training, evaluation and the exported graph
all call it, so the served model sees the pixels that the trained one saw.
"""

import functools
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

# What shows through transparent pixels. White is what browsers and printed pages show.
BACKGROUND = 255

# Where a WebP file's flags stand, and two of them,
# https://developers.google.com/speed/webp/docs/riff_container#extended_file_format
_WEBP_FLAGS = 20
_WEBP_ANIMATION = 0x02
_WEBP_ALPHA = 0x10


# A file's first bytes and what it is then.
_KINDS = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG", "PNG"),
    (rb"GIF8", "GIF"),
    (rb"BM", "BMP"),
    (rb"RIFF....WEBP", "WebP"),
)
# What TensorFlow cannot decode in a graph. Files of a general brand go by the brands that follow.
_OTHER_KINDS = (
    (rb"....ftyp(avif|avis|(mif1|msf1|miaf).{0,40}avi[fs])", "AVIF"),
    (rb"....ftyp(hei[cfxms]|hev[cxms]|mif1|msf1)", "HEIC"),
    (rb"....ftypcrx ", "a camera's RAW"),
    (rb"(II\*\x00|MM\x00\*).{4}CR", "a camera's RAW"),
    (rb"(FUJIFILMCCD-RAW|IIU\x00|IIR[OS]|MMO[RS]|FOVb)", "a camera's RAW"),
    (rb"(II[*+]\x00|MM\x00[*+])", "TIFF or a camera's RAW"),
    (rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg", "SVG"),
)
# What stands before Exif's data in a file of each kind: in JPEG
# https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E (4.5.4), in PNG
# https://www.w3.org/TR/png-3/#eXIf, and in WebP (four bytes of length follow)
# https://developers.google.com/speed/webp/docs/riff_container#metadata
_EXIF_IN_JPEG = b"Exif\0\0"
_EXIF_IN_PNG = b"eXIf"
_EXIF_IN_WEBP = b"EXIF"
# Exif's tag of the orientation (4.6.5 of the first).
_ORIENTATION_TAG = 0x0112
# No segment of a JPEG is larger; those of a colour profile may stand before Exif's.
_EXIF_BYTES = 1 << 16
_EXIF_SEARCHED = 1 << 20
# JPEGs of more pixels are decoded at a half, a quarter or an eighth of their size in any case,
# others are refused before that: so many take 200 MB, and 800 MB more while they are resized.
MAX_JPEG_PIXELS = 1 << 24
MAX_PIXELS = 1 << 26
_TOO_LARGE = "has too many pixels"
# The bytes in which every kind says its width and height.
_HEAD = 32
# For each kind: what is written where, then of its width and its height the first byte, how many
# (below 0 where the highest comes first), bits to pass over, bits to take, and what to add.
_SIZES = (
    (b"PNG", 1, (16, -4, 0, 32, 0), (20, -4, 0, 32, 0)),
    (b"GIF8", 0, (6, 2, 0, 16, 0), (8, 2, 0, 16, 0)),
    (b"BM", 0, (18, 4, 0, 32, 0), (22, 4, 0, 32, 0)),
    (b"VP8X", 12, (24, 3, 0, 24, 1), (27, 3, 0, 24, 1)),
    (b"VP8L", 12, (21, 4, 0, 14, 1), (21, 4, 14, 14, 1)),
    (b"VP8 ", 12, (26, 2, 0, 14, 0), (28, 2, 0, 14, 0)),
)
# Where a BMP says how many bits a pixel has, https://learn.microsoft.com/windows/win32/gdi/bitmap-storage
_BMP_FILE_HEADER = 14
_BMP_BITS = 28
_BMP_PALETTE = 256 * 4
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
        tf.errors.InvalidArgumentError: If it is no such file, is damaged, or is no JPEG and
            has more than `MAX_PIXELS`.
    """
    is_jpeg = tf.equal(tf.strings.substr(image_bytes, 0, 3), b"\xff\xd8\xff")
    image = tf.cond(
        is_jpeg,
        lambda: _decode_jpeg(image_bytes, smallest_side),
        lambda: _decode_other(image_bytes),
    )
    return tf.ensure_shape(image, [None, None, 3])


def kind_of(content: bytes) -> str:
    """Tells what a file is by its first bytes, as in "JPEG"; empty for no image known."""
    for pattern, kind in _KINDS + _OTHER_KINDS:
        if re.match(pattern, content[:64], re.DOTALL):
            return kind
    return ""


def explain(content: bytes, error: str) -> str:
    """Says why `decode` refuses a file, as in "is HEIC (unsupported)".

    Args:
        content: The whole file.
        error: What `decode` said.
    """
    kind = kind_of(content)
    if kind in [other for _, other in _OTHER_KINDS]:
        return f"is {kind} (unsupported)"
    if _TOO_LARGE in error or "size too large" in error:
        return f"is a {kind} of more than {MAX_PIXELS // 10**6} million pixels"
    if kind == "BMP" and content[_BMP_BITS : _BMP_BITS + 1] in (b"\1", b"\4", b"\x10"):
        return f"is BMP of {content[_BMP_BITS]} bits a pixel (unsupported)"
    if kind:
        return f"is a damaged or truncated {kind}"
    is_page = re.match(rb"\s*<(!doctype|html|\?xml)", content[:256], re.IGNORECASE)
    return "is no image but a web page" if is_page else "is no image"


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
    # The cast comes first: an image that has the size already is returned as it is.
    images = tf.cast(images, tf.float32)
    if rule == "crop":
        images = _centre_square(images)
    square = tf.constant([image_size, image_size])
    sides = tf.shape(images)[-3:-1]
    inner = square
    if rule == "pad":
        # A thin line stays a line of one pixel.
        share = tf.cast(sides, tf.float32) / tf.cast(tf.reduce_max(sides), tf.float32)
        inner = tf.maximum(1, tf.cast(share * image_size, tf.int32))
    # Enlarging is the same with and without the filter, which takes four times as long.
    pixels = tf.cond(
        tf.reduce_any(sides > inner),
        lambda: tf.image.resize(images, inner, antialias=True),
        lambda: tf.image.resize(images, inner),
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


def _decode_jpeg(image_bytes: tf.Tensor, smallest: int | None) -> tf.Tensor:
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
    image = tf.switch_case(which, [at(ratio) for ratio in _JPEG_RATIOS])
    data = _behind(tf.strings.substr(image_bytes, 0, _EXIF_SEARCHED), _EXIF_IN_JPEG)
    return _upright(_three_channels(image), _orientation(data))


def _decode_other(image_bytes: tf.Tensor) -> tf.Tensor:
    # Other files may be shorter.
    head = tf.strings.join([tf.strings.substr(image_bytes, 0, _HEAD), "\0" * _HEAD])
    is_allowed = _count_pixels(head) <= MAX_PIXELS
    with tf.control_dependencies([tf.debugging.Assert(is_allowed, [_TOO_LARGE])]):
        image_bytes = tf.identity(image_bytes)
    is_png = tf.equal(tf.strings.substr(head, 1, 3), "PNG")
    is_bmp = tf.equal(tf.strings.substr(head, 0, 2), "BM")
    is_webp = tf.equal(tf.strings.substr(head, 8, 4), "WEBP")
    image = tf.case(
        [(is_png, lambda: _decode_png(image_bytes)), (is_bmp, lambda: _decode_bmp(image_bytes))],
        # channels=0 keeps the file's own channels: with 3 the alpha would be dropped, and the
        # colour that is stored below transparent pixels show.
        default=lambda: tf.io.decode_image(
            _with_room_for_alpha(image_bytes), channels=0, expand_animations=False
        ),
    )
    has_alpha = tf.equal(tf.shape(image)[-1] % 2, 0)
    image = tf.cond(has_alpha, lambda: _over_background(image), lambda: image)
    data = tf.case(
        [
            (is_png, lambda: _behind(image_bytes, _EXIF_IN_PNG)),
            (is_webp, lambda: _exif_of_webp(image_bytes)),
        ],
        default=lambda: tf.constant(b""),
    )
    return _upright(_three_channels(image), _orientation(data))


def _count_pixels(head: tf.Tensor) -> tf.Tensor:
    """Reads a file's width times height from its first bytes, int64; 0 for no kind known here."""
    names, places, *sides = zip(*_SIZES, strict=True)
    fields = [field for pair in zip(*sides, strict=True) for field in pair]
    factors = np.zeros((len(fields), _HEAD), np.int64)
    for row, (first, size, *_) in zip(factors, fields, strict=True):
        powers = 256 ** np.arange(abs(size))
        row[first : first + abs(size)] = powers if size > 0 else powers[::-1]
    skipped, bits, added = (
        np.array(part, np.int64) for part in list(zip(*fields, strict=True))[2:]
    )
    data = tf.io.decode_raw(tf.strings.substr(head, 0, _HEAD), tf.uint8, fixed_length=_HEAD)
    numbers = tf.reduce_sum(tf.cast(data, tf.int64) * factors, axis=1)
    numbers = numbers // 2**skipped % 2**bits + added
    # A BMP's height is below 0 where its rows go down.
    numbers = tf.reshape(tf.minimum(numbers, 2**32 - numbers), [len(_SIZES), 2])
    found = tf.strings.substr(tf.fill([len(names)], head), places, [len(name) for name in names])
    return tf.reduce_max(tf.where(tf.equal(found, names), tf.reduce_prod(numbers, axis=1), 0))


def _decode_png(image_bytes: tf.Tensor) -> tf.Tensor:
    # A single colour may be named as transparent, which TensorFlow heeds if asked for alpha.
    header, _ = _around(image_bytes, b"IDAT")
    is_cut_out = tf.strings.length(_behind(header, b"tRNS")) > 0
    return tf.cond(
        is_cut_out,
        lambda: tf.io.decode_png(image_bytes, channels=4),
        lambda: tf.io.decode_png(image_bytes, channels=0),
    )


def _decode_bmp(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP, whose pixels of one byte are places in the palette before them."""
    image = tf.io.decode_bmp(image_bytes)
    content = tf.strings.join([image_bytes, "\0" * _BMP_PALETTE])

    def from_palette() -> tf.Tensor:
        size = tf.io.decode_raw(tf.strings.substr(content, _BMP_FILE_HEADER, 4), tf.int32)[0]
        start = tf.clip_by_value(_BMP_FILE_HEADER + size, 0, tf.strings.length(image_bytes))
        palette = tf.io.decode_raw(tf.strings.substr(content, start, _BMP_PALETTE), tf.uint8)
        colours = tf.reshape(palette, [-1, 4])[:, 2::-1]  # Blue comes first.
        return tf.gather(colours, tf.cast(image[..., 0], tf.int32))

    # The fourth byte of a pixel is no alpha but reserved, and mostly 0.
    return tf.cond(tf.equal(tf.shape(image)[-1], 1), from_palette, lambda: image[..., :3])


def _three_channels(image: tf.Tensor) -> tf.Tensor:
    # One channel is repeated; three stay as they are.
    return tf.broadcast_to(image, tf.concat([tf.shape(image)[:2], [3]], axis=0))


def _behind(content: tf.Tensor, marker: bytes) -> tf.Tensor:
    """Gives the bytes behind the first `marker`, nothing where there is none."""
    return _around(content, marker)[1]


def _around(content: tf.Tensor, marker: bytes) -> list[tf.Tensor]:
    """Gives the bytes before the first `marker`, all where there is none, and those behind it."""
    parts = tf.strings.split(tf.reshape(content, [1]), sep=marker, maxsplit=1)
    return tf.unstack(parts.to_tensor(b"", shape=[1, 2])[0])  # type: ignore[no-any-return]


def _exif_of_webp(image_bytes: tf.Tensor) -> tf.Tensor:
    # The length of the chunk comes first; some programs put JPEG's marker in too.
    chunk = tf.strings.join([_behind(image_bytes, _EXIF_IN_WEBP), "\0" * 16])
    data = tf.strings.substr(chunk, 4, _EXIF_BYTES)
    size = len(_EXIF_IN_JPEG)
    is_marked = tf.equal(tf.strings.substr(data, 0, size), _EXIF_IN_JPEG)
    return tf.strings.substr(data, tf.where(is_marked, size, 0), _EXIF_BYTES)


def _orientation(data: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from Exif's data, 1 to 8; 1, upright, where there is none.

    The data are a TIFF header and entries, maybe with more behind them: a scalar string.
    """
    is_exif = tf.reduce_any(tf.equal(tf.strings.substr(data, 0, 2), ["II", "MM"]))
    return tf.cond(is_exif, lambda: _orientation_of_exif(data), lambda: 1)


def _orientation_of_exif(data: tf.Tensor) -> tf.Tensor:
    entries, size = 64, 12  # An entry has its tag, type, count and value.
    length = 2 + entries * size
    is_little = tf.equal(tf.strings.substr(data, 0, 1), "I")
    # So that looking behind the end finds zeros.
    data = tf.strings.join([tf.strings.substr(data, 0, _EXIF_BYTES), "\0" * length])

    def bytes_at(place: tf.Tensor, count: int) -> tf.Tensor:
        part = tf.strings.substr(data, place, count)
        return tf.cast(tf.io.decode_raw(part, tf.uint8, fixed_length=count), tf.int32)

    def numbers(values: tf.Tensor) -> tf.Tensor:
        values = tf.cond(is_little, lambda: tf.reverse(values, [-1]), lambda: values)
        powers = [256**power for power in range(values.shape[-1])][::-1]
        return tf.reduce_sum(values * tf.constant(powers), axis=-1)

    first = numbers(bytes_at(tf.constant(4), 4))
    directory = bytes_at(tf.clip_by_value(first, 0, tf.strings.length(data) - length), length)
    rows = tf.reshape(directory[2:], [entries, size])
    is_tag = tf.equal(numbers(rows[:, :2]), _ORIENTATION_TAG)
    is_tag &= tf.range(entries) < numbers(directory[:2])
    value = tf.reduce_max(tf.where(is_tag, numbers(rows[:, 8:10]), 0))
    return tf.where((value >= 1) & (value <= 8), value, 1)  # noqa: PLR2004


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes an orientation: rows and columns change places from 5 on, then sides flip."""
    turned, flipped_down, flipped_across = (
        tf.reduce_any(tf.equal(orientation, kinds))
        for kinds in ([5, 6, 7, 8], [3, 4, 7, 8], [2, 3, 6, 7])
    )
    image = tf.cond(turned, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    image = tf.cond(flipped_down, lambda: tf.reverse(image, [0]), lambda: image)
    return tf.cond(flipped_across, lambda: tf.reverse(image, [1]), lambda: image)


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
    colour = tf.cast(image[..., :-1], tf.float32)
    alpha = tf.cast(image[..., -1:], tf.float32) / 255.0
    return tf.cast(tf.round(colour * alpha + BACKGROUND * (1.0 - alpha)), tf.uint8)


def _centre_square(images: tf.Tensor) -> tf.Tensor:
    height, width = tf.shape(images)[-3], tf.shape(images)[-2]
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[..., top : top + side, left : left + side, :]
