"""Random changes of training images, by Keras's own layers."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

# Function from an image, its version and its digest to the changed image.
Augmenter = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

# Pixels go from 0 to 255 everywhere.
_RANGE = {"value_range": (0, 255)}


def build_augmenter(
    augmentations: Sequence[tuple[str, float | None]], *, seed: int
) -> Augmenter | None:
    """Builds the function that changes an image; None where nothing is to be changed.

    What it does to an image depends on the seed, the version and the image alone, not on the
    batch or the order in which images come.

    Args:
        augmentations: Names and strengths from `Config.augmentations`.
        seed: Seed of the run.

    Returns:
        Function from pixels in 0..255, float32 (size, size, 3), the number of the version, an
        int64 scalar, and a number that tells the image's content, likewise. Version 0 is the
        image as it is.
    """
    policy = keras.config.dtype_policy()
    # Pixels come in 32 bits, whatever the network computes in.
    keras.config.set_dtype_policy("float32")
    layers = [layer for name, strength in augmentations for layer in _layers(name, strength)]
    keras.config.set_dtype_policy(policy)
    if not layers:
        return None

    def augment(image: tf.Tensor, version: tf.Tensor, digest: tf.Tensor) -> tf.Tensor:
        start = tf.random.experimental.stateless_fold_in([seed, version], digest)

        def change() -> tf.Tensor:
            changed = image
            for number, layer in enumerate(layers):
                _draw_from(layer, tf.random.experimental.stateless_fold_in(start, number))
                changed = layer(changed, training=True)
            return tf.ensure_shape(changed, image.shape)

        return tf.cond(version > 0, change, lambda: image)

    return augment


class _Seeds(keras.random.SeedGenerator):
    """Gives one seed after another, all of which follow from the first alone."""

    def begin(self, start: tf.Tensor) -> None:
        self._start = start
        self._count = 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        self._count += 1
        folded = tf.random.experimental.stateless_fold_in(self._start, self._count)
        return tf.cast(folded, "int32")


def _draw_from(layer: Any, start: tf.Tensor) -> None:
    """Makes a layer and those in it draw their random numbers from a seed."""
    if not isinstance(getattr(layer, "generator", None), _Seeds):
        layer.generator = _Seeds(seed=0)
    layer.generator.begin(start)
    inner = [value for value in vars(layer).values() if isinstance(value, keras.layers.Layer)]
    for number, value in enumerate(inner):
        if hasattr(value, "generator"):
            _draw_from(value, tf.random.experimental.stateless_fold_in(start, -1 - number))


def _layers(name: str, strength: float | None) -> list[Any]:
    layers = keras.layers
    if name == "flip":
        return [layers.RandomFlip("horizontal")]
    if strength is None:
        raise AssertionError(f"{name} has no strength")
    if name == "crop":
        # Up to `strength` of the side is cut off, anywhere.
        return [
            layers.RandomTranslation(strength / 2, strength / 2),
            layers.RandomZoom((-strength, 0.0)),
        ]
    if name == "color":
        # Keras's factors differ: of contrast a single number only raises it, and of saturation
        # 0.5 changes nothing, 0 is grey, and its range is that of the saturation itself.
        return [
            layers.RandomBrightness(strength, **_RANGE),
            layers.RandomContrast((strength, strength), **_RANGE),
            layers.RandomSaturation(
                (0.5 - strength / 4, 0.5 + strength / 4), value_range=(0.0, 1.0)
            ),
        ]
    if name == "randaugment":
        return [layers.RandAugment(factor=strength, **_RANGE)]
    raise AssertionError(f"no layers for {name}")
