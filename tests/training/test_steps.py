import keras
import numpy as np
import pytest

from kerastl.errors import KerastlError
from kerastl.settings import TrainingSettings
from kerastl.training import steps as module
from kerastl.training.schedule import LearningRate
from kerastl.training.steps import TrainingSteps, cross_entropy
from tiny_networks import STEPS, make_phase


def take_steps(made, *, at_once=1, **settings):
    """Takes all steps of a phase; returns loss and accuracy after each call."""
    phase = made.plan.phase
    schedule = LearningRate(
        peak=phase.learning_rate, warmup_steps=0, total_steps=phase.epochs * STEPS, falls=False
    )
    steps = TrainingSteps(
        made.plan, made.data.lower, TrainingSettings(**settings), schedule, at_once=at_once
    )
    batches = iter(made.data.train(0))
    results = []
    for _ in range(phase.epochs):
        steps.begin_epoch()
        results += [steps.run(batches) for _ in range(STEPS // at_once)]
    return [(float(loss), float(accuracy)) for loss, accuracy in results]


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("step", "at_once"),
    [
        pytest.param(0, 1, marks=pytest.mark.thorough),
        pytest.param(1, 5, marks=pytest.mark.thorough),
        pytest.param(7, 1, marks=pytest.mark.thorough),
        (7, 5),
    ],
)
def test_loss_that_is_not_finite_is_named_by_its_step(tiny_net, step, at_once, stored):
    epoch, in_epoch = divmod(step, STEPS)
    expected = (
        rf"in the head phase, epoch {epoch + 1}, step {in_epoch + 1} of 5, at learning rate 0\.01"
    )
    with pytest.raises(KerastlError, match=expected):
        take_steps(make_phase(tiny_net, poisoned=step, stored=stored), at_once=at_once)


@pytest.mark.parametrize("losses", [[0.1, np.nan], [0.1, np.inf], [2e20]])
def test_losses_of_a_validation_are_finite(tiny_net, losses):
    made = make_phase(tiny_net, epochs=1)
    schedule = LearningRate(peak=0.01, warmup_steps=0, total_steps=STEPS, falls=False)
    steps = TrainingSteps(made.plan, made.data.lower, TrainingSettings(), schedule, at_once=STEPS)
    steps.run(iter(made.data.train(0)))
    steps.check_validation(np.array([0.1, 5.0]))
    with pytest.raises(KerastlError, match=r"validation after step 5 of 5, at learning rate 0\.01"):
        steps.check_validation(np.array(losses))


def test_loss_and_accuracy_are_those_of_the_epoch_so_far(tiny_net):
    one_by_one = take_steps(make_phase(tiny_net, epochs=2))
    assert one_by_one[0] == (pytest.approx(np.log(2)), 0.5)
    assert (
        take_steps(make_phase(tiny_net, epochs=2), at_once=STEPS) == one_by_one[STEPS - 1 :: STEPS]
    )


def test_training_step_is_built_once(tiny_net, monkeypatch):
    built = []
    monkeypatch.setattr(
        module,
        "cross_entropy",
        lambda *given: built.append(given) or cross_entropy(*given),
    )
    take_steps(make_phase(tiny_net, epochs=2))
    assert len(built) == 1


@pytest.mark.parametrize(
    ("optimizer", "weight_decay"),
    [
        pytest.param("sgd", 0.0, marks=pytest.mark.thorough),
        ("sgd", 0.1),
        pytest.param("adamw", 0.1, marks=pytest.mark.thorough),
    ],
)
def test_steps_are_those_of_keras_and_decay_kernels_only(tiny_net, optimizer, weight_decay):
    ours = make_phase(tiny_net, name="finetune")
    keras.utils.set_random_seed(0)
    take_steps(ours, optimizer=optimizer, weight_decay=weight_decay)

    class_of = {"sgd": keras.optimizers.SGD, "adamw": keras.optimizers.AdamW}[optimizer]
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    plain = class_of(0.01, weight_decay=weight_decay or None, **options)
    if weight_decay:
        plain.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    theirs = make_phase(tiny_net, name="finetune")
    model = keras.Sequential([keras.layers.Lambda(theirs.plan.lower), theirs.plan.upper])
    model.compile(plain, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    keras.utils.set_random_seed(0)
    model.fit(theirs.data.train(0), epochs=1, shuffle=False, verbose=0)

    for one, other in zip(ours.classifier.weights, theirs.classifier.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=one.path)
