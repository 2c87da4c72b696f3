"""The first frame of a GIF, without the cost of all others."""

import tensorflow as tf

from kerastl.data.file_formats import MAX_PIXELS, TOO_LARGE

# A GIF's header without its colors, the flag of a table of colors, its blocks, and the most parts
# of one frame that are read, 16 MB as they are usually written, https://www.w3.org/Graphics/GIF/spec-gif89a.txt
_HEADER = 13
_HAS_COLORS = 1 << 7
_EXTENSION, _FRAME = 0x21, 0x2C
_PARTS = 1 << 16


def first_frame(image_bytes: tf.Tensor) -> tf.Tensor:
    """Cuts a GIF after its first frame, as TensorFlow would decode all others too.

    Each frame has its own size, which is checked here.
    """
    data = tf.cast(tf.io.decode_raw(image_bytes, tf.uint8), tf.int32)
    # So that reading past the end gives zeros.
    end = tf.size(data)
    data = tf.concat([data, tf.zeros([_HEADER], tf.int32)], axis=0)

    def walk(
        place: tf.Tensor, within: tf.Tensor, frame: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Passes a block's start, or a part of the block that it is within."""
        value = data[place]
        if_part = tf.where(value > 0, within, tf.where(tf.equal(within, _FRAME), -1, 0))
        is_frame = tf.equal(value, _FRAME)
        start = data[place : place + 10]
        start = tf.pad(start, [[0, 10 - tf.size(start)]])
        # Anything else is the end, or damage that the decoder will find.
        if_block = tf.where(is_frame | tf.equal(value, _EXTENSION), value, -1)
        length = tf.where(is_frame, 11 + _bytes_of_colors(start[9]), 2)
        at_start = tf.equal(within, 0)
        is_first = at_start & is_frame
        return (
            tf.minimum(place + tf.where(at_start, length, 1 + value), end),
            tf.where(at_start, if_block, if_part),
            tf.where(is_first, start[5:9], frame),
        )

    place, _, frame = tf.while_loop(
        lambda place, within, _: (place < end) & (within >= 0),
        walk,
        (tf.minimum(_HEADER + _bytes_of_colors(data[10]), end), 0, tf.zeros([4], tf.int32)),
        maximum_iterations=_PARTS,
    )
    pixels = (frame[0] + 256 * frame[1]) * (frame[2] + 256 * frame[3])
    # 65,535 squared does not fit 32 bits.
    is_allowed = (pixels >= 0) & (pixels <= MAX_PIXELS)
    with tf.control_dependencies([tf.debugging.Assert(is_allowed, [TOO_LARGE])]):
        return tf.strings.join([tf.strings.substr(image_bytes, 0, place), b";"])


def _bytes_of_colors(flags: tf.Tensor) -> tf.Tensor:
    return tf.where(flags >= _HAS_COLORS, 3 * 2 ** (flags % 8 + 1), 0)
