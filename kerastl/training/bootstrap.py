"""Intervals of scores that are no proportions, by the bootstrap.

Images are drawn again and again, with replacement, and each time the scores are computed anew. The
scores are made of means over the images, so those of many draws are one product of matrices.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import scipy.special
from scipy.sparse import csr_array, hstack

from kerastl.training.scores import CONFIDENCE

# Efron and Tibshirani, An Introduction to the Bootstrap, 1993, page 188: 1,000 are enough for the
# ends of an interval.
RESAMPLES = 1000
# Numbers that are held at a time, some times over.
_AT_ONCE = 1_000_000

# Means over images by name, each float64 (draws, columns).
Means = Mapping[str, np.ndarray]


def find_intervals(
    tables: Mapping[str, csr_array],
    scores: Callable[[Means], Mapping[str, np.ndarray]],
    *,
    seed: int,
) -> dict[str, float]:
    """Finds the 95 % interval of each score.

    Its ends are quantiles of the draws, shifted by the share of them that is below the score of
    the images themselves: the calibration error of a draw, for one, is higher on average.
    https://doi.org/10.1080/01621459.1987.10478410, section 2

    Args:
        tables: Numbers of each image, (images, columns).
        scores: Computes scores, each float64 (draws,), from the means of the tables.
        seed: Of what is drawn.

    Returns:
        `NAME_low` and `NAME_high` of each score. One that is the same in every draw, as the
        balanced accuracy of a model without a mistake, has none.
    """
    columns = hstack([*tables.values()], format="csr")
    ends = np.cumsum([table.shape[1] for table in tables.values()])[:-1]

    def compute(sums: np.ndarray) -> dict[str, np.ndarray]:
        parts = np.split(sums / columns.shape[0], ends, axis=1)
        found = scores(dict(zip(tables, parts, strict=True)))
        # Copies: a view would keep all sums.
        return {name: values.copy() for name, values in found.items()}

    own = compute(np.asarray(columns.sum(axis=0))[np.newaxis])
    drawn = [compute(sums) for sums in _draw(columns, seed)]
    found = {}
    for name, value in own.items():
        values = np.concatenate([one[name] for one in drawn])
        if np.ptp(values):
            found[f"{name}_low"], found[f"{name}_high"] = find_ends(float(value[0]), values)
    return found


def in_columns(
    values: np.ndarray, columns: np.ndarray | None = None, num_columns: int = 1
) -> csr_array:
    """Returns a table with the value of each image in one column, both (images,); the first one."""
    count = len(values)
    chosen = np.zeros(count, np.int64) if columns is None else columns
    parts = (values.astype(np.float64), chosen, np.arange(count + 1))
    return csr_array(parts, shape=(count, num_columns))


def _draw(columns: csr_array, seed: int) -> Iterator[np.ndarray]:
    """Yields the sums of drawn images, some draws at a time, float64 (draws, columns)."""
    rng, transposed = np.random.default_rng(seed), columns.T.tocsr()
    count, most = columns.shape[0], max(1, _AT_ONCE // max(columns.shape))
    for first in range(0, RESAMPLES, most):
        times = [
            np.bincount(rng.integers(count, size=count), minlength=count)
            for _ in range(min(most, RESAMPLES - first))
        ]
        yield (transposed @ np.stack(times, axis=1, dtype=np.float64)).T


def find_ends(own: float, drawn: np.ndarray) -> tuple[float, float]:
    """Finds the 95 % interval of a score from its values in many draws, see `find_intervals`."""
    below = np.mean(drawn < own) + 0.5 * np.mean(drawn == own)
    least = 1 / (2 * len(drawn))
    shift = 2 * scipy.special.ndtri(np.clip(below, least, 1 - least))
    z = scipy.special.ndtri(0.5 + 0.5 * CONFIDENCE)
    low, high = np.quantile(drawn, scipy.special.ndtr([shift - z, shift + z]))
    return float(low), float(high)
