import dataclasses

import keras
import numpy as np
import pytest

import fakes
import kerastl
from kerastl.errors import KerastlError
from kerastl.model.build import build_classifier
from kerastl.model.network import Network
from kerastl.settings import Phase
from kerastl.training import fit, steps
from kerastl.training.best import Best
from kerastl.training.evaluate import evaluate
from kerastl.training.fit import (
    PhaseData,
    _settle_statistics,
    train_phase,
)
from kerastl.training.steps import TrainingSteps

STEPS = 5


def train(
    row_of_net,
    rate,
    *,
    epochs=3,
    name="head",
    poisoned=None,
    validated=0.0,
    stored=False,
    by=train_phase,
    **changes,
):
    config = kerastl.Config(
        run_dir="unused",
        dataset="digits",
        batch_size=8,
        head_epochs=epochs,
        head_learning_rate=0.1,
        schedule="constant",
        **changes,
    )
    shape = (fakes.IMAGE_SIZE, fakes.IMAGE_SIZE, 3)
    network = fakes.tiny_net(include_top=False, weights=None, input_shape=shape, name="backbone")
    classifier = build_classifier(network, scaling=None, num_classes=2, dropout=0.0)
    unfreeze_from = None if name == "head" else "all"
    phase = Phase(
        name=name, epochs=epochs, learning_rate=rate, warmup_epochs=0, unfreeze_from=unfreeze_from
    )
    opened = Network.of(classifier, row_of_net)
    plan = opened.plan(phase)
    opened.set_trainable(plan)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (epochs * STEPS * 8, *shape)).astype("float32")
    if poisoned is not None:
        images[poisoned * 8] = np.nan
    labels = np.arange(len(images)) % 2
    batches = fakes.batches(images, labels, 8)
    validation = fakes.batches(np.full_like(images[:8], validated), labels[:8], 8)
    if stored:
        batches = batches.map(lambda images, labels: (plan.lower(images), labels))
    data = PhaseData(
        train=batches,
        num_train=STEPS * 8,
        lower=None if stored else plan.lower,
        validate=lambda: evaluate(classifier, validation, labels[:8]),
    )
    best = Best()
    best.begin(plan.upper.weights)
    rows = []
    by(plan, data, config, best=best, progress=kerastl.Progress(), on_epoch=rows.append)
    return classifier, rows


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("step", [0, 1, 7])
def test_loss_that_is_not_finite_is_named_by_its_step(tiny_net, step, stored):
    epoch, in_epoch = divmod(step, STEPS)
    expected = (
        rf"in the head phase, epoch {epoch + 1}, step {in_epoch + 1} of 5, at learning rate 0\.01"
    )
    with pytest.raises(KerastlError, match=expected):
        train(tiny_net, 0.01, poisoned=step, stored=stored)


@pytest.mark.parametrize(("most", "calls"), [(256, 2), (3, 10)])
def test_steps_of_one_call_are_those_of_many(tiny_net, most, calls, monkeypatch):
    keras.utils.set_random_seed(0)
    monkeypatch.setattr(fit, "_MOST_STEPS_AT_ONCE", 1)
    one_by_one, rows = train(tiny_net, 0.01, epochs=2, stored=True)
    monkeypatch.setattr(fit, "_MOST_STEPS_AT_ONCE", most)
    ends, run = [], TrainingSteps.run
    monkeypatch.setattr(
        TrainingSteps, "run", lambda self, batches: ends.append(batches) or run(self, batches)
    )
    keras.utils.set_random_seed(0)
    together, same_rows = train(tiny_net, 0.01, epochs=2, stored=True)
    assert len(ends) == calls
    for ours, theirs in zip(together.weights, one_by_one.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [dataclasses.replace(row, seconds=0) for row in same_rows] == [
        dataclasses.replace(row, seconds=0) for row in rows
    ]


def test_validation_loss_that_is_not_finite_is_named_by_the_step_before(tiny_net):
    expected = r"in the head phase, epoch 1, validation after step 5 of 5, at learning rate 0\.01"
    with pytest.raises(KerastlError, match=expected):
        train(tiny_net, 0.01, validated=np.nan)


def test_training_step_is_built_once(tiny_net, monkeypatch):
    built, loss = [], steps.finite_cross_entropy
    monkeypatch.setattr(
        steps, "finite_cross_entropy", lambda *given: built.append(given) or loss(*given)
    )
    train(tiny_net, 0.01, epochs=2)
    assert len(built) == 1


def test_rows_have_the_rate_of_the_epochs_first_step(tiny_net):
    _, rows = train(tiny_net, 0.01, epochs=2)
    assert [row.epoch for row in rows] == [1, 2]
    assert [row.learning_rate for row in rows] == pytest.approx([0.01, 0.01])
    assert all(np.isfinite(dataclasses.astuple(row)[2:]).all() for row in rows)


@pytest.mark.thorough
def test_statistics_from_scratch_follow_within_the_run(tiny_net):
    classifier, _ = train(tiny_net, 0.01, name="scratch")
    assert classifier.get_layer("backbone").get_layer("stem_bn").momentum == 0.9


@pytest.mark.parametrize(("steps_per_epoch", "momentum"), [(5, 0.9), (100, 0.9), (1000, 0.99)])
def test_statistics_remember_ten_steps_or_a_hundredth_of_an_epoch(steps_per_epoch, momentum):
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    _settle_statistics(model, steps_per_epoch)
    assert model.layers[0].momentum == pytest.approx(momentum)


def test_statistics_of_a_pretrained_network_keep_their_momentum(tiny_net):
    classifier, _ = train(tiny_net, 0.01, name="finetune")
    assert classifier.get_layer("backbone").get_layer("stem_bn").momentum == 0.99


@pytest.mark.parametrize(
    ("optimizer", "weight_decay"), [("sgd", 0.0), ("sgd", 0.1), ("adamw", 0.1)]
)
def test_steps_are_those_of_keras_and_decay_kernels_only(tiny_net, optimizer, weight_decay):
    class_of = {"sgd": keras.optimizers.SGD, "adamw": keras.optimizers.AdamW}[optimizer]
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    plain = class_of(0.01, weight_decay=weight_decay or None, **options)
    if weight_decay:
        plain.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    keras.utils.set_random_seed(0)
    ours, _ = train(tiny_net, 0.01, name="finetune", optimizer=optimizer, weight_decay=weight_decay)
    keras.utils.set_random_seed(0)

    def by_keras(plan, data, *_, **__):
        model = keras.Sequential([keras.layers.Lambda(plan.lower), plan.upper])
        model.compile(plain, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(data.train, epochs=1, shuffle=False, verbose=0)

    theirs, _ = train(
        tiny_net,
        0.01,
        name="finetune",
        optimizer=optimizer,
        weight_decay=weight_decay,
        by=by_keras,
    )
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=one.path)


def test_rate_that_ruins_all_stops_the_run(tiny_net):
    with pytest.raises(KerastlError, match=r"is not finite in the head phase, epoch 1, step \d"):
        train(tiny_net, 1e30)
