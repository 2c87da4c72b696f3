"""Groups of test images in which a model is right far less often than elsewhere."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from kerastl.data.source import Cause
from kerastl.data.splits import Splits
from kerastl.lazy import sklearn
from kerastl.progress import count_of
from kerastl.training.evaluation import Evaluation
from kerastl.training.scores import CONFIDENCE, wilson_intervals
from kerastl.training.whitening import of_length_1

# Images of each slice that are named.
NUM_EXAMPLES = 4
HEADER = (
    *("kind", "name", "num_images", "classes"),
    *("accuracy", "elsewhere", "low", "high", "is_far_below"),
    *("example", *(f"example_{number}" for number in range(2, 1 + NUM_EXAMPLES))),
)
# A slice is far below if the whole interval of the difference is.
_FAR = 0.1
# Fewer images than this show nothing.
_FEWEST = 10
# Clusters have so many test images on average, there are at most so many, and they are found on at
# most so many training images.
_OF_CLUSTER, _MOST_CLUSTERS, _MOST_FITTED = 50, 20, 4000
_MOST_CLASSES = 3
# Groups may be one because they have the same images.
_MOST_NAMES = 3


@dataclasses.dataclass(frozen=True)
class Slice:
    """Test images that belong together, compared with others of the same classes.

    Attributes:
        kind: "group" of the data, or "cluster" of images whose features are alike.
        name: What the data call the group, or empty.
        num_images: Images that are compared: those whose class has others elsewhere.
        classes: Its most frequent classes, each with its share of the images, in words.
        accuracy: Share of them that is named rightly.
        elsewhere: The same of the other images, each class as often as here.
        low: Lower end of the interval of `accuracy` less `elsewhere`.
        high: Its upper end. All intervals together hold with 95 %.
        examples: The first images of it that are named wrongly.
    """

    kind: str
    name: str
    num_images: int
    classes: tuple[str, ...]
    accuracy: float
    elsewhere: float
    low: float
    high: float
    examples: tuple[str, ...]

    @property
    def is_far_below(self) -> bool:
        """Whether it is clearly worse, by a tenth of the images or more."""
        return self.high <= -_FAR

    def row(self) -> tuple[object, ...]:
        """Returns the row of `slices.csv`."""
        values = (self.kind, self.name, self.num_images, ", ".join(self.classes))
        more = [""] * (NUM_EXAMPLES - len(self.examples))
        rest = (self.accuracy, self.elsewhere, self.low, self.high, self.is_far_below)
        return (*values, *rest, *self.examples, *more)


def find_slices(
    splits: Splits,
    test: Evaluation,
    pooled: Callable[[np.ndarray], np.ndarray | None],
    *,
    seed: int,
) -> tuple[Slice, ...]:
    """Compares the groups and the clusters of the test images with the others, the worst first.

    Args:
        splits: The images.
        test: The model's predictions for the test images.
        pooled: Returns features of images by their positions, float32 (images, channels), or None.
        seed: Seed of the clusters.
    """
    kinds = {
        "group": _find_groups(splits),
        "cluster": _find_clusters(splits, pooled, seed=seed),
    }
    masks = [(kind, found == number) for kind, found in kinds.items() for number in _listed(found)]
    slices = [_compare(kind, mask, splits, test, len(masks)) for kind, mask in masks]
    return tuple(sorted(filter(None, slices), key=lambda one: one.high))


def warn_of_slices(slices: tuple[Slice, ...]) -> Iterator[str]:
    """Yields a line if some are far below."""
    if worst := [one for one in slices if one.is_far_below]:
        one = worst[0]
        yield (
            f"Warning: {count_of(len(worst), 'slice')} of the test images "
            f"{'is' if len(worst) == 1 else 'are'} far below the rest; in "
            f"{f'{one.kind} {one.name!r}' if one.name else f'a {one.kind}'} of "
            f"{count_of(one.num_images, 'image')} such as {one.examples[0]}, the accuracy is "
            f"{one.accuracy:.4f}, and {one.elsewhere:.4f} for the same classes elsewhere. "
            "slices.csv lists all."
        )


def _listed(found: np.ndarray) -> list[int]:
    """Lists the numbers from 0 on that are frequent enough."""
    numbers, counts = np.unique(found[found >= 0], return_counts=True)
    listed: list[int] = numbers[counts >= _FEWEST].tolist()
    return listed


def _find_groups(splits: Splits) -> np.ndarray:
    """Numbers the groups that the data give to test images, -1 for none, int64 (test,)."""
    causes = splits.source.causes
    if causes is None:
        return np.full(len(splits.test), -1)
    is_given = (causes[splits.test] & Cause.GROUP) > 0
    return np.where(is_given, splits.clusters[splits.test], -1)


def _find_clusters(
    splits: Splits, pooled: Callable[[np.ndarray], np.ndarray | None], *, seed: int
) -> np.ndarray:
    """Numbers clusters of the training images' features for the test images, int64 (test,)."""
    count = min(_MOST_CLUSTERS, len(splits.test) // _OF_CLUSTER)
    none = np.full(len(splits.test), -1)
    train = splits.train[:_MOST_FITTED]  # Their order is random.
    if count <= 1 or len(train) < count:
        return none
    features, tested = pooled(train), pooled(splits.test)
    if features is None or tested is None:
        return none
    found = sklearn.cluster.KMeans(count, n_init=1, random_state=seed).fit(of_length_1(features))
    return np.asarray(found.predict(of_length_1(tested))).astype(np.int64)


def _compare(
    kind: str, mask: np.ndarray, splits: Splits, test: Evaluation, num_compared: int
) -> Slice | None:
    labels, is_right, names = test.labels, test.predicted == test.labels, splits.source.class_names
    others = np.bincount(labels[~mask], minlength=len(names))
    mask = mask & (others[labels] > 0)
    num_images = int(mask.sum())
    if num_images < _FEWEST:
        return None
    shares = np.bincount(labels[mask], minlength=len(names)) / num_images
    used = np.flatnonzero(shares)
    rights = np.bincount(labels[~mask & is_right], minlength=len(names))
    elsewhere = float(shares[used] @ (rights[used] / others[used]))
    # As many images as would give an unweighted mean the same variance.
    weight = 1 / float(np.sum(shares[used] ** 2 / others[used]))
    accuracy = float(is_right[mask].mean())
    low, high = _difference((accuracy, elsewhere), (num_images, weight), num_compared)
    wrong = np.flatnonzero(mask & ~is_right)[:NUM_EXAMPLES]
    frequent = np.argsort(-shares, kind="stable").tolist()[:_MOST_CLASSES]
    return Slice(
        kind,
        _name(splits, mask) if kind == "group" else "",
        num_images,
        tuple(f"{names[label]} ({shares[label]:.0%})" for label in frequent if shares[label]),
        accuracy,
        elsewhere,
        low,
        high,
        tuple(splits.source.examples[index] for index in splits.test[wrong]),
    )


def _name(splits: Splits, mask: np.ndarray) -> str:
    """Names the groups of the images of a mask, bool (test,)."""
    given = splits.source.group_names or ()
    found = [*dict.fromkeys(filter(None, (given[index] for index in splits.test[mask])))]
    more = len(found) - _MOST_NAMES
    return ", ".join(found[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _difference(
    shares: tuple[float, float], counts: tuple[float, float], num_compared: int
) -> tuple[float, float]:
    """Computes Newcombe's interval of the first share less the second, his method 10.

    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    It is as wide as makes `num_compared` of them hold together (Bonferroni).
    """
    share, count = np.array(shares), np.array(counts)
    confidence = 1 - (1 - CONFIDENCE) / num_compared
    low, high = wilson_intervals(share * count, count, confidence=confidence)
    difference = float(share[0] - share[1])
    return (
        difference - float(np.hypot(share[0] - low[0], high[1] - share[1])),
        difference + float(np.hypot(high[0] - share[0], share[1] - low[1])),
    )
