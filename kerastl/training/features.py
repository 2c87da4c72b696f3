"""Stored features in place of images."""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf

from kerastl.data.store import FeatureStore

# Features of a run that are kept in memory, where an epoch takes no call to the system for each
# image: a head's, of up to 25,000 images with 1,280 channels.
MAX_BYTES_IN_MEMORY = 128_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class StoredFeatures:
    """A boundary's tensor for the images of a source, read from the store.

    Attributes:
        seconds_per_image: Time to decode an image and compute its features, as measured when
            the combination was created; 0 if there were too few images to measure it.
        store: The store.
        rows: Row of each image and view of the source, -1 if it is not stored.
    """

    seconds_per_image: float
    store: FeatureStore
    rows: np.ndarray

    def has(self, indices: np.ndarray) -> bool:
        """Whether all of some images are stored, by indices as `read` takes them."""
        return bool((self.rows[indices] >= 0).all())

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads a batch by indices, views included, float32 (batch, *shape).

        Indices below 0 count from the end.
        """
        indices %= len(self.rows)
        if self._in_memory is not None:
            places, values = self._in_memory
            return tf.gather(values, tf.gather(places, indices))
        features = tf.numpy_function(
            lambda batch: self.store.read(self.rows[batch]), [indices], tf.float32, stateful=False
        )
        return tf.ensure_shape(features, [None, *self.store.shape])

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Does what `read` does, outside of a pipeline."""
        features: np.ndarray = self.read(tf.constant(indices)).numpy()
        return features

    @functools.cached_property
    def _in_memory(self) -> tuple[tf.Tensor, tf.Tensor] | None:
        """Position of each image, and the features; None if they would take too much memory."""
        known = np.unique(self.rows[self.rows >= 0])
        if 4 * len(known) * math.prod(self.store.shape) > MAX_BYTES_IN_MEMORY:
            return None
        # Not in the graph of the pipeline that happens to be first, and where pipelines run.
        with tf.init_scope(), tf.device("CPU"):
            return (
                tf.constant(np.searchsorted(known, self.rows)),
                tf.constant(self.store.read(known)),
            )
