"""Feature stores of small rows that tell which image they are of."""

import numpy as np

from kerastl.data.store import FeatureStore

SHAPE = (3, 5)


def open_store(root, **changes):
    values = {"identity": {"weights": "a"}, "shape": SHAPE, "dtype": "float32"} | changes
    return FeatureStore(root, values.pop("identity"), **values)


def hashes_of(numbers):
    return np.array([[number % 256, number // 256] + [0] * 14 for number in numbers], np.uint8)


def rows_of(numbers):
    return np.array([np.full(SHAPE, number, np.float32) for number in numbers])


def fill(store, numbers):
    with store.adding() as writer:
        writer.add(hashes_of(numbers), rows_of(numbers))


def read(store, numbers):
    found = store.find(hashes_of(numbers))
    assert (found >= 0).all()
    return store.read(found)
