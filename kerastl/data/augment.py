"""Changes of training images, decided only by the seed, the view and the image."""

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from kerastl.settings.images import MIRROR

# Function from an image, its view and its hash to the changed image.
Augmenter = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
# Function from an image, a seed, int32 (2,), and the view's number to the changed image.
Change = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

# The view that is the mirror image, whatever the changes of the others are.
MIRRORED = -1
_WHITE = 255.0
# Operations that RandAugment applies to an image, https://arxiv.org/abs/1909.13719
_NUM_OPERATIONS = 2
# Those of them that are not random; the others keep random states of their own in Keras.
_STRETCH_CONTRAST = keras.layers.AutoContrast((0, 255), dtype="float32")
_EQUALIZE = keras.layers.Equalization((0, 255), dtype="float32")


def build_augmenter(augmentations: Sequence[tuple[str, float | None]], *, seed: int) -> Augmenter:
    """Builds the function that changes an image.

    The change depends only on the seed, the view and the image, not on the batch or the order
    in which images come.

    Args:
        augmentations: Names and strengths from `ImageSettings.augmentations`.
        seed: Seed of the run.

    Returns:
        Function from pixels in 0..255, float32 (size, size, 3), the number of the view, an int64
        scalar, and a number for the image's content, int64 too. View 0 is the image itself,
        and `MIRRORED` its mirror image.
    """
    changes = [_build_change(name, strength) for name, strength in augmentations]

    def augment(image: tf.Tensor, view: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
        def change() -> tf.Tensor:
            start = tf.random.experimental.stateless_fold_in([seed, view], content)
            changed = image
            for number, one in enumerate(changes):
                own_seed = tf.random.experimental.stateless_fold_in(start, number)
                changed = one(changed, own_seed, view)
            return tf.ensure_shape(changed, image.shape)

        def keep() -> tf.Tensor:
            return tf.cond(view == MIRRORED, lambda: mirror(image), lambda: image)

        return tf.cond(view > 0, change, keep)

    return augment


def _build_change(name: str, strength: float | None) -> Change:
    if name == MIRROR:
        return lambda image, _, view: tf.cond(
            is_mirrored(view), lambda: mirror(image), lambda: image
        )
    if strength is None:
        return lambda image, seed, _: tf.image.stateless_random_flip_left_right(image, seed)
    change = {"crop": _crop, "color": _color, "randaugment": _rand_augment}[name]
    return lambda image, seed, _: change(image, seed, strength=strength)


def is_mirrored(view: int | tf.Tensor) -> bool | tf.Tensor:
    """Decides whether `mirror` changes a view: every second one from 2 on."""
    return view % 2 == 0


def mirror(image: tf.Tensor) -> tf.Tensor:
    """Exchanges left and right of (height, width, 3)."""
    return tf.reverse(image, axis=[1])


def _draw(seed: tf.Tensor, count: int, low: float, high: float) -> list[tf.Tensor]:
    values = tf.random.stateless_uniform([count], seed, low, high)
    return tf.unstack(values)  # type: ignore[no-any-return]


def _crop(image: tf.Tensor, seed: tf.Tensor, *, strength: float) -> tf.Tensor:
    """Shifts by up to half the strength of the side, then enlarges by up to the strength."""
    x, y, smaller = _draw(seed, 3, -1.0, 1.0)
    share = 1 - strength * (smaller + 1) / 2
    return warp(image, [[share, 0], [0, share]], [x * strength / 2, y * strength / 2])


def _color(image: tf.Tensor, seed: tf.Tensor, *, strength: float) -> tf.Tensor:
    """Changes brightness, contrast and saturation, up as far as down."""
    brighter, contrast, saturation = _draw(seed, 3, -strength, strength)
    image = change_contrast(brighten(image, brighter), 1 + contrast)
    return tf.image.adjust_saturation(image, (2 + saturation) / (2 - saturation))


def _rand_augment(image: tf.Tensor, seed: tf.Tensor, *, strength: float) -> tf.Tensor:
    """Applies operations at random, with the ranges of `keras.layers.RandAugment`."""
    for number in range(1, 1 + _NUM_OPERATIONS):
        own_seed = tf.random.experimental.stateless_fold_in(seed, number)
        image = _apply_one(image, own_seed, strength)
    return image


def _apply_one(image: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    first, second, turn = _draw(seed, 3, 0.0, 1.0)
    a, b = first * strength, second * strength
    bits = 1 + tf.cast(first * (max(1, int(8 * strength)) - 1), tf.int32)
    side = 2 * tf.round(turn) - 1
    operations = (
        lambda: warp(image, [[1, side * a], [side * b, 1]]),
        lambda: warp(image, [[1, 0], [0, 1]], [-a, -b]),
        lambda: rotate(image, a),
        lambda: brighten(image, a),
        lambda: fade(image, a),
        lambda: change_contrast(image, 1 + a),
        lambda: sharpen(image, a),
        lambda: posterize(image, bits),
        lambda: solarize(image, a, b),
        lambda: _STRETCH_CONTRAST(image[tf.newaxis])[0],
        lambda: _EQUALIZE(image),
    )
    which_seed = tf.random.experimental.stateless_fold_in(seed, 0)
    which = tf.random.stateless_uniform([], which_seed, 0, len(operations), tf.int32)
    return tf.switch_case(which, operations)


def warp(
    image: tf.Tensor, matrix: Sequence[Sequence[object]], shift: Sequence[object] = (0.0, 0.0)
) -> tf.Tensor:
    """Warps an image: samples each output pixel bilinearly at `matrix @ (x, y) + shift`.

    Edges are mirrored.

    Args:
        image: Pixels (height, width, 3).
        matrix: Applied to the position (x, y) of an output pixel, measured from the center.
        shift: Added to that, in shares of the width and the height.
    """
    size = tf.cast(tf.shape(image)[1::-1], tf.float32)
    middle = (size - 1) / 2
    rows = tf.stack([tf.stack([tf.cast(one, tf.float32) for one in row]) for row in matrix])
    start = middle - tf.linalg.matvec(rows, middle) + tf.stack(list(shift)) * size
    transform = tf.concat([rows[0], start[:1], rows[1], start[1:], [0.0, 0.0]], axis=0)
    return keras.ops.image.affine_transform(image, transform, fill_mode="reflect")


def rotate(image: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Rotates an image by a share of a whole turn."""
    cos, sin = tf.cos(2 * math.pi * turns), tf.sin(2 * math.pi * turns)
    return warp(image, [[cos, -sin], [sin, cos]])


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
