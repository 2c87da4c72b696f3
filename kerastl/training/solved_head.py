"""A head that is solved for: the logistic regression on the stored features of the images.

A regression has one best solution, which L-BFGS finds without a learning rate or a number of
epochs. What is left to choose is the strength of its L2 penalty: the one with the most held-out
images right.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import scipy.special
from threadpoolctl import threadpool_limits

from kerastl.data.folds import make_folds
from kerastl.environment import ignored_warnings
from kerastl.lazy import sklearn
from kerastl.model.build import LOGITS
from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.progress import Progress, format_duration
from kerastl.settings import TrainingSettings
from kerastl.split_names import TRAIN, VALIDATION
from kerastl.training.best import EpochRow
from kerastl.training.evaluation import Evaluation
from kerastl.training.fit import PhaseData, PhaseResult, Places, StoredImages

# Prior variance of a logit, from a strong penalty to a weak one. Divided by the number of channels
# it is scikit-learn's C for features of unit variance.
STRENGTHS = tuple(0.1 * math.sqrt(10) ** step for step in range(9))
_FOLDS = 5
# With more training images, the validation images alone choose: ten times as many fits would
# change little.
_MOST_IN_FOLDS = 1000
# Largest element of the gradient; more digits change no prediction. Strengths are compared with
# fewer, which takes half of the time and ranks them alike.
_TOLERANCE, _ROUGH = 1e-4, 1e-3
_MOST_ITERATIONS = 300
# Logit of a class that a fold has no training image of.
_NEVER = -1e4


class LinearLayer(NamedTuple):
    """Weights of a dense layer.

    Attributes:
        kernel: Float32 (channels, classes).
        bias: Float32 (classes,).
    """

    kernel: np.ndarray
    bias: np.ndarray

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Computes the outputs, float32 (images, classes)."""
        outputs: np.ndarray = inputs @ self.kernel + self.bias
        return outputs


class RegressionPath:
    """Regressions on the same images, each of which starts from the one before."""

    def __init__(
        self, images: StoredImages, *, num_classes: int, tolerance: float = _TOLERANCE
    ) -> None:
        """Centers the features and gives them a mean variance of 1.

        One scale for all channels: that of each by itself enlarges the noise of channels that
        are nearly constant, which costs up to half a point of accuracy with few images.

        With fewer images than channels, the features become their coordinates in the space that
        the images span. An L2 penalty keeps the solution in it, so nothing else changes.
        """
        self._labels, self._weights = images.labels, images.weights
        self._classes, self._num_classes = np.unique(images.labels), num_classes
        self._center = images.inputs.mean(axis=0, dtype=np.float64)
        self._scale = math.sqrt(images.inputs.var(axis=0, dtype=np.float64).mean()) or 1.0
        self._inputs = ((images.inputs - self._center) / self._scale).astype(np.float32)
        self._num_channels, self._basis = self._inputs.shape[1], None
        if len(self._inputs) < self._num_channels:
            # In float64: the digits that are lost are not those of the features themselves.
            self._basis = np.linalg.qr(self._inputs.T.astype(np.float64))[0]
            self._inputs = self._inputs @ self._basis
        self._regression = sklearn.linear_model.LogisticRegression(
            tol=tolerance, max_iter=_MOST_ITERATIONS, warm_start=True
        )

    def fit(self, strength: float) -> LinearLayer:
        """Fits the regression of a strength, as a layer on the features as they are."""
        kernel = np.zeros((self._num_channels, self._num_classes))
        bias = np.full(self._num_classes, _NEVER)
        bias[self._classes] = 0.0
        if len(self._classes) > 1:
            self._regression.set_params(C=strength / self._num_channels)
            # The weights after its last step are good enough.
            with ignored_warnings(sklearn.exceptions.ConvergenceWarning):
                self._regression.fit(self._inputs, self._labels, sample_weight=self._weights)
            fitted = self._regression.coef_.T.astype(np.float64) / self._scale
            if self._basis is not None:
                fitted = self._basis @ fitted
            offset = self._regression.intercept_ - self._center @ fitted
            if fitted.shape[1] == 1:
                # Of two classes, the second alone has a logit.
                fitted, offset = (
                    np.concatenate([-part, part], axis=-1) / 2 for part in (fitted, offset)
                )
            kernel[:, self._classes], bias[self._classes] = fitted, offset
        return LinearLayer(kernel.astype(np.float32), bias.astype(np.float32))


@dataclasses.dataclass
class _HeldOut:
    """Regressions, and images to compare their strengths on."""

    path: RegressionPath
    images: StoredImages

    def score(self, strength: float) -> tuple[float, float]:
        """Fits; returns the weight of the images that are right, and their loss."""
        layer = self.path.fit(strength)
        logits = layer.logits(self.images.inputs)
        weights = 1.0 if self.images.weights is None else self.images.weights
        right = np.sum((logits.argmax(axis=1) == self.images.labels) * weights)
        return float(right), float(np.sum(_losses(logits, self.images.labels) * weights))


def solve_phase(
    plan: Plan,
    data: PhaseData,
    settings: TrainingSettings,
    *,
    progress: Progress,
    on_epoch: Callable[[EpochRow, Evaluation], None],
    places: Places | None = None,
) -> PhaseResult:
    """Does what `train_phase` does for a head on stored features, at once, and from its start.

    The loss and the accuracy of its one row are those of the solution on the training images.
    """
    started = time.monotonic()
    train, validation = data.read_stored(TRAIN), data.read_stored(VALIDATION)
    head = plan.trainable[-1]
    layer, strength = solve_head(
        train, validation, num_classes=head.units, seed=settings.seed, on_step=progress.status
    )
    _assign(head, layer)
    logits = layer.logits(train.inputs)
    weights = 1.0 if train.weights is None else train.weights
    evaluation = data.validate()
    row = EpochRow.of(
        evaluation,
        phase=plan.phase.name,
        epoch=1,
        learning_rate=0.0,
        seconds=time.monotonic() - started,
        loss=float(np.mean(_losses(logits, train.labels) * weights)),
        accuracy=float(np.mean(logits.argmax(axis=1) == train.labels)),
    )
    on_epoch(row, evaluation)
    progress.line(
        f"head solved in {format_duration(row.seconds)}: loss {row.loss:.4f}  accuracy "
        f"{row.accuracy:.4f}  val_loss {row.val_loss:.4f}  val_accuracy {row.val_accuracy:.4f}"
    )
    return PhaseResult(0, strength)


def refit_head(network: Network, read: Callable[[], StoredImages], strength: float) -> None:
    """Fits a solved head once more, to the images that `read` gives, with a known penalty."""
    head, images = network.model.get_layer(LOGITS), read()
    with threadpool_limits(1):
        _assign(head, RegressionPath(images, num_classes=head.units).fit(strength))


def _assign(head: keras.layers.Dense, layer: LinearLayer) -> None:
    head.kernel.assign(layer.kernel)
    head.bias.assign(layer.bias)


def solve_head(
    train: StoredImages,
    validation: StoredImages,
    *,
    num_classes: int,
    seed: int,
    on_step: Callable[[str], None] = lambda _: None,
) -> tuple[LinearLayer, float]:
    """Fits a head to the training images, with the penalty that has the most others right.

    The others are the validation images and, with few training images, those that are held
    out by turns in cross-validation; no group is on both sides of a fold. `seed` is that of
    the folds, and `on_step` receives a description of each step.

    Returns:
        The head, and the strength of its penalty, see `STRENGTHS`.
    """
    pairs = [(train, validation)]
    if chooses_by_folds(train.groups):
        folds = make_folds(train.labels, train.groups, count=_FOLDS, seed=seed)
        pairs += [(train.take(inner), train.take(outer)) for inner, outer in folds]
    held_out = [
        _HeldOut(RegressionPath(inner, num_classes=num_classes, tolerance=_ROUGH), outer)
        for inner, outer in pairs
    ]
    rights: list[float] = []
    losses: list[float] = []
    # More threads than free cores wait for each other: up to a hundred times as long.
    with threadpool_limits(1):
        for strength in STRENGTHS:
            on_step(f"head: penalty {len(rights) + 1}/{len(STRENGTHS)}")
            scores = [one.score(strength) for one in held_out]
            rights.append(sum(right for right, _ in scores))
            losses.append(sum(loss for _, loss in scores))
            # Weaker penalties take the longest and would be worse still.
            if rights[-1] < max(rights) and losses[-1] > min(losses):
                break
        best = max(range(len(rights)), key=lambda place: (rights[place], -losses[place]))
        path = RegressionPath(train, num_classes=num_classes)
        return path.fit(STRENGTHS[best]), STRENGTHS[best]


def chooses_by_folds(groups: np.ndarray) -> bool:
    """Whether training images, int64 (images,), are held out in folds too: if they are few."""
    # Views of an image are in its group.
    return len(np.unique(groups)) <= _MOST_IN_FOLDS


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    losses: np.ndarray = -scipy.special.log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
    return losses
