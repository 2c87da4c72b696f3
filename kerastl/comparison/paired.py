"""Intervals of the difference between two models on the same images."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from kerastl.training.scores import ClassCounts, balanced_accuracy, macro_f1

_CONFIDENCE = 0.95
# Efron and Tibshirani, An Introduction to the Bootstrap, 1993, page 188: 1,000 are enough for the
# ends of an interval.
_RESAMPLES = 2000
_SCORES: Mapping[str, Callable[[ClassCounts], float]] = {
    "accuracy": lambda counts: float(counts.right.sum() / counts.images.sum()),
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
}
LOSS = "loss"


@dataclasses.dataclass(frozen=True)
class Difference:
    """A score of two models on the same images.

    Attributes:
        name: The score, or the class whose recall it is.
        num_images: Images that it counts.
        first: Its value for the first model.
        other: Its value for the other.
        low: Lower end of the 95 % interval of `difference`.
        high: Upper end.
    """

    name: str
    num_images: int
    first: float
    other: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """How much higher the score of the other model is."""
        return self.other - self.first

    @property
    def is_clear(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.low > 0 or self.high < 0


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """A model's predictions as numbers: predicted classes, int64, and losses, float64 (images,)."""

    predicted: np.ndarray
    losses: np.ndarray

    def scores(self, labels: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        """Computes the scores and the loss, with each image counted once or `times`."""
        counts = ClassCounts.of(labels, self.predicted, times=times)
        loss = float(np.average(self.losses, weights=times))
        return np.array([*(score(counts) for score in _SCORES.values()), loss])


def compare_scores(
    labels: np.ndarray, first: Scored, other: Scored, *, seed: int
) -> tuple[Difference, ...]:
    """Compares the scores of two models, by the bootstrap.

    Images are drawn again and again, with replacement; both models are scored on the same ones. The
    interval holds the middle 95 % of the differences. It does not include the variation between
    seeds of training. https://en.wikipedia.org/wiki/Bootstrapping_(statistics)

    Args:
        labels: True classes, int64 (images,).
        first: The one model.
        other: The other.
        seed: Of the images that are drawn.
    """
    rng, num_images = np.random.default_rng(seed), len(labels)
    drawn = np.empty((_RESAMPLES, len(_SCORES) + 1))
    for number in range(_RESAMPLES):
        times = np.bincount(rng.integers(num_images, size=num_images), minlength=num_images)
        drawn[number] = other.scores(labels, times) - first.scores(labels, times)
    values = zip(
        (*_SCORES, LOSS), first.scores(labels), other.scores(labels), *_ends(drawn), strict=True
    )
    return tuple(Difference(name, num_images, *map(float, rest)) for name, *rest in values)


def compare_recalls(
    labels: np.ndarray, first: Scored, other: Scored, names: tuple[str, ...], *, seed: int
) -> tuple[Difference, ...]:
    """Compares the recall of each class, by the bootstrap within the class.

    To draw a class's images again is to draw from what may have happened to them: only the one
    model is right, only the other, or neither or both.

    Args:
        labels: True classes, int64 (images,).
        first: The one model.
        other: The other.
        names: The names of the classes.
        seed: Of the images that are drawn.
    """
    rng, classes = np.random.default_rng(seed), len(names)
    right, now_right = (one.predicted == labels for one in (first, other))
    counts = [
        np.bincount(labels[chosen], minlength=classes)
        for chosen in (labels >= 0, right, now_right, right & ~now_right, now_right & ~right)
    ]
    rows = []
    for name, images, was, now, lost, won in zip(
        names, *map(np.ndarray.tolist, counts), strict=True
    ):
        if not images:
            continue  # The models name it, and no image shows it.
        shares = [lost / images, won / images, (images - lost - won) / images]
        drawn = rng.multinomial(images, shares, size=_RESAMPLES)
        low, high = _ends((drawn[:, 1] - drawn[:, 0]) / images)
        rows.append(Difference(name, images, was / images, now / images, float(low), float(high)))
    return tuple(rows)


def mcnemar(lost: int, won: int) -> float:
    """Computes the p-value of McNemar's exact test, https://doi.org/10.1007/BF02295996.

    Where two models are equally good, an image that only one of them has right is as often the
    one's as the other's: the exact form is a binomial test.

    Args:
        lost: Images that only the first model has right.
        won: Images that only the other has right.
    """
    return float(stats.binomtest(won, lost + won).pvalue) if lost + won else 1.0


def _ends(drawn: np.ndarray) -> np.ndarray:
    outside = (1 - _CONFIDENCE) / 2
    return np.asarray(np.quantile(drawn, (outside, 1 - outside), axis=0))
