"""Intervals of the difference between two models on the same images."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from kerastl.training.scores import ClassCounts, balanced_accuracy, macro_f1

_CONFIDENCE = 0.95
# A difference is clear if models that are equally good seldom show one so large: in one of so many
# comparisons.
ONE_IN = 20
# Fewer images than this cannot differ so clearly, even if all of them favor one model: one of two
# equally good models is right about each of n images in 2 of 2 ** n cases.
FEWEST = next(count for count in range(1, 64) if 2 / 2**count < 1 / ONE_IN)
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
        p_value: How often equally good models would differ so much by chance, by an exact test;
            for scores that have none, the least value that so many images can give.
    """

    name: str
    num_images: int
    first: float
    other: float
    low: float
    high: float
    p_value: float

    @property
    def difference(self) -> float:
        """How much higher the score of the other model is."""
        return self.other - self.first

    @property
    def is_clear(self) -> bool:
        """Whether 0 is outside the interval, and enough images differ for that to mean much."""
        return (self.low > 0 or self.high < 0) and self.p_value < 1 / ONE_IN


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
    right, now_right = (one.predicted == labels for one in (first, other))
    exact = mcnemar(int(np.sum(right & ~now_right)), int(np.sum(now_right & ~right)))
    least = _least_p_value(first.predicted != other.predicted)
    p_values = (exact, least, least, _least_p_value(first.losses != other.losses))
    scores = (first.scores(labels), other.scores(labels), *_ends(drawn), p_values)
    values = zip((*_SCORES, LOSS), *scores, strict=True)
    return tuple(Difference(name, num_images, *map(float, rest)) for name, *rest in values)


def compare_recalls(
    labels: np.ndarray, first: Scored, other: Scored, names: tuple[str, ...], *, seed: int
) -> tuple[Difference, ...]:
    """Compares the recall of each class, by the bootstrap within the class.

    To draw a class's images again is to draw from what may have happened to them: only the one
    model is right, only the other, or neither or both. The p-values are McNemar's times the number
    of classes (Bonferroni): of many classes one seldom differs clearly by chance.

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
    rows, num_tested = [], len(np.unique(labels))
    for name, images, was, now, lost, won in zip(
        names, *map(np.ndarray.tolist, counts), strict=True
    ):
        if not images:
            continue  # The models name it, and no image shows it.
        shares = [lost / images, won / images, (images - lost - won) / images]
        drawn = rng.multinomial(images, shares, size=_RESAMPLES)
        low, high = _ends((drawn[:, 1] - drawn[:, 0]) / images)
        ends = float(low), float(high)
        p_value = min(1.0, mcnemar(lost, won) * num_tested)
        rows.append(Difference(name, images, was / images, now / images, *ends, p_value))
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


def _least_p_value(differs: np.ndarray) -> float:
    """Returns the p-value of a sign test if all images that differ favored the same model."""
    count = int(np.sum(differs))
    return mcnemar(0, count)


def _ends(drawn: np.ndarray) -> np.ndarray:
    outside = (1 - _CONFIDENCE) / 2
    return np.asarray(np.quantile(drawn, (outside, 1 - outside), axis=0))
