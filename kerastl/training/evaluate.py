"""Evaluates every image of a split once, and computes scores from the logits."""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.special
import tensorflow as tf

from kerastl import replicas
from kerastl.data.pipeline import Features, evaluation_dataset, shared_places
from kerastl.data.reading import reading_errors
from kerastl.data.source import Source
from kerastl.model.mirrored import mean_logits
from kerastl.replicas import Replicas
from kerastl.settings import ImageSettings
from kerastl.training.evaluation import MOST_CLASSES, NUM_FIRST, Evaluation
from kerastl.training.memory import InParts

# Logits that are turned into probabilities at a time.
LOGITS_AT_ONCE = 4_000_000
# Logits that `ViewLogits` keeps: 200 MB.
MOST_KEPT = 50_000_000


def evaluate(
    classifier: Callable[[tf.Tensor], tf.Tensor],
    dataset: tf.data.Dataset,
    labels: np.ndarray,
    *,
    most_classes: int = MOST_CLASSES,
) -> Evaluation:
    """Evaluates a classifier on a split, once.

    Args:
        classifier: Model or function from images, or from features, to logits.
        dataset: The split, from `evaluation_dataset`.
        labels: True classes in the dataset's order.
        most_classes: Up to this many, the probabilities of all classes are kept.

    Returns:
        The evaluation. Logits that are not finite give losses that are not.

    Raises:
        KerastlError: If the content of an image has changed.
    """
    logits = compute_parts(classifier, dataset, len(labels))
    return _evaluate(logits, labels, most_classes=most_classes)


class ViewLogits:
    """The logits of the views that predictions for some images are made of.

    To iterate yields them in order, float32 (images, views, classes), some images at a time: the
    first view is the image, the second its mirror image. They are computed the first time only,
    unless they are too many to keep.
    """

    def __init__(
        self, views: Callable[[tf.Tensor], tf.Tensor], dataset: tf.data.Dataset, count: int
    ) -> None:
        """Prepares to compute the logits of the `count` images of a dataset by `views`."""
        self._views, self._dataset, self._count = views, dataset, count
        self._kept: list[np.ndarray] | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields parts, see the class."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[np.ndarray] | None = []
        function = _traced(self._views, self._dataset)
        for part in _compute(function, iter(self._dataset), self._count):
            if kept is not None:
                is_small = sum(one.size for one in (*kept, part)) <= MOST_KEPT
                kept = [*kept, part] if is_small else None
            yield part
        self._kept = kept

    def take(self, chosen: np.ndarray) -> np.ndarray:
        """Selects those of some images, by their positions in ascending order."""
        taken, first = [], 0
        for part in self:
            start, stop = np.searchsorted(chosen, [first, first + len(part)])
            taken.append(part[chosen[start:stop] - first])
            first += len(part)
        return np.concatenate(taken)

    def evaluate(
        self, labels: np.ndarray, *, sees_mirrored: bool, temperature: float = 1.0
    ) -> Evaluation:
        """Evaluates the predictions that are made of the logits, divided by a temperature."""
        predictions = (
            mean_logits(np.concatenate([part[:, 0], part[:, 1]]) / np.float32(temperature)).numpy()
            if sees_mirrored
            else part[:, 0] / np.float32(temperature)
            for part in self
        )
        return _evaluate(predictions, labels)


def compute_all(
    classifier: Callable[[tf.Tensor], tf.Tensor], dataset: tf.data.Dataset, count: int
) -> np.ndarray:
    """Computes what `classifier` gives for the `count` images of a dataset, in their order.

    Raises:
        KerastlError: If the content of an image has changed.
    """
    return np.concatenate([*compute_parts(classifier, dataset, count)])


def compute_parts(
    classifier: Callable[[tf.Tensor], tf.Tensor], dataset: tf.data.Dataset, count: int
) -> Iterator[np.ndarray]:
    """Does what `compute_all` does, some images at a time: all may not fit in memory."""
    return _compute(_traced(classifier, dataset), iter(dataset), count)


def build_evaluator(
    classifier: Callable[[tf.Tensor], tf.Tensor],
    source: Source,
    indices: np.ndarray,
    images: ImageSettings,
    *,
    batch_size: int,
    features: Features | None = None,
) -> Callable[[], Evaluation]:
    """Prepares to evaluate a classifier, as it is at each call, on the same images.

    With `features` those are its inputs instead of the images. The result does what `evaluate`
    does.
    """
    team, labels = replicas.current(), source.labels[indices]
    dataset = evaluation_dataset(
        source,
        indices,
        images,
        batch_size=batch_size,
        features=features,
        passes=team.share,
    )
    function, batches = _traced(classifier, dataset), iter(dataset)
    if team.num_workers == 1:
        return lambda: _evaluate(_compute(function, batches, len(labels)), labels)
    places = shared_places(len(labels), batch_size, team.share)
    num_classes = function.get_concrete_function().output_shapes[-1]  # type: ignore[attr-defined]

    def evaluate_together() -> Evaluation:
        parts = _compute(function, batches, len(places))
        return _evaluate(_join(parts, places, (len(labels), num_classes), team), labels)

    return evaluate_together


def _join(
    parts: Iterator[np.ndarray], places: np.ndarray, shape: tuple[int, int], team: Replicas
) -> Iterator[np.ndarray]:
    """Puts logits of several processes together, some images at a time.

    Args:
        parts: Those of this process, in order.
        places: The position of each of its images.
        shape: Images and classes in all.
        team: The processes.
    """
    at_once, waiting = max(1, LOGITS_AT_ONCE // shape[1]), np.zeros((0, shape[1]), np.float32)
    for first in range(0, shape[0], at_once):
        block = np.zeros((min(at_once, shape[0] - first), shape[1]), np.float32)
        here = places[(places >= first) & (places < first + len(block))]
        while len(waiting) < len(here):
            waiting = np.concatenate([waiting, next(parts)])
        block[here - first], waiting = waiting[: len(here)], waiting[len(here) :]
        yield team.sum(block)


def _traced(
    classifier: Callable[[tf.Tensor], tf.Tensor], dataset: tf.data.Dataset
) -> Callable[[tf.Tensor], tf.Tensor]:
    signature = [dataset.element_spec[0]]
    function: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        classifier, input_signature=signature, autograph=False
    )
    return function


def _compute(
    function: Callable[[tf.Tensor], tf.Tensor],
    batches: Iterator[tuple[tf.Tensor, tf.Tensor]],
    count: int,
) -> Iterator[np.ndarray]:
    """Yields the logits of `count` images, those of several batches at a time."""
    parts: list[np.ndarray] = []
    done = 0
    compute = InParts(function)
    with reading_errors():
        while done < count:
            inputs, labels = next(batches)
            if not len(labels):
                continue  # Others have all of the batch.
            parts.append(compute(inputs, num_images=len(labels)).numpy())
            done += len(parts[-1])
            if done == count or sum(part.size for part in parts) >= LOGITS_AT_ONCE:
                yield np.concatenate(parts)
                parts.clear()


def _evaluate(
    logits: Iterator[np.ndarray], labels: np.ndarray, *, most_classes: int = MOST_CLASSES
) -> Evaluation:
    """Evaluates logits as they come: those of many classes do not fit in memory together."""
    parts: list[Evaluation] = []
    done = 0
    for part in logits:
        of_part = labels[done : done + len(part)]
        parts.append(_reduce(part, of_part, most_classes=most_classes))
        done += len(part)
    classes = [part.classes for part in parts if part.classes is not None]
    return Evaluation(
        labels,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.losses for part in parts]),
        np.concatenate(classes) if classes else None,
    )


def _reduce(logits: np.ndarray, labels: np.ndarray, *, most_classes: int) -> Evaluation:
    with np.errstate(invalid="ignore"):
        log_probabilities = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    losses = -log_probabilities[np.arange(len(labels)), labels]
    # TensorFlow's own softmax, as the export has it.
    probabilities = tf.nn.softmax(logits)
    if logits.shape[1] <= most_classes:
        return Evaluation(labels, probabilities.numpy(), losses)
    highest, classes = tf.math.top_k(probabilities, NUM_FIRST)
    return Evaluation(labels, highest.numpy(), losses, classes.numpy())
