import dataclasses

import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import KerastlError
from kerastl.settings import TrainingSettings
from kerastl.training import fit
from kerastl.training.best import Best
from kerastl.training.fit import settle_statistics, train_phase
from kerastl.training.steps import TrainingSteps
from tiny_networks import make_phase


def train(row_of_net, **changes):
    made = make_phase(row_of_net, **changes)
    settings = TrainingSettings(batch_size=8, schedule="constant")
    best, rows = Best(), []
    best.begin(made.plan.upper.weights, epochs=made.plan.phase.epochs)
    train_phase(
        made.plan,
        made.data,
        settings,
        progress=kerastl.Progress(),
        on_epoch=lambda row, validation: rows.append(row) or best.offer(row, validation),
    )
    return made.classifier, rows


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("most", "calls"), [pytest.param(256, 2, marks=pytest.mark.thorough), (3, 10)]
)
def test_steps_of_one_call_are_those_of_many(tiny_net, most, calls, monkeypatch):
    monkeypatch.setattr(fit, "MOST_STEPS_AT_ONCE", 1)
    one_by_one, rows = train(tiny_net, epochs=2, stored=True)
    monkeypatch.setattr(fit, "MOST_STEPS_AT_ONCE", most)
    ends, run = [], TrainingSteps.run
    monkeypatch.setattr(
        TrainingSteps, "run", lambda self, batches: ends.append(batches) or run(self, batches)
    )
    together, same_rows = train(tiny_net, epochs=2, stored=True)
    assert len(ends) == calls
    for ours, theirs in zip(together.weights, one_by_one.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [dataclasses.replace(row, seconds=0) for row in same_rows] == [
        dataclasses.replace(row, seconds=0) for row in rows
    ]


def test_validation_loss_that_is_not_finite_is_named_by_the_step_before(tiny_net):
    expected = r"in the head phase, epoch 1, validation after step 5 of 5, at learning rate 0\.01"
    with pytest.raises(KerastlError, match=expected):
        train(tiny_net, validated=np.nan)


@pytest.mark.thorough
def test_rows_have_the_rate_of_the_epochs_first_step(tiny_net):
    _, rows = train(tiny_net, epochs=2)
    assert [row.epoch for row in rows] == [1, 2]
    assert [row.learning_rate for row in rows] == pytest.approx([0.01, 0.01])
    assert all(np.isfinite(dataclasses.astuple(row)[2:]).all() for row in rows)


@pytest.mark.thorough
def test_statistics_from_scratch_follow_within_the_run(tiny_net):
    classifier, _ = train(tiny_net, name="scratch")
    assert classifier.get_layer("backbone").get_layer("stem_bn").momentum == 0.9


@pytest.mark.parametrize(("steps_per_epoch", "momentum"), [(5, 0.9), (100, 0.9), (1000, 0.99)])
def test_statistics_remember_ten_steps_or_a_hundredth_of_an_epoch(steps_per_epoch, momentum):
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    settle_statistics(model, steps_per_epoch)
    assert model.layers[0].momentum == pytest.approx(momentum)


@pytest.mark.thorough
def test_statistics_of_a_pretrained_network_keep_their_momentum(tiny_net):
    classifier, _ = train(tiny_net, name="finetune")
    assert classifier.get_layer("backbone").get_layer("stem_bn").momentum == 0.99


def test_rate_that_ruins_all_stops_the_run(tiny_net):
    with pytest.raises(KerastlError, match=r"is not finite in the head phase, epoch 1, step \d"):
        train(tiny_net, rate=1e30)
