"""A trained classifier, and its predictions."""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from kerastl.data.pipeline import evaluated_indices, evaluation_dataset
from kerastl.data.splits import Splits
from kerastl.model.build import LOGITS
from kerastl.model.evidence import find_feature_map, locate_evidence
from kerastl.model.folding import fold_one
from kerastl.model.mirrored import average_mirrored, mean_logits, with_mirrored
from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.model.style import build_style
from kerastl.settings import ImageSettings
from kerastl.training.best import Best
from kerastl.training.evaluate import ViewLogits, compute_all, compute_parts, evaluate
from kerastl.training.evaluation import Evaluation
from kerastl.training.features import StoredFeatures
from kerastl.training.frozen import FrozenPart
from kerastl.training.known_images import mean_features


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained classifier; what it reads of stored features stays open as long as `frozen`.

    Attributes:
        network: The network, with the best weights.
        frozen: Stored features of the network.
        best: The epoch that the weights come from, and its evaluation.
        seconds: Time of each phase.
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

    def evaluate(self, indices: np.ndarray) -> Evaluation:
        """Evaluates images of the source, by their positions, from stored features if possible."""
        return self.evaluate_logits(self.logits(indices), indices)

    def logits(self, indices: np.ndarray) -> ViewLogits:
        """Prepares the logits of the views of images that a prediction is made of."""
        # Not in the graph: weights are folded where it is built.
        views, count = self._from_lowest, 2 if self.images.sees_mirrored else 1

        def compute(inputs: tf.Tensor) -> tf.Tensor:
            return tf.stack(tf.split(views(inputs), count), axis=1)

        return ViewLogits(compute, self._dataset(indices, self._stored), len(indices))

    def evaluate_logits(
        self, logits: ViewLogits, indices: np.ndarray, *, temperature: float = 1.0
    ) -> Evaluation:
        """Evaluates images from their logits, those of each view divided by `temperature`."""
        return logits.evaluate(
            self.splits.source.labels[indices],
            sees_mirrored=self.images.sees_mirrored,
            temperature=temperature,
        )

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
        source = self.splits.source
        return evaluate(
            self.classifier,
            self._dataset(indices, None),
            source.labels[indices],
            most_classes=len(source.class_names),
        )

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

    def style(self, indices: np.ndarray) -> np.ndarray | None:
        """Computes what images look like, see `build_style`, float32 (images, channels)."""
        style = build_style(self.network)
        if style is None:
            return None
        dataset = self._dataset(indices, None)
        return compute_all(lambda images: style(images, training=False), dataset, len(indices))

    def features(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the head's inputs for images, float32 (images, channels), some at a time.

        They are those of the result, whatever was trained, and the mean over the views that a
        prediction is made of.
        """
        stored = self._stored
        if stored and not stored.has(evaluated_indices(self.splits.source, indices, self.images)):
            # Of training images that are changed there are only the changed views.
            stored = None
        lower = None if stored else fold_one(self.lowest.lower)
        views = _views_from(self.network.to_pooled(self.lowest.boundary), lower, self.images)
        count = 2 if self.images.sees_mirrored else 1

        def compute(inputs: tf.Tensor) -> tf.Tensor:
            return mean_features(tf.split(views(inputs), count))

        return compute_parts(compute, self._dataset(indices, stored), len(indices))

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

    def _dataset(self, indices: np.ndarray, features: StoredFeatures | None) -> tf.data.Dataset:
        return evaluation_dataset(
            self.splits.source, indices, self.images, batch_size=self.batch_size, features=features
        )


def from_boundary(
    upper: keras.Model, lower: Callable[[tf.Tensor], tf.Tensor] | None, images: ImageSettings
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function to logits, from images or, with no `lower`, from stored features."""
    views = _views_from(upper, lower, images)
    return (lambda inputs: mean_logits(views(inputs))) if images.sees_mirrored else views


def _views_from(
    upper: Callable[..., tf.Tensor],
    lower: Callable[[tf.Tensor], tf.Tensor] | None,
    images: ImageSettings,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function to the logits of all views, the mirror images behind the images."""

    def compute(inputs: tf.Tensor) -> tf.Tensor:
        if lower is not None:
            inputs = lower(with_mirrored(inputs) if images.sees_mirrored else inputs)
        return upper(inputs, training=False)

    return compute
