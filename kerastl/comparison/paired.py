"""Intervals of the difference between two models on the same images."""

import dataclasses

import numpy as np
from scipy import stats
from scipy.sparse import csr_array

from kerastl.training.bootstrap import RESAMPLES, Means, find_ends, find_intervals, in_columns
from kerastl.training.score_intervals import class_scores, class_tables

# A difference is clear if models that are equally good seldom show one so large: in one of so many
# comparisons.
ONE_IN = 20
# Fewer images than this cannot differ so clearly, even if all of them favor one model: one of two
# equally good models is right about each of n images in 2 of 2 ** n cases.
FEWEST = next(count for count in range(1, 64) if 2 / 2**count < 1 / ONE_IN)
LOSS = "loss"
# Scores of predicted classes that have no exact test.
_OTHERS = "others"


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


def compare_scores(
    labels: np.ndarray, first: Scored, other: Scored, *, seed: int
) -> tuple[Difference, ...]:
    """Compares the scores of two models, by the bootstrap of `find_intervals`.

    Both models are scored on the same images in each draw. The intervals do not include the
    variation between seeds of training.

    Args:
        labels: True classes, int64 (images,).
        first: The one model.
        other: The other.
        seed: Of the images that are drawn.
    """
    models = {"first": first, "other": other}
    tables = {
        f"{model} {name}": table
        for model, one in models.items()
        for name, table in _tables(labels, one).items()
    }

    def differences(means: Means) -> dict[str, np.ndarray]:
        before, after = (_scores_of(means, model) for model in models)
        return {name: after[name] - value for name, value in before.items()}

    ends = find_intervals(tables, differences, seed=seed)
    # Of the images as they are, without the rounding of means.
    sums = {name: np.asarray(table.sum(axis=0))[np.newaxis] for name, table in tables.items()}
    before, after = ({k: float(v[0]) for k, v in _scores_of(sums, one).items()} for one in models)
    p_values = _p_values(labels, first, other)
    rows = []
    for name, value in before.items():
        # One that no draw changes has no interval.
        same = after[name] - value
        low, high = (ends.get(f"{name}_{end}", same) for end in ("low", "high"))
        p_value = p_values.get(name, p_values[_OTHERS])
        rows.append(Difference(name, len(labels), value, after[name], low, high, p_value))
    return tuple(rows)


def _scores_of(means: Means, model: str) -> dict[str, np.ndarray]:
    names = (name for name in means if name.startswith(model))
    return _scores({name.removeprefix(f"{model} "): means[name] for name in names})


def _p_values(labels: np.ndarray, first: Scored, other: Scored) -> dict[str, float]:
    right, now_right = (one.predicted == labels for one in (first, other))
    return {
        "accuracy": mcnemar(int(np.sum(right & ~now_right)), int(np.sum(now_right & ~right))),
        LOSS: _least_p_value(first.losses != other.losses),
        _OTHERS: _least_p_value(first.predicted != other.predicted),
    }


def _tables(labels: np.ndarray, model: Scored) -> dict[str, csr_array]:
    return class_tables(labels, model.predicted) | {"losses": in_columns(model.losses)}


def _scores(means: Means) -> dict[str, np.ndarray]:
    """Computes the scores and the loss, for each draw, from means or from sums."""
    count = means["images"].sum(axis=1)
    accuracy = means["right"].sum(axis=1) / count
    return {"accuracy": accuracy, **class_scores(means), LOSS: means["losses"][:, 0] / count}


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
        drawn = rng.multinomial(images, shares, size=RESAMPLES)
        ends = find_ends((won - lost) / images, (drawn[:, 1] - drawn[:, 0]) / images)
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
