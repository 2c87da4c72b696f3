import dataclasses
import io
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl.data.pipeline import evaluation_dataset
from kerastl.data.splits import make_splits
from kerastl.model import phases
from kerastl.model.build import build_classifier
from kerastl.model.building.applications import build_backbone
from kerastl.model.network import Network
from kerastl.training import train as module
from kerastl.training.fit import PhaseResult

FINETUNE = {"finetune_epochs": 2, "finetune_learning_rate": 0.005, "unfreeze_from": "block2"}


class Record:
    """Keeps what a run directory would, and the weights after each epoch."""

    keeps_checkpoints = False
    pace = None

    def __init__(self, classifier):
        self.rows = []
        self.weights = []
        self.checkpoints = []
        self.checks = []
        self._classifier = classifier

    def end_stage(self, name):
        pass

    def add_epoch(self, row):
        self.rows.append(row)
        self.weights.append(self._classifier.get_weights())

    def add_check(self, check):
        self.checks.append(check)

    def save_best(self, classifier):
        self.checkpoints.append(classifier.get_weights())

    def save_checkpoint(self, checkpoint, *, num_epochs):
        pass

    def find_checkpoint(self):
        return None


def prepare(row, tmp_path, *, noise=20.0, per_class=20, **changes):
    """Makes all that `train` needs, on images of one color each."""
    config = fakes.tiny_config(tmp_path, **{"cache_dir": str(tmp_path / "cache")} | changes)
    splits = make_splits(fakes.color_source(noise=noise, per_class=per_class), config)
    backbone = build_backbone(row, weights=config.weights, image_size=config.image_size)
    classifier = build_classifier(backbone, scaling=row.scaling, num_classes=3, dropout=0.0)
    return SimpleNamespace(
        row=row,
        config=config,
        splits=splits,
        classifier=classifier,
        record=Record(classifier),
        said=io.StringIO(),
        start=classifier.get_weights(),
    )


def train(made):
    network, progress = Network.of(made.classifier, made.row), kerastl.Progress(made.said)
    # Left open, as the result may be evaluated.
    frozen = module.open_frozen(network, made.splits, made.config, progress)
    return module.train(
        network, made.splits, made.config, frozen, record=made.record, progress=progress
    )


def same(values, others):
    return all(np.array_equal(one, other) for one, other in zip(values, others, strict=True))


def rank(row):
    return row.val_accuracy, -row.val_loss


def weights_of(record, row):
    return record.weights[record.rows.index(row)]


@pytest.mark.thorough
@pytest.mark.parametrize("cache", ["stored", ""])
def test_classifier_holds_the_best_of_both_phases(tiny_net, tmp_path, cache):
    made = prepare(
        tiny_net, tmp_path, noise=120.0, cache_dir=cache and str(tmp_path / cache), **FINETUNE
    )
    trained = train(made)
    assert [(row.phase, row.epoch) for row in made.record.rows] == [
        *(("head", epoch) for epoch in (1, 2, 3, 4)),
        *(("finetune", epoch) for epoch in (1, 2)),
    ]
    assert trained.stored is bool(cache)
    assert rank(trained.best.row) == max(map(rank, made.record.rows))
    assert same(made.classifier.get_weights(), weights_of(made.record, trained.best.row))
    assert same(made.classifier.get_weights(), made.record.checkpoints[-1])
    for evaluate in (trained.evaluate, trained.evaluate_whole):
        again = evaluate(made.splits.validation)
        assert again.accuracy == pytest.approx(trained.best.row.val_accuracy, abs=1e-6)
        assert again.loss == pytest.approx(trained.best.row.val_loss, rel=1e-4)
        said = trained.best.validation.probabilities
        np.testing.assert_allclose(again.probabilities, said, atol=1e-5)
    head, block2 = 8 * 3 + 3, 3 * 3 * 6 * 8 + 8
    total = made.classifier.count_params()
    assert re.findall(r"training from (.*) up: (.*) of (.*) parameters", made.said.getvalue()) == [
        ("logits", str(head), f"{total:,}"),
        ("block2_conv", str(head + block2), f"{total:,}"),
    ]
    counted = sum(math.prod(weight.shape) for weight in made.classifier.trainable_weights)
    assert counted == head + block2


@pytest.mark.thorough
@pytest.mark.parametrize("epochs", [1, 3])
def test_epochs_decided_at_the_end_of_the_warm_up_are_kept(tiny_net, tmp_path, epochs):
    how = FINETUNE | {"warmup_epochs": 1.0, "best_by": "last"}
    late = prepare(tiny_net, tmp_path, **how)
    late.record.pace = SimpleNamespace(most=4, fit=lambda **_: epochs)
    late.record.settle = lambda *decided: late.record.checks.append(decided)
    trained = train(late)
    assert [decided[0] for decided in late.record.checks if isinstance(decided, tuple)] == [epochs]
    assert trained.best.row.epoch == epochs
    words = "1 finetune epoch on" if epochs == 1 else "3 finetune epochs on"
    assert words in late.said.getvalue()
    early = prepare(tiny_net, tmp_path, **how | {"finetune_epochs": epochs})
    early.classifier.set_weights(late.start)
    train(early)
    assert same(late.classifier.get_weights(), early.classifier.get_weights())


@pytest.mark.thorough
def test_second_phase_starts_from_the_best_epoch_and_not_the_last(tiny_net, tmp_path, monkeypatch):
    starts = []

    def spoil_last_epoch(plan, *arguments, **options):
        starts.append([np.array(weight) for weight in plan.upper.weights])
        steps = train_phase(plan, *arguments, **options)
        # As if one more epoch had ended badly.
        for weight in plan.upper.trainable_weights:
            weight.assign_add(np.ones(weight.shape))
        return steps

    train_phase = module.train_phase
    monkeypatch.setattr(module, "train_phase", spoil_last_epoch)
    made = prepare(tiny_net, tmp_path, **FINETUNE)
    train(made)
    best_of_head = max(made.record.rows[:4], key=rank)
    # Kernel and bias of the head are the last two in both.
    assert same(starts[1][-2:], weights_of(made.record, best_of_head)[-2:])
    best = max(made.record.rows, key=rank)
    assert same(made.classifier.get_weights(), weights_of(made.record, best))


@pytest.mark.thorough
def test_huge_rate_in_the_second_phase_leaves_what_the_first_has_learned(tiny_net, tmp_path):
    ruinous = FINETUNE | {"finetune_learning_rate": 50.0, "warmup_epochs": 0.0}
    made = prepare(tiny_net, tmp_path, noise=250.0, **ruinous)
    trained = train(made)
    in_head = [row for row in made.record.rows if row.phase == "head"]
    in_finetune = [row for row in made.record.rows if row.phase == "finetune"]
    assert len(in_finetune) == 2
    assert all(row.val_loss > 5 for row in in_finetune)
    assert trained.best.row.phase == "head"
    assert trained.best.row == max(in_head, key=rank)
    assert same(made.classifier.get_weights(), weights_of(made.record, trained.best.row))


@pytest.mark.thorough
def test_first_phase_that_is_not_finite_leaves_the_start(tiny_net, tmp_path):
    # At less, a loss from logits stays within the range of a float32.
    made = prepare(tiny_net, tmp_path, head_learning_rate=1e38)
    with pytest.raises(
        kerastl.KerastlError,
        match=r"^loss: is not finite in the head phase, epoch 1, (?:validation after )?step \d of "
        r"6, at learning rate \S+e\+3[78]\. Use a lower rate or more --warmup_epochs\.$",
    ):
        train(made)
    assert same(made.classifier.get_weights(), made.start)
    assert made.record.checkpoints == []


@pytest.mark.thorough
def test_second_phase_that_is_not_finite_leaves_the_first(tiny_net, tmp_path):
    made = prepare(
        tiny_net, tmp_path, **FINETUNE | {"finetune_learning_rate": 1e30, "warmup_epochs": 0.0}
    )
    with pytest.raises(
        kerastl.KerastlError,
        match=r"in the finetune phase, epoch 1, (?:validation after )?step \d of 6, at learning "
        r"rate \S*e\+(?:29|30)\.",
    ):
        train(made)
    assert all(np.isfinite(value).all() for value in made.classifier.get_weights())
    assert not same(made.classifier.get_weights(), made.start)
    assert same(made.classifier.get_weights(), made.record.checkpoints[0])


def test_unknown_block_is_refused_before_any_training(tiny_net, tmp_path):
    made = prepare(tiny_net, tmp_path, **FINETUNE | {"unfreeze_from": "block9"})
    with pytest.raises(
        kerastl.UsageError, match=r"unfreeze_from='block9': is not a block or layer"
    ):
        train(made)
    assert made.record.rows == []
    assert same(made.classifier.get_weights(), made.start)


def failed_check(made):
    with pytest.raises(kerastl.KerastlError, match="A check of this run failed") as error:
        train(made)
    return str(error.value)


@pytest.mark.thorough
def test_statistics_that_move_in_a_frozen_network_fail_the_check(tiny_net, tmp_path, monkeypatch):
    def forget_the_normalization(network, plan):
        set_trainable(network, plan)
        network.model.get_layer("backbone").get_layer("block2_bn").trainable = True

    monkeypatch.setattr(Network, "set_trainable", forget_the_normalization)
    message = failed_check(prepare(tiny_net, tmp_path, head_epochs=0, **FINETUNE))
    assert "8 of 12 frozen weights bit-identical" in message
    assert "wrong: block2_bn/gamma, block2_bn/beta, block2_bn/moving_mean" in message


def test_layers_that_do_not_train_as_planned_fail_the_check(tiny_net, tmp_path, monkeypatch):
    # What a phase without a compile of its own does: only what trained before does.
    def without_compile(plan, *arguments, **options):
        if plan.phase.name == "finetune":
            for layer in plan.upper.layers:
                layer.trainable = layer.name == "logits"
        return train_phase(plan, *arguments, **options)

    train_phase = module.train_phase
    monkeypatch.setattr(module, "train_phase", without_compile)
    message = failed_check(prepare(tiny_net, tmp_path, **FINETUNE))
    assert "finetune phase: 12 of 12 frozen weights bit-identical, 2 of 4 trained" in message
    assert "wrong: block2_conv/kernel, block2_conv/bias" in message


@pytest.mark.thorough
def test_phase_that_trains_nothing_fails_the_check(tiny_net, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "train_phase", lambda *_, **__: PhaseResult(24))
    message = failed_check(prepare(tiny_net, tmp_path))
    assert "0 of 2 trained weights moved; wrong: logits/kernel, logits/bias" in message


@pytest.mark.thorough
def test_head_with_a_preference_fails_the_check_before_any_training(tiny_net, tmp_path):
    made = prepare(tiny_net, tmp_path)
    made.classifier.get_layer("logits").bias.assign([3.0, 0.0, 0.0])
    assert "first loss" in failed_check(made)
    assert made.record.rows == []


@pytest.mark.thorough
@pytest.mark.parametrize("unfreeze_from", ["block2", "all"])
def test_phase_of_a_single_step_passes(tiny_net, tmp_path, unfreeze_from):
    # Its head starts at zero, so nothing below the head has a gradient in that step.
    single = FINETUNE | {"finetune_epochs": 1, "batch_size": 64, "unfreeze_from": unfreeze_from}
    made = prepare(tiny_net, tmp_path, head_epochs=0, **single)
    train(made)
    assert len(made.record.checks) == 2
    assert all(check.passed for check in made.record.checks)


@pytest.mark.thorough
def test_from_scratch_everything_trains_and_the_colors_are_learned(tiny_net, tmp_path):
    made = prepare(
        tiny_net,
        tmp_path,
        weights="none",
        head_epochs=0,
        finetune_epochs=8,
        finetune_learning_rate=0.05,
    )
    trained = train(made)
    assert [row.phase for row in made.record.rows] == ["scratch"] * 8
    assert "scratch phase: 16 of 16 trained weights moved" in made.said.getvalue()
    assert trained.evaluate(made.splits.test).accuracy == 1.0
    assert not trained.stored


def test_batch_of_one_from_scratch_is_refused(tiny_net, tmp_path):
    changes = {"weights": "none", "head_epochs": 0, "finetune_epochs": 1, "batch_size": 1}
    made = prepare(tiny_net, tmp_path, **changes)
    with pytest.raises(kerastl.UsageError, match=r"^batch_size=1: gives batch norm a single"):
        module.check_phases(Network.of(made.classifier, made.row), made.config)


@pytest.mark.thorough
def test_block_of_another_network_is_told_where_no_phase_uses_it(tiny_net, tmp_path):
    made = prepare(tiny_net, tmp_path, unfreeze_from="conv5")
    assert made.config.finetune_epochs == 0
    (told,) = module.check_phases(Network.of(made.classifier, made.row), made.config)
    assert told.startswith("unfreeze_from='conv5': is not a block or layer")
    assert told.endswith(" It is not used, as finetune_epochs=0.")
    used = prepare(tiny_net, tmp_path, **FINETUNE)
    assert module.check_phases(Network.of(used.classifier, used.row), used.config) == []


set_trainable, make_plan = Network.set_trainable, Network.plan


def plan_from(unfreeze_from):
    """Plans phases as if training started elsewhere than where it does."""

    def plan_elsewhere(network, phase):
        elsewhere = make_plan(network, dataclasses.replace(phase, unfreeze_from=unfreeze_from))
        first = make_plan(network, phase).first
        return dataclasses.replace(elsewhere, phase=phase, first=first)

    return plan_elsewhere


def train_every_second_layer(network, plan):
    set_trainable(network, dataclasses.replace(plan, trainable=plan.trainable[::2]))


# Each a fault of the plan that the plan itself cannot show.
FAULTS = {
    "batch norm counts as any other layer": (phases, "NORMALIZATIONS", ()),
    "training starts a block too low": (Network, "plan", plan_from("block1_conv")),
    "training starts a block too high": (Network, "plan", plan_from(None)),
    "half of the layers train": (Network, "set_trainable", train_every_second_layer),
}


@pytest.mark.thorough
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_the_plan_fails_the_check(tiny_net, tmp_path, monkeypatch, fault):
    monkeypatch.setattr(*FAULTS[fault])
    changes = FINETUNE | {"noise": 80.0}
    message = failed_check(prepare(tiny_net, tmp_path, head_epochs=1, **changes))
    assert "wrong: " in message


@pytest.mark.thorough
def test_bias_at_rest_is_no_fault(tmp_path):
    """The only step has a batch with as many images of each class, and a head at zero."""
    two = dict(list(fakes.COLORS.items())[:2])
    # 16 images, so that their mean has no rounding.
    scratch = {"weights": "none", "head_epochs": 0, "finetune_epochs": 1, "examples_per_class": 8}
    run = fakes.finish_run(
        fakes.tiny_config(tmp_path, batch_size=64, **scratch),
        fakes.color_source(colors=two, noise=80.0),
    )
    assert not np.any(np.array(run.result.model.get_layer("logits").bias))
    assert "unchanged, gradient too small" in run.printed


@pytest.mark.thorough
def test_statistics_at_rest_are_no_fault(tiny_net, tmp_path):
    # A network of zeros: its activations, and so their means, stay at zero.
    made = prepare(tiny_net, tmp_path, weights="none", head_epochs=0, finetune_epochs=1)
    made.classifier.get_layer("backbone").get_layer("stem").kernel.assign(np.zeros((3, 3, 3, 6)))
    train(made)
    assert "unchanged, gradient too small" in made.said.getvalue()


@pytest.mark.thorough
@pytest.mark.parametrize(("cache", "views"), [("stored", 0), ("stored", 2)])
def test_augmented_images_are_learned_from(tiny_net, tmp_path, cache, views):
    changes = {"augment": "flip,color:0.2", "augment_views": views, "head_epochs": 6, **FINETUNE}
    made = prepare(tiny_net, tmp_path, cache_dir=cache and str(tmp_path / cache), **changes)
    trained = train(made)
    assert trained.evaluate(made.splits.test).accuracy == 1.0
    said = made.said.getvalue()
    if cache:
        held_out = len(made.splits.validation) + len(made.splits.test)
        assert f": {len(made.splits.train) * views + held_out} images to compute" in said
    assert ("on stored features" in said) == bool(cache and views)


@pytest.mark.thorough
def test_mirror_images_are_all_that_is_computed_beside_the_images(tiny_net, tmp_path):
    mirrored = {"augment": "mirror", "noise": 80.0, **FINETUNE}
    train(prepare(tiny_net, tmp_path, noise=80.0, **FINETUNE))
    stored = prepare(tiny_net, tmp_path, **mirrored)
    train(stored)
    num_train = len(stored.splits.train)
    assert f": {num_train} images to compute, 60 in the store" in stored.said.getvalue()
    # Epochs take turns, over phases too, and the store changes nothing of that but roundings, which
    # on some processors depend on how many images are computed at once.
    computed = prepare(tiny_net, tmp_path, cache_dir="", **mirrored)
    train(computed)
    for one, other in zip(
        computed.classifier.get_weights(), stored.classifier.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    plain = prepare(tiny_net, tmp_path, noise=80.0, cache_dir="", **FINETUNE)
    train(plain)
    difference = np.abs(plain.classifier.get_weights()[-1] - stored.classifier.get_weights()[-1])
    assert difference.max() > 1e-3


@pytest.mark.thorough
@pytest.mark.parametrize("changes", [{}, {"augment": "mirror"}, {"cache_dir": ""}])
def test_answer_for_image_and_mirror_image_is_scored_everywhere(tiny_net, tmp_path, changes):
    made = prepare(tiny_net, tmp_path, noise=120.0, average_mirrored="yes", **FINETUNE | changes)
    trained = train(made)
    held_out = len(made.splits.validation) + len(made.splits.test)
    num_train = len(made.splits.train) * (2 if "augment" in changes else 1)
    if "cache_dir" not in changes:
        assert f": {num_train + 2 * held_out} images to compute" in made.said.getvalue()
    validation = made.splits.validation
    pixels = np.concatenate(
        list(
            evaluation_dataset(made.splits.source, validation, made.config, batch_size=8)
            .map(lambda images, labels: images)
            .as_numpy_iterator()
        )
    )
    both = [made.classifier(images, training=False) for images in (pixels, pixels[:, :, ::-1])]
    expected = np.mean([tf.nn.softmax(logits) for logits in both], axis=0)
    whole = trained.evaluate_whole(validation)
    for found in (trained.best.validation, trained.evaluate(validation), whole):
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
        labels = made.splits.source.labels[validation]
        losses = -np.log(expected[np.arange(len(labels)), labels])
        np.testing.assert_allclose(found.losses, losses, rtol=1e-3)
    assert trained.best.row.val_loss == pytest.approx(whole.loss, rel=1e-4)
    # What is trained further is the network, without its mirror image.
    assert same(made.classifier.get_weights(), made.record.checkpoints[-1])


@pytest.mark.thorough
def test_statistics_that_a_momentum_of_one_holds_fail_the_check(tiny_net, tmp_path, monkeypatch):
    def hold(model, steps_per_epoch):
        for layer in model.layers:
            if layer.name == "stem_bn":
                layer.momentum = 1.0

    monkeypatch.setattr("kerastl.training.fit.settle_statistics", hold)
    changes = {"weights": "none", "head_epochs": 0, "finetune_epochs": 1}
    message = failed_check(prepare(tiny_net, tmp_path, **changes))
    assert "wrong: stem_bn/moving_mean, stem_bn/moving_variance" in message


@pytest.mark.thorough
def test_second_phase_of_a_single_step_is_asked_to_move_all(tiny_net, tmp_path, monkeypatch):
    def forget_a_layer(network, plan):
        kept = tuple(layer for layer in plan.trainable if layer.name != "block2_conv")
        set_trainable(network, dataclasses.replace(plan, trainable=kept))

    monkeypatch.setattr(Network, "set_trainable", forget_a_layer)
    single = FINETUNE | {"finetune_epochs": 1, "batch_size": 64}
    message = failed_check(prepare(tiny_net, tmp_path, noise=80.0, **single))
    assert "wrong: block2_conv/kernel, block2_conv/bias" in message
