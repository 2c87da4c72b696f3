"""Which images are known: those whose features are near those of the training images."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from kerastl.writing import replacing

# Added to a length before it divides: features of zeros stay zeros.
_LEAST = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class KnownImages:
    """What decides whether an image is known: the distance of its features from the classes.

    Features are the inputs of the head, divided by their length. The distance is that of
    Mahalanobis from the nearest class, with one covariance for all classes:
    https://arxiv.org/abs/1807.03888, section 2, on normalized features as in
    https://arxiv.org/abs/2505.18032.

    Attributes:
        coverage: Share of images that are known, if they are like the validation images.
        max_distance: Of an image that is known.
        num_images: Validation images that decided it.
        mean: Of the normalized features of training images, float32 (channels,).
        whitening: From features without the mean to directions of variance 1, float32 (channels,
            directions).
        centers: Mean of each class in those directions, float32 (classes, directions).
    """

    coverage: float
    max_distance: float
    num_images: int
    mean: Any
    whitening: Any
    centers: Any

    @property
    def numbers(self) -> dict[str, Any]:
        """The numbers, as `metrics.json` and the card have them."""
        return {name: getattr(self, name) for name in ("coverage", "max_distance", "num_images")}

    @property
    def arrays(self) -> dict[str, Any]:
        """The arrays."""
        return {name: getattr(self, name) for name in ("mean", "whitening", "centers")}

    def describe(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Describes images by their features, float32 (images, channels).

        Returns:
            `distance`, float32 (images,), from the nearest class, and `is_known`, bool (images,).
        """
        white = tf.matmul(normalize(features) - self.mean, self.whitening)
        # Not by differences, of which there are images times classes times directions.
        squares = (
            tf.reduce_sum(white**2, axis=1, keepdims=True)
            - 2 * tf.matmul(white, self.centers, transpose_b=True)
            + tf.reduce_sum(self.centers**2, axis=1)
        )
        distances = tf.sqrt(tf.maximum(tf.reduce_min(squares, axis=1), 0))
        return {"distance": distances, "is_known": distances <= self.max_distance}

    def as_variables(self) -> "KnownImages":
        """Returns the same with variables as arrays, which an export keeps once."""
        variables = {name: tf.Variable(value) for name, value in self.arrays.items()}
        return dataclasses.replace(self, **variables)

    def save(self, path: pathlib.Path, *, field: str) -> None:
        """Writes the file that `read` reads.

        Raises:
            KerastlError: If it cannot be written; `field` is the flag that sets its directory.
        """
        with replacing(path, field=field) as temporary, temporary.open("wb") as file:
            np.savez(file, **self.arrays, **self.numbers)

    @classmethod
    def read(cls, path: pathlib.Path) -> "KnownImages":
        """Reads what `save` wrote."""
        with path.open("rb") as file, np.load(file) as found:
            values = {field.name: found[field.name] for field in dataclasses.fields(cls)}
        return cls(
            **{name: value if value.ndim else value.item() for name, value in values.items()}
        )


def normalize(features: tf.Tensor) -> tf.Tensor:
    """Divides the features of each image by their length, (images, channels)."""
    return features / (tf.norm(features, axis=1, keepdims=True) + _LEAST)


def mean_features(views: Iterable[tf.Tensor]) -> tf.Tensor:
    """Returns the features of images from those of their views, float32 (images, channels)."""
    return tf.reduce_mean(tf.cast(tf.stack([*views]), tf.float32), axis=0)


def features_in(outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns the features of images from the outputs of `mirrored.outputs_of`."""
    return mean_features(outputs[name] for name in outputs if name.endswith("features"))
