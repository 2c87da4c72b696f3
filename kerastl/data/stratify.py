"""Assigns clusters of images to splits so that every split gets its share of each class."""

import collections

import numpy as np

from kerastl.split_names import TRAIN

# Number of images of each class in each cluster.
Sizes = dict[int, dict[int, int]]
# Sums of group sizes that are tried to meet a fraction.
_MOST_SUMS = 2_000_000


def count_sizes(clusters: np.ndarray, labels: np.ndarray, rank: np.ndarray) -> Sizes:
    """Counts the images of each cluster by class, the clusters in the order of `rank`."""
    sizes: Sizes = {}
    for position in np.argsort(rank, kind="stable").tolist():
        counts = sizes.setdefault(int(clusters[position]), {})
        label = int(labels[position])
        counts[label] = counts.get(label, 0) + 1
    return sizes


def assign_clusters(sizes: Sizes, fractions: dict[str, float], side_of: dict[int, str]) -> None:
    """Assigns the clusters that have no split yet, over all classes at once.

    Each split in turn takes clusters in their order as long as no class exceeds its share. For
    a class that it has none of, it then takes the cluster that exceeds the share least. Where
    large clusters overshot or missed the share of a class, a better combination is chosen.

    Args:
        sizes: Images of each cluster by class, the clusters in the order of their rank.
        fractions: Share of the images that each split should have; the rest is for "train".
        side_of: Split of each cluster that has one already; all others are added.
    """
    total: collections.Counter[int] = collections.Counter()
    for counts in sizes.values():
        total.update(counts)
    promised: collections.Counter[int] = collections.Counter()
    for others, (name, fraction) in zip(
        range(len(fractions), 0, -1), fractions.items(), strict=True
    ):
        wanted = {
            label: max(0, min(max(1, round(fraction * n)), n - promised[label] - others))
            for label, n in total.items()
        }
        promised.update(wanted)
        share = _Share(sizes, wanted, side_of, name, others)
        share.fill()
        # The rarest first, which have the fewest to choose from.
        for label in sorted(total, key=lambda label: (total[label], label)):
            share.represent(label)
            share.fit(label)
        side_of |= dict.fromkeys(share.taken, name)
    for cluster in sizes:
        side_of.setdefault(cluster, TRAIN)


class _Share:
    """The free clusters that one split takes, at first none.

    Attributes:
        taken: Clusters taken so far.
    """

    def __init__(
        self,
        sizes: Sizes,
        wanted: dict[int, int],
        side_of: dict[int, str],
        name: str,
        others: int,
    ) -> None:
        self.taken: set[int] = set()
        # Images wanted of each class, and splits that every class has to leave a cluster for.
        self._wanted, self._others = wanted, others
        self._free = {
            cluster: counts for cluster, counts in sizes.items() if cluster not in side_of
        }
        self._have: collections.Counter[int] = collections.Counter()
        self._left = collections.Counter(
            label for counts in self._free.values() for label in counts
        )
        for cluster, counts in sizes.items():
            if side_of.get(cluster) == name:
                self._have.update(counts)

    def fill(self) -> None:
        """Takes clusters as long as no class exceeds its share."""
        for cluster, counts in self._free.items():
            if self._may_take(cluster) and not self._excess(counts):
                self._take(cluster)

    def represent(self, label: int) -> None:
        """Takes the cluster with the least excess, if the split has nothing of a class."""
        if self._have[label] or not self._wanted[label]:
            return
        able = [
            cluster
            for cluster, counts in self._free.items()
            if label in counts and self._may_take(cluster)
        ]
        if able:
            self._take(min(able, key=lambda cluster: self._excess(self._free[cluster])))

    def fit(self, label: int) -> None:
        """Chooses clusters of one class again whose sum comes nearer to its share."""
        gap = self._wanted[label] - self._have[label]
        if gap <= 1:
            return
        own = [cluster for cluster, counts in self._free.items() if counts.keys() == {label}]
        if len(own) * self._wanted[label] > _MOST_SUMS:
            return
        before = [cluster for cluster in own if cluster in self.taken]
        sizes = [self._free[cluster][label] for cluster in own]
        chosen = _nearest(sizes, gap + sum(self._free[cluster][label] for cluster in before))
        if len(own) - len(chosen) < self._others:
            return
        for cluster in before:
            self._take(cluster, times=-1)
        for place in chosen:
            self._take(own[place])

    def _may_take(self, cluster: int) -> bool:
        return cluster not in self.taken and all(
            self._left[label] > self._others for label in self._free[cluster]
        )

    def _excess(self, counts: dict[int, int]) -> int:
        return sum(
            max(0, self._have[label] + count - self._wanted[label])
            for label, count in counts.items()
        )

    def _take(self, cluster: int, *, times: int = 1) -> None:
        for label, count in self._free[cluster].items():
            self._have[label] += times * count
            self._left[label] -= times
        if times > 0:
            self.taken.add(cluster)
        else:
            self.taken.remove(cluster)


def _nearest(sizes: list[int], wanted: int) -> list[int]:
    """Finds the positions of sizes whose sum is nearest to `wanted`, the first that do."""
    # How each sum is reached: the last size in it and the sum before.
    reached: dict[int, tuple[int, int]] = {0: (-1, 0)}
    for place, size in enumerate(sizes):
        for before in sorted(reached, reverse=True):
            if before < wanted and before + size not in reached:
                reached[before + size] = (place, before)
    total = min(reached, key=lambda sum_: (abs(sum_ - wanted), sum_))
    chosen = []
    while total:
        place, total = reached[total]
        chosen.append(place)
    return chosen
