"""A temperature for the logits, which makes the confidence of a classifier as high as it is right.

https://arxiv.org/abs/1706.04599
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import scipy.special

from kerastl.data.folds import make_folds

# Logits that it is fitted to: one number needs no more, and they have to fit in memory.
MOST_LOGITS = 2_000_000
_LOWEST, _HIGHEST = 0.1, 10.0
_FOLDS = 5


@dataclasses.dataclass(frozen=True)
class Temperature:
    """What the logits of each view of an image are divided by.

    Attributes:
        value: The number; 1 where none lowers the loss of images that it was not fitted to.
        tried: The number that was tried.
        loss: Mean cross-entropy of held-out validation images with it, in nats; None where there
            were too few, or all of one group, so that none could be held out.
        loss_before: The same without it.
    """

    value: float = 1.0
    tried: float = 1.0
    loss: float | None = None
    loss_before: float | None = None

    def __str__(self) -> str:
        if self.loss is None or self.loss_before is None:
            return (
                "Confidence: not calibrated. The validation images are too few, or all of one "
                "group, to hold some out."
            )
        if self.value == 1:
            return (
                f"Confidence: as it is. A temperature of {self.tried:.3g} would not lower the loss "
                f"of held-out validation images ({self.loss:.4f}, {self.loss_before:.4f} without)."
            )
        return (
            f"Confidence: calibrated by a temperature of {self.value:.3g}. It lowers the loss of "
            f"held-out validation images from {self.loss_before:.4f} to {self.loss:.4f}."
        )


def fit_temperature(
    logits: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, seed: int
) -> Temperature:
    """Fits the temperature; keeps it if it lowers the loss of images that it was not fitted to.

    Args:
        logits: Of images that the classifier was not trained on, (images, views, classes). The
            prediction is the mean of the probabilities of an image's views.
        labels: True classes, int64 (images,).
        groups: Group of each image, int64 (images,); none is on both sides of a fold.
        seed: Seed of the folds.
    """
    margins = _Margins.of(logits, labels)
    folds = make_folds(labels, groups, count=_FOLDS, seed=seed)
    if not folds:
        return Temperature()
    held_out = np.empty(len(labels))
    for inner, outer in folds:
        held_out[outer] = margins.take(outer).losses(_fit(margins.take(inner)))
    tried = _fit(margins)
    loss, before = float(np.mean(held_out)), float(np.mean(margins.losses(1.0)))
    return Temperature(tried if loss < before else 1.0, tried, loss, before)


class _Margins(NamedTuple):
    """What the probability of the true class depends on.

    Attributes:
        true: Its logit, float64 (images, views).
        others: Logits of the other classes, float64 (images, views, classes), -inf for the true
            one.
    """

    true: np.ndarray
    others: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray, labels: np.ndarray) -> "_Margins":
        others = logits.astype(np.float64)
        images = np.arange(len(labels))
        true = others[images, :, labels]
        others[images, :, labels] = -np.inf
        return cls(true, others)

    def take(self, chosen: np.ndarray) -> "_Margins":
        return _Margins(self.true[chosen], self.others[chosen])

    def losses(self, temperature: float) -> np.ndarray:
        """Computes the cross-entropy of each image, float64 (images,)."""
        return -self._log_probabilities(temperature)[0]

    def smoothed_loss(self, temperature: float) -> float:
        """Computes the mean cross-entropy as if one more image had been right, and one wrong.

        Without, a model that has all of a few images right would be made as sure as the bounds
        let. https://home.cs.colorado.edu/~mozer/Teaching/syllabi/6622/papers/Platt1999.pdf, 2.2
        """
        right, wrong = self._log_probabilities(temperature)
        share = 1 / (len(right) + 2)
        return float(-np.mean((1 - share) * right + share * wrong))

    def _log_probabilities(self, temperature: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns the logarithms of the probabilities of the true class and of any other."""
        rest = scipy.special.logsumexp(self.others / temperature, axis=2)
        gap = self.true / temperature - rest
        of_views = -np.logaddexp(0, -gap), -np.logaddexp(0, gap)
        num_views = math.log(gap.shape[1])
        right, wrong = (np.logaddexp.reduce(each, axis=1) - num_views for each in of_views)
        return right, wrong


def _fit(margins: _Margins) -> float:
    # SciPy imports this part, which takes long, only now.
    found = scipy.optimize.minimize_scalar(
        lambda logarithm: margins.smoothed_loss(math.exp(logarithm)),
        bounds=(math.log(_LOWEST), math.log(_HIGHEST)),
        method="bounded",
    )
    return math.exp(float(found.x))
