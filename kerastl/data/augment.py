"""Random changes of training images, decided by the seed, the view and the image alone."""

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

# Function from an image, its view and its hash to the changed image.
Augmenter = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
# Function from an image and a seed, int32 (2,), to the changed image.
Change = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_WHITE = 255.0
# Operations that RandAugment applies to an image, https://arxiv.org/abs/1909.13719
_NUM_OPERATIONS = 2


def build_augmenter(
    augmentations: Sequence[tuple[str, float | None]], *, seed: int
) -> Augmenter | None:
    """Builds the function that changes an image; None if nothing is to be changed.

    The change depends on the seed, the view and the image alone, not on the batch or the order
    in which images come.

    Args:
        augmentations: Names and strengths from `ImageSettings.augmentations`.
        seed: Seed of the run.

    Returns:
        Function from pixels in 0..255, float32 (size, size, 3), the number of the view, an int64
        scalar, and a number for the image's content, int64 too. View 0 is the image itself.
    """
    changes = [_build_change(name, strength) for name, strength in augmentations]
    if not changes:
        return None

    def augment(image: tf.Tensor, view: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
        start = tf.random.experimental.stateless_fold_in([seed, view], content)

        def change() -> tf.Tensor:
            changed = image
            for number, one in enumerate(changes):
                changed = one(changed, tf.random.experimental.stateless_fold_in(start, number))
            return tf.ensure_shape(changed, image.shape)

        return tf.cond(view > 0, change, lambda: image)

    return augment


def _build_change(name: str, strength: float | None) -> Change:
    if name == "flip":
        flip: Change = tf.image.stateless_random_flip_left_right
        return flip
    if strength is None:
        raise AssertionError(f"{name} has no strength")
    build = {"crop": _crop, "color": _color, "randaugment": _rand_augment}[name]
    return build(strength)


def _draw(seed: tf.Tensor, count: int, low: float, high: float) -> list[tf.Tensor]:
    values = tf.random.stateless_uniform([count], seed, low, high)
    return tf.unstack(values)  # type: ignore[no-any-return]


def _crop(strength: float) -> Change:
    """Shifts by up to half the strength of the side, then enlarges by up to the strength."""

    def change(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        x, y, smaller = _draw(seed, 3, -1.0, 1.0)
        share = 1 - strength * (smaller + 1) / 2
        return warp(image, [[share, 0], [0, share]], [x * strength / 2, y * strength / 2])

    return change


def _color(strength: float) -> Change:
    """Changes brightness, contrast and saturation, up as far as down."""

    def change(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        brighter, contrast, saturation = _draw(seed, 3, -strength, strength)
        image = brighten(image, brighter)
        image = change_contrast(image, 1 + contrast)
        return tf.image.adjust_saturation(image, (2 + saturation) / (2 - saturation))

    return change


def _rand_augment(strength: float) -> Change:
    """Applies operations at random, with the ranges of `keras.layers.RandAugment`."""
    bits = max(1, int(8 * strength))

    def change(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        first, second, turn = _draw(seed, 3, 0.0, 1.0)
        a, b = first * strength, second * strength
        kept = 1 + tf.cast(first * (bits - 1), tf.int32)
        side = 2 * tf.round(turn) - 1
        operations = (
            lambda: shear(image, side * a, side * b),
            lambda: warp(image, [[1, 0], [0, 1]], [-a, -b]),
            lambda: rotate(image, a),
            lambda: brighten(image, a),
            lambda: fade(image, a),
            lambda: change_contrast(image, 1 + a),
            lambda: sharpen(image, a),
            lambda: posterize(image, kept),
            lambda: solarize(image, a, b),
            lambda: stretch_contrast(image),
            lambda: equalize(image),
        )
        which = tf.random.stateless_uniform(
            [], tf.random.experimental.stateless_fold_in(seed, 0), 0, len(operations), tf.int32
        )
        return tf.switch_case(which, operations)

    def change_repeatedly(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        for number in range(1, 1 + _NUM_OPERATIONS):
            image = change(image, tf.random.experimental.stateless_fold_in(seed, number))
        return image

    return change_repeatedly


def warp(
    image: tf.Tensor, matrix: Sequence[Sequence[object]], shift: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Takes each pixel from elsewhere, bilinear; the image is mirrored at its sides.

    Args:
        image: Pixels (height, width, 3).
        matrix: From the position of a pixel, (x, y) from the center, to where it is taken from.
        shift: Added to that, in shares of the width and the height.
    """
    size = tf.cast(tf.shape(image)[1::-1], tf.float32)
    middle = (size - 1) / 2
    rows = tf.stack([tf.stack([tf.cast(one, tf.float32) for one in row]) for row in matrix])
    start = middle - tf.linalg.matvec(rows, middle) + tf.stack(list(shift)) * size
    transform = tf.concat([rows[0], start[:1], rows[1], start[1:], [0.0, 0.0]], axis=0)
    return keras.ops.image.affine_transform(image, transform, fill_mode="reflect")


def shear(image: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Shears an image around its center."""
    return warp(image, [[1, x], [y, 1]], [0.0, 0.0])


def rotate(image: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Rotates an image by a share of a whole turn."""
    cos, sin = tf.cos(2 * math.pi * turns), tf.sin(2 * math.pi * turns)
    return warp(image, [[cos, -sin], [sin, cos]], [0.0, 0.0])


def brighten(image: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Adds a share of white."""
    return tf.clip_by_value(image + share * _WHITE, 0, _WHITE)


def fade(image: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Mixes in a share of gray."""
    return image + share * (tf.image.rgb_to_grayscale(image) - image)


def change_contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies the differences from the mean color."""
    return tf.clip_by_value(tf.image.adjust_contrast(image, factor), 0, _WHITE)


def sharpen(image: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Smooths an image below a share of a half, and sharpens it above."""
    kernel = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32) / 13
    kernel = tf.tile(kernel[:, :, tf.newaxis, tf.newaxis], [1, 1, 3, 1])
    smooth = tf.nn.depthwise_conv2d(image[tf.newaxis], kernel, [1, 1, 1, 1], "SAME")[0]
    return tf.clip_by_value(image + (1 - 2 * share) * (smooth - image), 0, _WHITE)


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keeps the highest bits of each value."""
    step = tf.cast(2 ** (8 - bits), tf.float32)
    return tf.floor(image / step) * step


def solarize(image: tf.Tensor, added: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Adds a share of white, then inverts values from a share of white on."""
    image = brighten(image, added)
    return tf.where(image < threshold * _WHITE, image, _WHITE - image)


def stretch_contrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to the whole range."""
    low, high = (reduce(image, axis=[0, 1]) for reduce in (tf.reduce_min, tf.reduce_max))
    stretched = (image - low) * tf.math.divide_no_nan(_WHITE, high - low)
    return tf.where(high > low, stretched, image)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Flattens the histogram of each channel."""

    def of_channel(values: tf.Tensor) -> tf.Tensor:
        levels = tf.cast(values, tf.int32)
        counts = tf.cumsum(tf.math.bincount(tf.reshape(levels, [-1]), minlength=256, maxlength=256))
        above = tf.cast(counts - counts[tf.reduce_min(levels)], tf.float32)
        table = tf.maximum(0.0, tf.round(above * tf.math.divide_no_nan(_WHITE, above[-1])))
        return tf.where(above[-1] > 0, tf.gather(table, levels), values)

    return tf.stack([of_channel(values) for values in tf.unstack(image, axis=-1)], axis=-1)
