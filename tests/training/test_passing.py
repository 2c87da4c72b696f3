from types import SimpleNamespace

import numpy as np
import pytest

import fakes
from kerastl import replicas
from kerastl.data.pipeline import view_hashes
from kerastl.data.store import FeatureStore
from kerastl.data.store_locks import try_claim
from kerastl.progress import Progress
from kerastl.replicas import Replicas
from kerastl.settings import ImageSettings
from kerastl.training import passing
from kerastl.training.passing import Pass
from tiny_networks import open_tiny

IMAGES = ImageSettings(image_size=fakes.IMAGE_SIZE)
SOURCE = fakes.color_source(per_class=30)
ALL = np.arange(len(SOURCE))


@pytest.fixture
def open_pass(tiny_net, tmp_path):
    network = open_tiny(tiny_net)
    hashes = view_hashes(SOURCE, IMAGES)
    (channels,) = network.pooled.tensor.shape[1:]

    def open_one(worker, num_workers=2):
        store = FeatureStore(tmp_path, {"test": 1}, shape=(channels,), dtype="float32")
        team = Replicas(replicas.ONE.strategy, worker=worker, num_workers=num_workers)
        with replicas.using(team):
            return store, Pass(network, {network.pooled: store}, SOURCE, IMAGES, hashes)

    return open_one


def test_a_part_that_another_has_is_waited_for_and_taken_when_it_ends(open_pass, monkeypatch):
    store, run = open_pass(0)
    claim, left = try_claim(store.path, 5), []

    def other_ends(_):
        left.append(run.todo(ALL))
        claim.release()  # As the system does where a process ends.

    monkeypatch.setattr(passing, "time", SimpleNamespace(sleep=other_ends))
    run.run(ALL, Progress())
    (of_other,) = left
    assert 0 < len(of_other) < len(ALL)
    assert (SOURCE.hashes[of_other, 0] // 32 == 5).all()
    assert not len(run.todo(ALL))


def test_what_another_has_stored_meanwhile_is_not_computed(open_pass, monkeypatch):
    (first, one), (second, two) = open_pass(0), open_pass(1)
    one.run(ALL, Progress())
    computed = []
    monkeypatch.setattr(
        passing, "views_dataset", lambda *given, **options: computed.append(given) or []
    )
    # It has not seen what the first has added until it claims a part.
    assert len(two.todo(ALL)) == len(ALL)
    two.run(ALL, Progress())
    assert computed == []
    assert not len(two.todo(ALL))
    np.testing.assert_array_equal(
        first.read(first.find(SOURCE.hashes)), second.read(second.find(SOURCE.hashes))
    )
