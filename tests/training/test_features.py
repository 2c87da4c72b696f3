import numpy as np
import pytest
import tensorflow as tf

from kerastl.training import features as module
from kerastl.training.features import StoredFeatures
from stores import SHAPE, fill, hashes_of, open_store, rows_of


@pytest.fixture
def stored(tmp_path):
    """Features of images 3 to 7 of ten, stored in another order and among those of others."""
    store = open_store(tmp_path)
    fill(store, [20, 7, 3, 21, 5, 4, 6])
    return StoredFeatures(0.0, store, store.find(hashes_of(range(10))))


@pytest.fixture(params=["memory", "disk"])
def either(request, stored, monkeypatch):
    if request.param == "disk":
        limit = 5 * 4 * int(np.prod(SHAPE)) - 1
        monkeypatch.setattr(module, "MAX_BYTES_IN_MEMORY", limit)
    return stored


def test_features_follow_the_images(either):
    np.testing.assert_array_equal(either.take(np.array([7, 3, 4, 7])), rows_of([7, 3, 4, 7]))


def test_features_are_read_inside_a_pipeline(either):
    dataset = tf.data.Dataset.from_tensor_slices(np.array([5, 3, 6, 4])).batch(3)
    batches = [batch.numpy() for batch in dataset.map(either.read)]
    np.testing.assert_array_equal(np.concatenate(batches), rows_of([5, 3, 6, 4]))
    assert dataset.map(either.read).element_spec.shape.as_list() == [None, *SHAPE]


def test_few_features_are_read_from_disk_once(stored, monkeypatch):
    stored.take(np.array([3]))
    monkeypatch.setattr(stored.store, "read", None)
    np.testing.assert_array_equal(stored.take(np.array([7, 3])), rows_of([7, 3]))


def test_many_features_stay_on_disk(stored, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES_IN_MEMORY", 0)
    stored.take(np.array([3]))
    monkeypatch.setattr(stored.store, "read", None)
    with pytest.raises(TypeError):
        stored.take(np.array([3]))
