"""Finds pictures of another kind than the others, such as drawings among photos.

The features of a head tell what images show, and to them a drawn cat is a cat. Those of the lower
layers tell how they look, and there such pictures lie alone.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from kerastl.data.source import USED, Finding, Source
from kerastl.data.splits import Splits, spread
from kerastl.lazy import sklearn
from kerastl.progress import count_of
from kerastl.training.trained import Trained

# Up to about as many pictures of another kind that are alike are found, and so many times as many
# images are needed.
_NEIGHBORS, _TIMES_NEIGHBORS = 50, 3
# Of what stays together at most so many are looked at, so that no neighborhood is one group.
_OF_GROUP = 5
_MOST_IMAGES = 20_000
# A picture is listed above both: this factor, and so many times as far above the median of all
# factors as their highest tenth begins. The factors of drawings with few colors vary more than
# those of photos. Without others among them, up to 4 in 1,000 pictures of CIFAR-10, digits and
# drawings of many kinds are above both; of 480 to 2,400 small drawings on white 11 to 16 in 1,000,
# and 23 to 39 above the first; docs/how_to/wrong_labels.md has what is found.
_FAR, _TENTHS = 1.4, 2.5
# Of a channel that varies; less is rounding.
_LEAST_DEVIATION = 1e-6
# Digits in which pictures that look the same agree.
_DIGITS = 4
KIND = "picture unlike the others"


@dataclasses.dataclass(frozen=True)
class OddPicture:
    """An image that looks unlike the others.

    Attributes:
        index: Its position in the source.
        times: How many times as far its nearest neighbors are as theirs are from them.
    """

    index: int
    times: float


def find_odd_pictures(
    trained: Trained, splits: Splits, indices: np.ndarray
) -> tuple[OddPicture, ...]:
    """Finds them among the images at `indices` of the source, the most unlike first."""
    chosen = indices[_of_groups(splits.clusters[indices])]
    chosen = chosen[spread(len(chosen), min(len(chosen), _MOST_IMAGES))]
    style = trained.style(chosen) if len(chosen) else None
    if style is None:
        return ()
    positions, times = rank_odd_pictures(style)
    return tuple(map(OddPicture, chosen[positions].tolist(), times.tolist()))


def rank_odd_pictures(style: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds what lies alone: the local outlier factor, https://doi.org/10.1145/335191.335388.

    Args:
        style: Float32 (images, channels).

    Returns:
        Positions of those that do, int64, and their factors, the largest first.
    """
    deviations = style.std(axis=0)
    varies = deviations > _LEAST_DEVIATION
    values = (style[:, varies] - style[:, varies].mean(axis=0)) / deviations[varies]
    # Among many that look the same a distance would be 0.
    _, different = np.unique(values.round(_DIGITS), axis=0, return_index=True)
    if len(different) < _NEIGHBORS * _TIMES_NEIGHBORS:
        return np.zeros(0, np.int64), np.zeros(0)
    found = sklearn.neighbors.LocalOutlierFactor(n_neighbors=_NEIGHBORS).fit(values[different])
    factors = -found.negative_outlier_factor_
    median, tenth = np.quantile(factors, (0.5, 0.9))
    limit = max(_FAR, median + _TENTHS * (tenth - median))
    order = np.argsort(-factors, kind="stable")[: np.count_nonzero(factors > limit)]
    return different[order], factors[order]


def list_findings(source: Source, pictures: tuple[OddPicture, ...]) -> Iterator[Finding]:
    """Yields a finding of the audit for each."""
    for one in pictures:
        detail = (
            f"in {source.class_names[source.labels[one.index]]}, {one.times:.1f} times as far from "
            "the most similar images as those are from theirs"
        )
        sha256 = source.hashes[one.index].tobytes().hex()
        yield Finding(source.examples[one.index], KIND, detail, sha256=sha256)


def describe_pictures(source: Source, pictures: tuple[OddPicture, ...]) -> Iterator[str]:
    """Yields the line that a run prints, if there are any."""
    if pictures:
        yield (
            f"Audit: {KIND}: {count_of(len(pictures), 'image')}, as "
            f"{source.examples[pictures[0].index]}. {USED} drop them."
        )


def _of_groups(groups: np.ndarray) -> np.ndarray:
    """Chooses the first few positions of each group, in order."""
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    place = np.arange(len(groups)) - np.repeat(starts, counts)
    return np.sort(order[place < _OF_GROUP])
