"""WebP files: animations, and where their Exif data are."""

import tensorflow as tf

from kerastl.data import exif
from kerastl.data.file_formats import JPEG, WEBP

# Position of a WebP file's flags, and two of them,
# https://developers.google.com/speed/webp/docs/riff_container#extended_file_format
_FLAGS = 20
_ANIMATION = 0x02
_ALPHA = 0x10


def with_room_for_alpha(image_bytes: tf.Tensor) -> tf.Tensor:
    """Declares alpha in the header of an animated WebP file.

    Otherwise TensorFlow 2.21 writes four channels into a buffer for three and may crash.
    """
    size = _FLAGS + 1
    # Other files may be shorter.
    header = tf.strings.join([tf.strings.substr(image_bytes, 0, size), "\0" * size])
    flags = tf.io.decode_raw(tf.strings.substr(header, _FLAGS, 1), tf.uint8)[0]
    is_extended = tf.equal(tf.strings.substr(header, 8, 8), "WEBPVP8X")
    is_animated = is_extended & tf.not_equal(flags & _ANIMATION, 0)
    with_alpha = tf.constant(bytes([_ANIMATION | _ALPHA]))
    return tf.cond(
        is_animated,
        lambda: tf.strings.join(
            [
                tf.strings.substr(image_bytes, 0, _FLAGS),
                with_alpha,
                tf.strings.substr(image_bytes, size, tf.strings.length(image_bytes)),
            ]
        ),
        lambda: image_bytes,
    )


def find_exif(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns a WebP file's Exif data, and what follows them; nothing if it has none."""
    # The length of the chunk comes first; some programs put JPEG's marker in too.
    chunk = tf.strings.join([exif.behind(image_bytes, WEBP.exif), "\0" * 16])
    data = tf.strings.substr(chunk, 4, exif.MAX_BYTES)
    size = len(JPEG.exif)
    is_marked = tf.equal(tf.strings.substr(data, 0, size), JPEG.exif)
    return tf.strings.substr(data, tf.where(is_marked, size, 0), exif.MAX_BYTES)
