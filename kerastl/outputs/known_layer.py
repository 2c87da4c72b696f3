"""Which images are known, as a layer: part of the network in formats that are one graph."""

import keras
import tensorflow as tf

from kerastl.training.known_images import KnownImages


class KnownLayer(keras.layers.Layer):
    """Describes images by their features, as `KnownImages.describe` does."""

    def __init__(self, known: KnownImages) -> None:
        super().__init__(dtype="float32")
        self._known = known

    def call(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `distance`, float32 (images,), and `is_known`, bool (images,)."""
        return self._known.describe(features)

    def compute_output_spec(self, features: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Returns what comes out, without computing it."""
        shape = features.shape[:1]
        return {
            "distance": keras.KerasTensor(shape, "float32"),
            "is_known": keras.KerasTensor(shape, "bool"),
        }
