"""The orientation in a photo's Exif data, and how a photo is turned upright."""

import tensorflow as tf

# Exif's tag of the orientation, and its largest value,
# https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E (4.6.5)
_ORIENTATION_TAG = 0x0112
_LAST_ORIENTATION = 8
# The rows and columns of an image with a larger one change places.
_LAST_UNTURNED = 4
# No Exif data are larger: they fit a segment of a JPEG.
MAX_BYTES = 1 << 16


def around(content: tf.Tensor, marker: bytes) -> list[tf.Tensor]:
    """Splits at the first `marker` into (before, rest); without it, `before` is everything."""
    # The operation behind tf.strings.split, without its ragged tensors: a small image takes less
    # time than the nodes of this graph.
    parts = tf.raw_ops.StringSplitV2(input=tf.reshape(content, [1]), sep=marker, maxsplit=1).values
    both = tf.concat([parts, [b""]], axis=0)
    return [both[0], both[1]]


def behind(content: tf.Tensor, marker: bytes) -> tf.Tensor:
    """Returns the bytes after the first `marker`; empty without it."""
    return around(content, marker)[1]


def orientation(data: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from Exif's data, 1 to 8; 1, upright, if there is none.

    The data are a TIFF header and entries, possibly followed by more: a scalar string.
    """
    is_exif = tf.reduce_any(tf.equal(tf.strings.substr(data, 0, 2), ["II", "MM"]))
    return tf.cond(is_exif, lambda: _orientation_of_exif(data), lambda: 1)


def _orientation_of_exif(data: tf.Tensor) -> tf.Tensor:
    entries, size = 64, 12  # An entry has its tag, type, count and value.
    length = 2 + entries * size
    is_little = tf.equal(tf.strings.substr(data, 0, 1), "I")
    # So that reading past the end gives zeros.
    data = tf.strings.join([tf.strings.substr(data, 0, MAX_BYTES), "\0" * length])

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
    # A few programs write it with four bytes.
    is_long = tf.equal(numbers(rows[:, 2:4]), 4)
    values = tf.where(is_long, numbers(rows[:, 8:12]), numbers(rows[:, 8:10]))
    value = tf.reduce_max(tf.where(is_tag, values, 0))
    return tf.where((value >= 1) & (value <= _LAST_ORIENTATION), value, 1)


def turns(orientation: tf.Tensor) -> tf.Tensor:
    """Whether rows and columns change places to undo an orientation, a scalar bool."""
    return orientation > _LAST_UNTURNED


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes an orientation: rows and columns change places from 5 on, then sides flip."""
    flipped_down, flipped_across = (
        tf.reduce_any(tf.equal(orientation, kinds)) for kinds in ([3, 4, 7, 8], [2, 3, 6, 7])
    )
    image = tf.cond(turns(orientation), lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    image = tf.cond(flipped_down, lambda: tf.reverse(image, [0]), lambda: image)
    return tf.cond(flipped_across, lambda: tf.reverse(image, [1]), lambda: image)
