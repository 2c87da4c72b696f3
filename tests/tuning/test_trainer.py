import dataclasses
import gc
import io

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.data.splits import make_splits
from kerastl.progress import Progress
from kerastl.training.passing import Pass
from kerastl.tuning import trainer as trainer_module
from kerastl.tuning.trainer import Trainer, without_test

FINETUNED = {"finetune_epochs": 1, "unfreeze_from": "block2"}


@pytest.fixture
def config(tmp_path, monkeypatch):
    fakes.install_tiny_net(monkeypatch)
    return fakes.tiny_config(tmp_path, head_epochs=2, cache_dir=str(tmp_path / "cache"))


def trainer_of(config):
    return Trainer(without_test(make_splits(fakes.color_source(noise=90.0), config)))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("first", "then", "is_kept"),
    [
        ({}, {"head_learning_rate": 0.01, "batch_size": 16, "optimizer": "adamw"}, True),
        (FINETUNED, FINETUNED | {"finetune_epochs": 2, "head_epochs": 1, "momentum": 0.5}, True),
        ({}, {"augment": "flip", "augment_views": 1}, False),
        ({}, {"resize": "pad"}, False),
        ({}, {"cache_dtype": "float16"}, False),
        ({}, {"image_size": 24}, False),
        ({}, {"dropout": 0.3}, False),
        ({}, {"seed": 1}, False),
        ({}, FINETUNED, False),
        (FINETUNED, FINETUNED | {"unfreeze_from": "block1"}, False),
    ],
)
def test_frozen_part_is_kept_while_nothing_below_a_boundary_changes(
    first, then, is_kept, config, monkeypatch
):
    opened = []
    open_frozen = trainer_module.open_frozen

    def count(*arguments):
        opened.append(arguments)
        return open_frozen(*arguments)

    monkeypatch.setattr(trainer_module, "open_frozen", count)
    monkeypatch.setattr(trainer_module, "train", lambda *_, **__: None)
    trainer = trainer_of(config)
    for changes in (first, then):
        trainer.train(dataclasses.replace(config, **changes), Progress())
    assert len(opened) == (1 if is_kept else 2)


@pytest.mark.thorough
def test_trial_gives_the_same_whatever_was_trained_before(config):
    trainer = trainer_of(config)
    for changes in ({}, {"augment": "flip", "augment_views": 1}, {"momentum": 0.5}):
        changed = dataclasses.replace(config, **changes)
        answer = trainer.score(changed, Progress())
        alone = trainer_of(config).score(changed, Progress())
        np.testing.assert_array_equal(answer.losses, alone.losses, err_msg=str(changes))
        assert answer.scores == alone.scores


@pytest.mark.thorough
def test_features_of_trials_are_read_into_memory_once(config, monkeypatch):
    reads = []
    read = kerastl.data.store.FeatureStore.read
    monkeypatch.setattr(
        kerastl.data.store.FeatureStore,
        "read",
        lambda store, rows: reads.append(len(rows)) or read(store, rows),
    )
    trainer, said = trainer_of(config), io.StringIO()
    for rate in (0.1, 0.01):
        changed = dataclasses.replace(config, head_learning_rate=rate)
        trainer.score(changed, Progress(said))
    assert len(reads) == 1
    # Each trial's own log says where its features come from.
    assert said.getvalue().count("images to compute") == 2
    assert "0 images to compute, 48 in the store already" in said.getvalue()


@pytest.mark.thorough
def test_trial_after_one_that_could_not_compute_features_computes_them(config, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("none is left")

    trainer = trainer_of(config)
    with monkeypatch.context() as broken:
        broken.setattr(Pass, "run", fail)
        with pytest.raises(MemoryError, match="none is left"):
            trainer.score(config, Progress())
    assert (
        trainer.score(config, Progress()).scores
        == trainer_of(config).score(config, Progress()).scores
    )


@pytest.mark.thorough
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_trial_leaves_no_graph_in_memory(config, optimizer):
    def count_graphs():
        gc.collect()
        # TensorFlow's class of them has no public name.
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    config = dataclasses.replace(config, head_epochs=1, optimizer=optimizer, **FINETUNED)
    trainer = trainer_of(config)
    trainer.score(config, Progress())
    before = count_graphs()
    trainer.score(dataclasses.replace(config, head_learning_rate=0.02), Progress())
    assert 0 < before == count_graphs()
