import dataclasses
import io
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl.data import store_locks as locks
from kerastl.data.entries import list_entries
from kerastl.data.images import decode_and_resize
from kerastl.data.segments import SegmentWriter
from kerastl.data.splits import Splits
from kerastl.disk_errors import cannot_write
from kerastl.model.folding import fold
from kerastl.training import cost, passing
from kerastl.training import features as module
from kerastl.training.frozen import FrozenPart
from tiny_networks import open_tiny, place


@pytest.fixture
def config(tmp_path):
    return kerastl.Config(
        run_dir=str(tmp_path / "run"),
        dataset="digits",
        backbone="TinyNet",
        weights=fakes.write_tiny_weights(tmp_path / "tiny.weights.h5"),
        image_size=fakes.IMAGE_SIZE,
        batch_size=8,
        head_epochs=3,
        head_learning_rate=0.05,
        cache_dir=str(tmp_path / "cache"),
    )


@pytest.fixture
def network(tiny_net):
    return open_tiny(tiny_net)


def store(network, config, source, *layer_names, indices=None):
    """Stores the features of some layers; returns them with what was said."""
    said = io.StringIO()
    boundaries = [place(network, name) for name in layer_names]
    indices = np.arange(len(source)) if indices is None else np.array(indices)
    none = indices[:0]
    splits = Splits(source, train=indices, validation=none, test=none, unused=none)
    progress = kerastl.Progress(said)
    frozen = FrozenPart.open(
        network, boundaries, splits, model=config, store=config, progress=progress
    )
    frozen.compute(progress)
    return [frozen.get(boundary) for boundary in boundaries], said.getvalue()


def test_stored_features_are_those_of_the_network(network, config):
    source = fakes.color_source(per_class=5)
    (block, pooled), _ = store(network, config, source, "block1_add", "pooled")
    images = np.stack([image_of(source, index) for index in range(len(source))])
    model = keras.Model(
        network.inputs, [place(network, "block1_add").tensor, place(network, "pooled").tensor]
    )
    expected = model(images, training=False)
    order = tf.constant([14, 0, 7])
    for stored, tensor in zip((block, pooled), expected, strict=True):
        np.testing.assert_allclose(stored.read(order), tf.gather(tensor, order), atol=1e-5)


def image_of(source, index):
    return decode_and_resize(source.read(index), image_size=fakes.IMAGE_SIZE, rule="crop").numpy()


def computed(said):
    return sum(map(int, re.findall(r": (\d+) images to compute", said)))


@pytest.mark.thorough
def test_only_new_images_are_computed(network, config):
    source = fakes.color_source(per_class=60)
    _, said = store(network, config, source, "pooled", indices=range(100))
    assert computed(said) == 100
    _, said = store(network, config, source, "pooled", indices=range(100))
    assert computed(said) == 0
    _, said = store(network, config, source, "pooled", indices=range(30, 150))
    assert computed(said) == 50
    # Another name, another order, the same content.
    shuffled = dataclasses.replace(source, name="moved", examples=[f"x{i}" for i in range(180)])
    _, said = store(network, config, shuffled, "pooled", indices=range(149, -1, -1))
    assert computed(said) == 0


def test_one_pass_gives_all_boundaries(network, config, monkeypatch):
    source = fakes.color_source(per_class=100)
    calls = []
    monkeypatch.setattr(
        passing, "fold", lambda model: calls.append(len(model.outputs)) or fold(model)
    )
    store(network, config, source, "pooled", "block1_add")
    assert calls == [2]


@pytest.mark.thorough
def test_boundary_that_is_there_is_not_stored_again(network, config):
    source = fakes.color_source(per_class=20)
    store(network, config, source, "pooled")
    before = {entry.path: entry.num_bytes for entry in list_entries_of(config)}
    (block, pooled), said = store(network, config, source, "block1_add", "pooled")
    assert computed(said) == 60
    after = {entry.path: entry.num_bytes for entry in list_entries_of(config)}
    (path,) = before
    # Only the note of its last use may differ.
    assert abs(after[path] - before[path]) < 100
    assert len(after) == 2
    assert (block.rows >= 0).all()
    assert (pooled.rows >= 0).all()


def list_entries_of(config):
    return list_entries(pathlib.Path(config.cache_dir))


@pytest.mark.thorough
def test_other_weights_are_another_combination(tiny_net, config):
    source = fakes.color_source(per_class=3)
    (first,), _ = store(open_tiny(tiny_net, seed=0), config, source, "pooled")
    (second,), _ = store(open_tiny(tiny_net, seed=1), config, source, "pooled")
    (again,), _ = store(open_tiny(tiny_net, seed=0), config, source, "pooled")
    order = tf.range(9, dtype=tf.int64)
    assert not np.allclose(first.read(order), second.read(order))
    np.testing.assert_array_equal(first.read(order), again.read(order))


def test_empty_cache_dir_stores_nothing(network, config):
    source = fakes.color_source(per_class=3)
    (stored,), said = store(network, dataclasses.replace(config, cache_dir=""), source, "pooled")
    assert stored is None
    assert said == ""


def test_what_does_not_fit_is_computed_and_said(network, config):
    source = fakes.color_source(per_class=3)
    small = dataclasses.replace(config, cache_limit_gb=1e-9)
    (stored,), said = store(network, small, source, "pooled")
    assert stored is None
    assert "computed in each epoch instead. Raise --cache_limit_gb" in said


@pytest.mark.thorough
def test_all_boundaries_together_stay_within_the_limit(network, config):
    source = fakes.color_source(per_class=100)
    (block, pooled), _ = store(network, config, source, "block1_add", "pooled")
    sizes = [stored.store.bytes_for(300) for stored in (block, pooled)]
    del block, pooled
    limited = dataclasses.replace(
        config, cache_dir=config.cache_dir + "2", cache_limit_gb=(sum(sizes) - 1) / 1e9
    )
    pathlib.Path(limited.cache_dir).mkdir()
    (block, pooled), said = store(network, limited, source, "block1_add", "pooled")
    assert block is None
    assert (pooled.rows >= 0).all()
    assert "Features at block1_add would take" in said
    assert sum(entry.num_bytes for entry in list_entries_of(limited)) <= sum(sizes)


@pytest.mark.thorough
def test_what_is_there_is_used_whatever_the_limit(network, config):
    source = fakes.color_source(per_class=3)
    store(network, config, source, "pooled")
    (stored,), said = store(
        network, dataclasses.replace(config, cache_limit_gb=1e-9), source, "pooled"
    )
    assert (stored.rows >= 0).all()
    assert "instead" not in said
    assert computed(said) == 0


@pytest.mark.thorough
def test_run_keeps_its_own_features_when_it_makes_room(network, config):
    source = fakes.color_source(per_class=100)
    (pooled,), _ = store(network, config, source, "pooled")
    mine = pooled.store.path
    before = {path.name for path in mine.glob("*.rows")}
    del pooled
    # Used later, so that the run's own features would be the first to go.
    store(network, config, fakes.color_source(per_class=400, seed=5), "block2_relu")
    limit = sum(entry.num_bytes for entry in list_entries_of(config))
    limited = dataclasses.replace(config, cache_limit_gb=limit / 1e9)
    (block, _), _ = store(network, limited, source, "block1_add", "pooled")
    assert (block.rows >= 0).all()
    assert {path.name for path in mine.glob("*.rows")} == before


def test_same_content_is_computed_once(network, config):
    source = fakes.color_source(per_class=4)
    twice = source.subset(np.tile(np.arange(12), 2))
    (stored,), said = store(network, config, twice, "pooled")
    assert computed(said) == 12
    assert stored.rows[:12].tolist() == stored.rows[12:].tolist()


def test_input_scaling_alone_is_not_stored(network, config):
    (stored,), _ = store(network, config, fakes.color_source(per_class=3), "input_scaling")
    assert stored is None


def test_slow_reading_is_not_chosen(network, config, monkeypatch):
    monkeypatch.setattr(cost, "BYTES_PER_SECOND", 1e3)
    (stored,), said = store(network, config, fakes.color_source(per_class=3), "pooled")
    assert stored is None
    assert "pooled are computed in each epoch: for an image about 0.053 ms, and 52 ms to" in said


def run(config, **changes):
    said = io.StringIO()
    changed = dataclasses.replace(config, **changes)
    result = kerastl.run(changed, progress=kerastl.Progress(said))
    rows = (result.run_dir / "predictions.csv").read_text().splitlines()[1:]
    probabilities = np.array([[float(cell) for cell in row.split(",")[3:]] for row in rows])
    return result, probabilities, said.getvalue()


@pytest.mark.thorough
def test_run_gives_the_same_with_the_store_and_without(tmp_path, config, tiny_net, use_source):
    use_source(fakes.color_source(noise=80.0))
    phases = {"finetune_epochs": 2, "finetune_learning_rate": 0.005, "unfreeze_from": "block2"}
    with_store, probabilities, said = run(config, **phases)
    assert "3 head epochs on stored features" in said
    assert "2 finetune epochs on stored features" in said
    without, expected, said = run(config, **phases, cache_dir="", run_dir=str(tmp_path / "plain"))
    assert "stored" not in said
    # Bit for bit: a rounding below the boundary would grow with every step of fine-tuning.
    np.testing.assert_array_equal(probabilities, expected)
    assert with_store.metrics == without.metrics
    for weight, other in zip(with_store.model.weights, without.model.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A run that has filled a store, in which later ones find all. Only read it."""
    folder = tmp_path_factory.mktemp("earlier")
    config = fakes.tiny_config(folder, head_epochs=3, cache_dir=str(folder / "cache"))
    return fakes.finish_run(config, fakes.color_source(noise=80.0))


@pytest.fixture
def again(earlier, tmp_path, tiny_net, use_source):
    """Runs once more, elsewhere, on the same images and the store that is filled."""
    use_source(earlier.source)
    return lambda **changes: run(earlier.config, run_dir=str(tmp_path / "again"), **changes)


def test_second_run_computes_nothing_and_is_bit_for_bit_the_first(earlier, again):
    second, _, said = again()
    assert computed(said) == 0
    for name in ("metrics.json", "predictions.csv"):
        first = (earlier.result.run_dir / name).read_bytes()
        assert (second.run_dir / name).read_bytes() == first


@pytest.mark.thorough
def test_other_seed_split_and_subset_compute_nothing(again):
    _, _, said = again(seed=3, validation_fraction=0.2, examples_per_class=5)
    assert computed(said) == 0


@pytest.mark.thorough
def test_features_of_another_network_fail_the_check(again, monkeypatch):
    monkeypatch.setattr(
        module.StoredFeatures,
        "read",
        lambda self, indices: tf.random.stateless_uniform(
            [tf.shape(indices)[0], *self.store.shape], seed=[0, 1]
        ),
    )
    with pytest.raises(kerastl.KerastlError, match="stored features and the whole network differ"):
        again(head_learning_rate=1.0)


@pytest.mark.thorough
def test_float16_features_are_told_their_cost(config, tiny_net, use_source):
    use_source(fakes.color_source(noise=80.0))
    _, _, said = run(config, cache_dtype="float16")
    assert re.search(r"stored features and the whole network differ by \d\.\de-0[3-9]", said)


@pytest.mark.thorough
def test_rows_are_those_of_the_untrained_network_whatever_the_run_has_trained(
    config, tiny_net, use_source
):
    use_source(fakes.color_source(noise=80.0))
    phases = {"finetune_epochs": 2, "finetune_learning_rate": 0.05, "unfreeze_from": "block1"}
    run(config, **phases)
    # Its own check compares them with the whole network, as it is before any training.
    _, _, said = run(config, overwrite=True)
    assert computed(said) == 0


@pytest.mark.thorough
def test_store_that_another_process_holds_is_done_without(network, config, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.05)
    source = fakes.color_source(per_class=2)
    (stored,), _ = store(network, config, source, "pooled")
    stored.store.close()
    with locks.held_alone(stored.store.path):
        (found,), said = store(network, config, source, "pooled")
    assert found is None
    assert "cannot be written (is locked by another process)" in said
    assert said.endswith("Features are computed in each epoch.\n")
    assert said.count("\n") == 1


@pytest.mark.thorough
def test_disk_that_fails_while_features_are_written_stops_nothing(network, config, monkeypatch):
    def refuse(writer, hashes, rows):
        raise cannot_write("cache_dir", config.cache_dir, "No space left on device")

    monkeypatch.setattr(SegmentWriter, "add", refuse)
    source = fakes.color_source(per_class=2)
    (found,), said = store(network, config, source, "pooled")
    assert found is None
    assert said.endswith("with --cache_dir. Features are computed in each epoch.\n")
    monkeypatch.undo()
    assert list_entries(pathlib.Path(config.cache_dir)) == []
