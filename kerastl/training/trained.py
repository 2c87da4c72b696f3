"""A trained classifier, and what it says of images."""

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kerastl.data.pipeline import evaluation_dataset
from kerastl.data.splits import Splits
from kerastl.model.build import LOGITS
from kerastl.model.evidence import find_feature_map, locate_evidence
from kerastl.model.folding import fold_one
from kerastl.model.mirrored import average_mirrored, mean_logits, with_mirrored
from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.settings import ImageSettings
from kerastl.training.best import Best
from kerastl.training.evaluate import compute_all, evaluate
from kerastl.training.evaluation import MOST_CLASSES, Evaluation
from kerastl.training.features import StoredFeatures
from kerastl.training.frozen import FrozenPart


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained classifier; what it reads of stored features stays open as long as `frozen`.

    Attributes:
        network: The network, with the best weights.
        frozen: Stored features of the network.
        best: The epoch that the weights come from, and its evaluation.
        seconds: Time of each phase, and of computing and checking stored features.
        lowest: The plan that trains the most. Nothing below its boundary has changed, so
            features stored there hold for the result.
        splits: The images.
        images: Their size and resize rule.
        batch_size: Images in a batch.
        refit: Fits the head to training and validation images, if the run is to do so.
    """

    network: Network
    frozen: FrozenPart
    best: Best
    seconds: dict[str, float]
    lowest: Plan
    splits: Splits
    images: ImageSettings
    batch_size: int
    refit: Callable[[], None] | None = None

    @property
    def stored(self) -> bool:
        """Whether `evaluate` reads stored features."""
        return self._stored is not None

    def evaluate(self, indices: np.ndarray, *, temperature: float = 1.0) -> Evaluation:
        """Evaluates images of the source, by their positions, from stored features if possible.

        The logits of each view of an image are divided by `temperature`.
        """
        classifier = _mean_of(self._from_lowest, self.images, temperature=temperature)
        return self._evaluate(classifier, indices, self._stored)

    def view_logits(self, indices: np.ndarray) -> np.ndarray:
        """Computes the logits of each view that a prediction is the mean of.

        Returns:
            Float32 (images, views, classes): of the image, and of its mirror image where the
            prediction is the mean of both.
        """

        def compute(inputs: tf.Tensor) -> tf.Tensor:
            logits = self._from_lowest(inputs)
            return tf.stack(tf.split(logits, 2 if self.images.sees_mirrored else 1), axis=1)

        return compute_all(compute, self._dataset(indices, self._stored), len(indices))

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """The model to deliver: the network, or the mean of its predictions over mirror images."""
        model = self.network.model
        return average_mirrored(model) if self.images.sees_mirrored else model

    def divide_logits(self, temperature: float) -> None:
        """Divides the logits of each view, by way of the head's weights."""
        head = self.network.model.get_layer(LOGITS)
        for weight in (head.kernel, head.bias):
            weight.assign(weight / temperature)

    def evaluate_whole(self, indices: np.ndarray) -> Evaluation:
        """Evaluates images from themselves by the classifier; keeps all probabilities."""
        num_classes = len(self.splits.source.class_names)
        return self._evaluate(self.classifier, indices, None, most_classes=num_classes)

    def locate_evidence(self, indices: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
        """Computes where in each image the evidence for a class is, see `evidence`.

        Returns:
            Float32 (images, rows, columns) over the network's input; None for a network without
            a feature map.
        """
        feature_map = find_feature_map(self.network)
        if feature_map is None:
            return None
        below = keras.Model(self.network.inputs, feature_map)

        def compute(images: tf.Tensor) -> tf.Tensor:
            features = tf.cast(below(images, training=False), tf.float32)
            if not self.images.sees_mirrored:
                return features
            mirrored = tf.cast(below(images[:, :, ::-1], training=False), tf.float32)
            return (features + mirrored[:, :, ::-1]) / 2

        features = compute_all(compute, self._dataset(indices, None), len(indices))
        kernel = self.network.model.get_layer(LOGITS).kernel.numpy()
        return locate_evidence(features, kernel, classes)

    def pooled(self, indices: np.ndarray) -> np.ndarray | None:
        """Reads the head's inputs, float32 (images, channels); None if they are not stored."""
        features = self.frozen.get(self.network.pooled)
        return None if features is None else features.take(indices)

    @property
    def _stored(self) -> StoredFeatures | None:
        return self.frozen.get(self.lowest.boundary)

    @functools.cached_property
    def _from_lowest(self) -> Callable[[tf.Tensor], tf.Tensor]:
        lower = None if self.stored else fold_one(self.lowest.lower)
        return _views_from(self.lowest.upper, lower, self.images)

    def _evaluate(
        self,
        classifier: Callable[[tf.Tensor], tf.Tensor],
        indices: np.ndarray,
        features: StoredFeatures | None,
        *,
        most_classes: int = MOST_CLASSES,
    ) -> Evaluation:
        dataset = self._dataset(indices, features)
        labels = self.splits.source.labels[indices]
        return evaluate(classifier, dataset, labels, most_classes=most_classes)

    def _dataset(self, indices: np.ndarray, features: StoredFeatures | None) -> tf.data.Dataset:
        return evaluation_dataset(
            self.splits.source, indices, self.images, batch_size=self.batch_size, features=features
        )


def from_boundary(
    upper: keras.Model, lower: Callable[[tf.Tensor], tf.Tensor] | None, images: ImageSettings
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function to logits, from images or, with no `lower`, from stored features."""
    return _mean_of(_views_from(upper, lower, images), images)


def _views_from(
    upper: keras.Model, lower: Callable[[tf.Tensor], tf.Tensor] | None, images: ImageSettings
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function to the logits of all views, the mirror images behind the images."""

    def compute(inputs: tf.Tensor) -> tf.Tensor:
        if lower is not None:
            inputs = lower(with_mirrored(inputs) if images.sees_mirrored else inputs)
        return upper(inputs, training=False)

    return compute


def _mean_of(
    views: Callable[[tf.Tensor], tf.Tensor], images: ImageSettings, *, temperature: float = 1.0
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function to the logits of the prediction from one to those of its views."""

    def compute(inputs: tf.Tensor) -> tf.Tensor:
        logits = views(inputs) / temperature
        return mean_logits(logits) if images.sees_mirrored else logits

    return compute
