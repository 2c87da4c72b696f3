"""Bytes of an image file to pixels of the size that the network takes.

This is the only decoder and the only resizer: training, evaluation and the exported graph
all call it, so the served model sees the pixels that the trained one saw.
"""

import tensorflow as tf

# What shows through transparent pixels. White is what browsers and printed pages show.
BACKGROUND = 255

# Where a WebP file's flags stand, and two of them,
# https://developers.google.com/speed/webp/docs/riff_container#extended_file_format
_WEBP_FLAGS = 20
_WEBP_ANIMATION = 0x02
_WEBP_ALPHA = 0x10


def decode(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decodes one image file, by its content and not its name.

    Grey becomes three equal channels, 16 bits are scaled to 8, transparency shows
    `BACKGROUND`, and an animation gives its first frame.

    Args:
        image_bytes: The whole JPEG, PNG, GIF, BMP or WebP file, a scalar string.

    Returns:
        RGB pixels in 0..255, uint8 (height, width, 3).
    """
    # channels=0 keeps the file's own channels, since channels=3 would drop the alpha of a
    # PNG and show the colour that is stored below transparent pixels.
    image = tf.io.decode_image(
        _with_room_for_alpha(image_bytes), channels=0, expand_animations=False
    )
    # The fourth byte of a BMP's pixel is no alpha but reserved, and mostly 0.
    is_bmp = tf.equal(tf.strings.substr(image_bytes, 0, 2), "BM")
    image = tf.cond(is_bmp, lambda: image[..., :3], lambda: image)
    has_alpha = tf.equal(tf.shape(image)[-1] % 2, 0)
    # One channel is repeated; three stay as they are.
    image = tf.cond(has_alpha, lambda: _over_background(image), lambda: image)
    image = tf.broadcast_to(image, tf.concat([tf.shape(image)[:2], [3]], axis=0))
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
    # The cast comes first: an image that has the size already is returned as it is.
    images = tf.cast(images, tf.float32)
    size = [image_size, image_size]
    if rule == "pad":
        resized = tf.image.resize_with_pad(images, *size, antialias=True)
    elif rule == "crop":
        resized = tf.image.resize(_centre_square(images), size, antialias=True)
    else:
        resized = tf.image.resize(images, size, antialias=True)
    return tf.ensure_shape(resized, [*images.shape[:-3], *size, 3])


def decode_and_resize(image_bytes: tf.Tensor, *, image_size: int, rule: str) -> tf.Tensor:
    """Turns one image file into the network's input: `decode`, then `resize`."""
    return resize(decode(image_bytes), image_size=image_size, rule=rule)


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
