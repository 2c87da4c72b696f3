"""Finds images that look nearly the same among up to millions, by an index of perceptual hashes."""

import concurrent.futures
import functools
from collections.abc import Iterator

import numpy as np

from kerastl.resources import usable_cores

# Two pictures are nearly equal if at most this many bits of their perceptual hashes differ, and the
# colors of their fields by at most these levels of 255, on average and in any single field. All
# of the 20 pairs that have this among 12,000 images of CIFAR-10 show one picture twice to the
# eye; of the next ten, at 10 to 12 levels, three do not.
_MAX_BITS = 12
_MAX_LEVELS = 10
_MAX_LEVELS_IN_A_FIELD = 45
# They must also differ by at most this share of how much their fields vary: pages of text are
# nearly the same gray everywhere. And by at most this share for each field that carries the
# picture: small drawings share their ground, and a few fields are soon alike by chance. Of those
# pairs, and eight of pictures that are turned, one is lost. Of 2,400 drawings of eight kinds on
# white, without a copy, a fifth as many pairs are left; of their copies, saved again as a JPEG of
# quality 30, resized or brightened, 95 % are found.
_MAX_SHARE, _MAX_SHARE_OF_A_FIELD = 0.5, 0.02
_HASH_BYTES = 8
# Hashes that differ in at most 12 bits differ in at most 2 in one of 5 parts. So a hash is compared
# only with those whose part of the same place differs in at most 2 bits: 1.1 % of them, for each
# part. Below this number comparing with all is faster.
_PARTS = 5
FEW = 200_000
# How many times as many images each round begins with as those before it.
_GROWTH = 4
# Hashes that are compared at once, so that the results stay in a processor's cache.
_ROWS, _COLUMNS = 16, 8192
# Shares of the work for each core.
_SHARES = 4
# Pairs, and images, whose fields are compared or measured at once.
_AT_ONCE = 1 << 13


def find_near(descriptors: np.ndarray, pixels: np.ndarray) -> Iterator[list[int]]:
    """Yields groups (two or more) of positions of images that look nearly the same.

    Earlier images take later ones: each of a group is near its first, and in no other group.
    A hundred thousand images with random hashes took 14 s of one core's time, by comparing all. Of
    a million, the parts leave one hash in 18 to compare; that was not measured to its end.

    Args:
        descriptors: `Inspection.descriptor`, uint8 (images, 200), in an order that is random in
            respect of how images look: it bounds the memory.
        pixels: A number for the pixels of each, int64 (images,); equal ones make no group.
    """
    look = _Look(descriptors)
    taken = np.zeros(len(pixels), bool)
    # Each round begins with more images than all before it. Of many that are nearly the same, as
    # from one camera, an early round takes most, so the pairs of a round are not many times more
    # than the images.
    start, stop = 0, 1
    while start < len(pixels):
        left = start + np.flatnonzero(~taken[start:])
        firsts, others = look.find_pairs(left, int(np.searchsorted(left, stop)))
        differ = pixels[firsts] != pixels[others]
        firsts, others = firsts[differ], others[differ]
        for first in np.unique(firsts).tolist():
            low, high = np.searchsorted(firsts, [first, first + 1])
            near = others[low:high]
            near = near[~taken[near]]
            if len(near) and not taken[first]:
                taken[near] = True
                yield [first, *near.tolist()]
        start, stop = stop, _GROWTH * stop


class _Look:
    """How images look: their perceptual hashes, and the colors of their fields."""

    def __init__(self, descriptors: np.ndarray) -> None:
        self._fields_of = descriptors[:, _HASH_BYTES:]
        hash_bytes = np.ascontiguousarray(descriptors[:, :_HASH_BYTES])
        self._hashes = hash_bytes.view(np.uint64).reshape(-1)
        self._parts = _split(hash_bytes)
        self._limits = np.concatenate(
            [
                _limit(self._fields(np.arange(start, min(start + _AT_ONCE, len(descriptors)))))
                for start in range(0, len(descriptors), _AT_ONCE)
            ]
            or [np.zeros(0, np.float32)]
        )

    def find_pairs(self, places: np.ndarray, num_first: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds the pairs of the first of `places`, which ascend, with all that come later.

        Returns:
            The first and the second of each pair, both int64 (pairs,), in ascending order.
        """
        if not num_first:
            return places[:0], places[:0]
        found = [places[:0]]
        with concurrent.futures.ThreadPoolExecutor(usable_cores()) as pool:
            for part in self._parts:
                order = places[np.argsort(part[places], kind="stable")]
                starts = np.searchsorted(part[order], np.arange(int(part.max()) + 2))
                parts = np.unique(part[places[:num_first]])
                near = functools.partial(
                    self._near_of_part, order=order, starts=starts, last=places[num_first - 1]
                )
                found += pool.map(near, np.array_split(parts, _SHARES * usable_cores()))
        both = np.unique(np.concatenate(found))
        return both // len(self._hashes), both % len(self._hashes)

    def _near_of_part(
        self, parts: np.ndarray, *, order: np.ndarray, starts: np.ndarray, last: int
    ) -> np.ndarray:
        """Finds pairs whose first has one of some values as a part, as first * images + second."""
        values = np.arange(len(starts) - 1)
        found = [order[:0]]
        for part in parts.tolist():
            firsts = order[starts[part] : starts[part + 1]]
            firsts = firsts[firsts <= last]
            similar = np.flatnonzero(np.bitwise_count(values ^ part) <= _MAX_BITS // _PARTS)
            others = np.concatenate([order[starts[one] : starts[one + 1]] for one in similar])
            found.extend(self._near(firsts, others))
        return np.concatenate(found)

    def _near(self, firsts: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the near pairs of the first with the others that come later."""
        hashes, other_hashes = self._hashes[firsts, None], self._hashes[others]
        for column in range(0, len(others), _COLUMNS):
            block = other_hashes[column : column + _COLUMNS]
            differ = np.empty((_ROWS, len(block)), np.uint64)
            bits = np.empty(differ.shape, np.uint8)
            for row in range(0, len(firsts), _ROWS):
                of_rows = hashes[row : row + _ROWS]
                np.bitwise_xor(of_rows, block, out=differ[: len(of_rows)])
                np.bitwise_count(differ[: len(of_rows)], out=bits[: len(of_rows)])
                # Mostly none is, which the smallest shows soonest.
                if bits[: len(of_rows)].min() <= _MAX_BITS:
                    near = np.nonzero(bits[: len(of_rows)] <= _MAX_BITS)
                    yield self._check(firsts[row + near[0]], others[column + near[1]])

    def _check(self, firsts: np.ndarray, others: np.ndarray) -> np.ndarray:
        pairs = np.stack([firsts, others])[:, firsts < others]
        is_near = [
            self._is_near(*pairs[:, at : at + _AT_ONCE])
            for at in range(0, pairs.shape[1], _AT_ONCE)
        ]
        firsts, others = pairs[:, np.concatenate([np.zeros(0, bool), *is_near])]
        both: np.ndarray = firsts * len(self._hashes) + others
        return both

    def _is_near(self, firsts: np.ndarray, others: np.ndarray) -> np.ndarray:
        differences = self._fields(others) - self._fields(firsts)
        levels = np.abs(differences).mean(axis=2)
        limits = np.minimum(self._limits[firsts], self._limits[others])
        near: np.ndarray = (
            (levels.mean(axis=1) <= _MAX_LEVELS)
            & (levels.max(axis=1, initial=0) <= _MAX_LEVELS_IN_A_FIELD)
            & (np.sqrt(np.square(differences).mean(axis=(1, 2))) <= limits)
        )
        return near

    def _fields(self, places: np.ndarray) -> np.ndarray:
        """Returns the colors of the fields of some images, float32 (images, fields, 3)."""
        fields: np.ndarray = self._fields_of[places].astype(np.float32)
        return fields.reshape(len(places), -1, 3)


def _limit(fields: np.ndarray) -> np.ndarray:
    """Returns by how much copies of each image may differ, the root of the mean square."""
    # The ground of a drawing has the color of most fields.
    varies = np.square(fields - np.median(fields, axis=1, keepdims=True)).mean(axis=2)
    # As many fields with equal parts would have the same sum and the same sum of squares.
    squares = np.maximum(np.square(varies).sum(axis=1), np.finfo(np.float32).tiny)
    num_fields = np.square(varies.sum(axis=1)) / squares
    limits: np.ndarray = np.sqrt(varies.mean(axis=1)) * np.minimum(
        _MAX_SHARE, _MAX_SHARE_OF_A_FIELD * num_fields
    )
    return limits


def _split(hash_bytes: np.ndarray) -> list[np.ndarray]:
    """Splits hashes into parts, each int64 (images,)."""
    if len(hash_bytes) < FEW:
        return [np.zeros(len(hash_bytes), np.int64)]
    bits = np.unpackbits(hash_bytes, axis=1)
    # Neighboring bits, which resemble each other, are in different parts.
    shares = [bits[:, part::_PARTS] for part in range(_PARTS)]
    return [share @ (1 << np.arange(share.shape[1])) for share in shares]
