"""Carries a learning curve on to more images than there are, with its interval."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from kerastl.selection.linear import interval, least_deviation
from kerastl.selection.power_law import PowerLaw, fit_power_law

# Times as many images as there are.
MULTIPLES = (2, 4)
_BOOTSTRAPS = 1000
_PERCENTILES = (2.5, 97.5)
_CONFIDENCE = _PERCENTILES[1] / 100


@dataclasses.dataclass(frozen=True)
class Expected:
    """An accuracy that a curve lets expect.

    Attributes:
        value: The curve's own.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, eq=False)
class Tally:
    """How many images were judged right, by size and fold.

    Attributes:
        images: Images that the probes learnt from, float64 (sizes,).
        right: Images of each fold that were judged right, float64 (sizes, folds).
        judged: Images of each fold, float64 (folds,).
    """

    images: np.ndarray
    right: np.ndarray
    judged: np.ndarray

    def of(self, sizes: Sequence[int]) -> "Tally":
        """Keeps some of the sizes."""
        return Tally(self.images[sizes], self.right[sizes], self.judged)

    def errors(self, weights: np.ndarray) -> np.ndarray:
        """Gives the shares judged wrong with folds taken so many times, float64 (draws, sizes)."""
        judged = np.maximum(weights @ self.judged, 1)
        errors: np.ndarray = 1 - (weights @ self.right.T) / judged[:, None]
        return errors


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """Accuracies over numbers of images: of all classes together, or of one.

    Attributes:
        class_name: The class; empty for all.
        images: Images that the probes learnt from, float64 (sizes,).
        measured: The accuracy at each of them, with its interval over the folds.
        law: What was fitted to them.
        now: What it lets expect of all training images.
        expected: And of each of `MULTIPLES` as many.
    """

    class_name: str
    images: np.ndarray
    measured: tuple[Expected, ...]
    law: PowerLaw
    now: Expected
    expected: tuple[Expected, ...]

    @property
    def gain(self) -> float:
        """What twice the images are expected to add."""
        return self.expected[0].value - self.now.value


def carry_on(class_name: str, tally: Tally, *, num_images: int, seed: int) -> Curve:
    """Makes the curve of a tally, for as many images as there are and for their multiples."""
    sizes = num_images * np.array([1.0, *MULTIPLES])
    (now, *more), law = expect(tally, sizes, seed=seed)
    return Curve(class_name, tally.images, _measured(tally), law, now, tuple(more))


def expect(tally: Tally, images: np.ndarray, *, seed: int) -> tuple[list[Expected], PowerLaw]:
    """Fits a power law and gives what it lets expect of numbers of images.

    The interval is that of fits to folds drawn with replacement.
    """
    count = len(tally.judged)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(count, np.full(count, 1 / count), size=_BOOTSTRAPS).astype(float)
    own = tally.errors(np.ones((1, count)))
    drawn = own + _spread(count) * (tally.errors(weights) - own)
    least = [least_deviation(right, tally.judged.sum()) for right in tally.right.sum(axis=1)]
    deviations = np.maximum(drawn.std(axis=0), least)
    # Folds that agree by chance, as where all is right, tell too little of what may come.
    lacking = np.sqrt(np.maximum(0, deviations**2 - drawn.var(axis=0)))
    drawn = drawn + rng.normal(size=(_BOOTSTRAPS, 1)) * lacking
    law = fit_power_law(tally.images, own, deviations)
    values = law.accuracy(images)[0]
    draws = fit_power_law(tally.images, drawn, deviations).accuracy(images)
    low, high = np.percentile(draws, _PERCENTILES, axis=0)
    return [Expected(*map(float, row)) for row in zip(values, low, high, strict=True)], law


def _spread(count: int) -> float:
    """Says how much wider than of folds drawn with replacement an interval has to be.

    The draws vary too little by (k - 1) / k, and few folds tell their own spread badly, which
    Student's t makes good. Probes of different folds learn from mostly the same images, for
    which the variance of their mean is 1 / k + 1 / (k - 1) of that of one, see
    `linear.interval`. With all three, 26 of 28 intervals for twice the images of CIFAR-10 held
    what came.
    """
    few = stats.t.ppf(_CONFIDENCE, count - 1) / stats.norm.ppf(_CONFIDENCE)
    return float(few * math.sqrt(count / (count - 1) * (1 + count / (count - 1))))


def _measured(tally: Tally) -> tuple[Expected, ...]:
    has_any = tally.judged > 0
    judged = tally.judged[has_any].tolist()
    return tuple(
        Expected(sum(right) / sum(judged), *interval(right, judged))
        for right in tally.right[:, has_any].tolist()
    )
