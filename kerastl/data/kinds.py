"""What a file is by its first bytes, how large it says to be, and why it is refused."""

import re

import numpy as np
import tensorflow as tf

# Other files than JPEGs of more pixels are refused by their header: so many take 200 MB, and twice
# that while they are turned or cut. Of progressive JPEGs libjpeg holds the whole, too.
MAX_PIXELS = 1 << 26
# What the graph says where it refuses.
TOO_LARGE = "has too many pixels"
UNKNOWN = "is of no kind that is decoded"
# A file's first bytes and what it is then.
_KINDS = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG", "PNG"),
    (rb"GIF8", "GIF"),
    (rb"BM", "BMP"),
    (rb"RIFF....WEBP", "WebP"),
)
# What TensorFlow cannot decode in a graph. Files of a general brand go by the brands that follow.
OTHER_KINDS = (
    (rb"....ftyp(avif|avis|(mif1|msf1|miaf).{0,40}avi[fs])", "AVIF"),
    (rb"....ftyp(hei[cfxms]|hev[cxms]|mif1|msf1)", "HEIC"),
    (rb"....ftypcrx ", "a camera's RAW"),
    (rb"(II\*\x00|MM\x00\*).{4}CR", "a camera's RAW"),
    (rb"(FUJIFILMCCD-RAW|IIU\x00|IIR[OS]|MMO[RS]|FOVb)", "a camera's RAW"),
    (rb"(II[*+]\x00|MM\x00[*+])", "TIFF or a camera's RAW"),
    (rb"(\xff\x0a|\x00\x00\x00\x0cJXL )", "JPEG XL"),
    (rb"(\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  )", "JPEG 2000"),
    (rb"8BPS", "a Photoshop file"),
    (rb"\x00\x00\x01\x00", "an icon"),
    (rb"P[1-6]\s", "PNM"),
    (rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg", "SVG"),
)
# The bytes in which every kind says its width and height.
HEAD = 32
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


def kind_of(content: bytes) -> str:
    """Tells what a file is by its first bytes, as in "JPEG"; empty for no image known."""
    for pattern, kind in _KINDS + OTHER_KINDS:
        if re.match(pattern, content[:64], re.DOTALL):
            return kind
    return ""


def count_pixels(head: tf.Tensor) -> tf.Tensor:
    """Reads a file's width times height from its first bytes, int64; 0 for no kind known here."""
    names, places, *sides = zip(*_SIZES, strict=True)
    fields = [field for pair in zip(*sides, strict=True) for field in pair]
    factors = np.zeros((len(fields), HEAD), np.int64)
    for row, (first, size, *_) in zip(factors, fields, strict=True):
        powers = 256 ** np.arange(abs(size))
        row[first : first + abs(size)] = powers if size > 0 else powers[::-1]
    skipped, bits, added = (
        np.array(part, np.int64) for part in list(zip(*fields, strict=True))[2:]
    )
    data = tf.io.decode_raw(tf.strings.substr(head, 0, HEAD), tf.uint8, fixed_length=HEAD)
    numbers = tf.reduce_sum(tf.cast(data, tf.int64) * factors, axis=1)
    numbers = numbers // 2**skipped % 2**bits + added
    # A BMP's height is below 0 where its rows go down.
    numbers = tf.reshape(tf.minimum(numbers, 2**32 - numbers), [len(_SIZES), 2])
    found = tf.strings.substr(tf.fill([len(names)], head), places, [len(name) for name in names])
    return tf.reduce_max(tf.where(tf.equal(found, names), tf.reduce_prod(numbers, axis=1), 0))
