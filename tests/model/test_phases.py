import keras
import numpy as np
import pytest

import fakes
from kerastl.model.build import build_classifier
from kerastl.model.building.applications import build_backbone
from kerastl.model.network import Network
from kerastl.model.phases import silent_dropout
from kerastl.model.sources.applications import BACKBONES
from kerastl.settings import Phase
from kerastl.training.checks import ExpectedMoves

NORMS = {"stem_bn", "block2_bn"}
HEAD = {"logits/kernel", "logits/bias"}
BLOCK2 = {"block2_conv/kernel", "block2_conv/bias"}
BLOCK1 = {"block1_conv/kernel", "block1_conv/bias"}
STEM = {"stem/kernel", "stem/bias"}


def phase(unfreeze_from, name="finetune"):
    return Phase(
        name=name, epochs=1, learning_rate=0.01, warmup_epochs=0, unfreeze_from=unfreeze_from
    )


def classifier_of(row, dropout=0.0):
    shape = (fakes.IMAGE_SIZE, fakes.IMAGE_SIZE, 3)
    network = fakes.tiny_net(include_top=False, weights=None, input_shape=shape, name="backbone")
    return with_random_head(
        build_classifier(network, scaling=row.scaling, num_classes=2, dropout=dropout)
    )


def with_random_head(classifier):
    """Gives the head a kernel: at zero it gives the layers below no gradient at first."""
    kernel = classifier.get_layer("logits").kernel
    kernel.assign(keras.random.normal(kernel.shape, seed=1))
    return classifier


def classifier_with_branch():
    """A network whose dropout no boundary separates from the convolution above it."""
    images = keras.Input((16, 16, 3))
    stem = keras.layers.Conv2D(4, 3, padding="same", name="stem")(images)
    branch = keras.layers.Dropout(0.5, name="block1_drop")(stem)
    branch = keras.layers.Conv2D(4, 1, name="block1_conv")(branch)
    network = keras.Model(images, keras.layers.Add()([stem, branch]), name="backbone")
    return with_random_head(build_classifier(network, scaling=None, num_classes=2, dropout=0.0))


def random_images(size, count=4):
    pixels = np.random.default_rng(0).uniform(0, 255, (count, size, size, 3))
    return pixels.astype("float32")


def real_classifier(name, size=32):
    network = build_backbone(BACKBONES[name], weights="none", image_size=size)
    scaling = BACKBONES[name].scaling
    return with_random_head(build_classifier(network, scaling=scaling, num_classes=2, dropout=0.0))


def prepare(classifier, row, unfreeze_from, name="finetune"):
    network = Network.of(classifier, row)
    plan = network.plan(phase(unfreeze_from, name))
    network.set_trainable(plan)
    return network, plan


class OnImages(keras.Model):
    """Trains the part above the boundary, on images."""

    def __init__(self, plan):
        super().__init__(dtype="float32")
        self.upper = plan.upper
        # Not a model for Keras, which would train it.
        self.compute = lambda images: plan.lower(images, training=False)

    def call(self, inputs, training=False):
        return self.upper(self.compute(inputs), training=training)


def moved_weights(row, unfreeze_from, name="finetune"):
    classifier = classifier_of(row)
    network, plan = prepare(classifier, row, unfreeze_from, name)
    expected = ExpectedMoves(network, plan.phase, plan.first)
    before = {id(weight): np.array(weight) for weight in classifier.weights}
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype("float32")
    model = OnImages(plan)
    model.compile(
        keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    with silent_dropout(plan):
        model.fit(fakes.batches(images, np.arange(8) % 2, 4), epochs=2, shuffle=False, verbose=0)
    moved = {
        weight.path
        for weight in classifier.weights
        if (np.array(weight) != before[id(weight)]).any()
    }
    assert {weight.path for weight in expected.moving.moved()} == moved
    assert len(expected.moving) == len(moved)
    assert len(expected.moving) + len(expected.frozen) == len(classifier.weights)
    assert expected.frozen.moved() == []
    return moved


@pytest.mark.parametrize(
    ("unfreeze_from", "name", "expected"),
    [
        (None, "head", HEAD),
        ("", "finetune", HEAD | BLOCK2),
        pytest.param("block2", "finetune", HEAD | BLOCK2, marks=pytest.mark.thorough),
        pytest.param("block1", "finetune", HEAD | BLOCK2 | BLOCK1, marks=pytest.mark.thorough),
        ("all", "finetune", HEAD | BLOCK2 | BLOCK1 | STEM),
    ],
)
def test_fit_moves_only_unfrozen_weights(tiny_net, unfreeze_from, name, expected):
    # Never a weight of batch norm: neither gamma and beta nor the moving statistics.
    assert moved_weights(tiny_net, unfreeze_from, name) == expected


def test_from_scratch_everything_moves(tiny_net):
    moved = moved_weights(tiny_net, "all", "scratch")
    norms = {
        f"{norm}/{weight}"
        for norm in NORMS
        for weight in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    assert moved == HEAD | BLOCK2 | BLOCK1 | STEM | norms


def test_cut_is_the_highest_boundary_below(tiny_net):
    network = Network.of(classifier_of(tiny_net), tiny_net)
    plans = {name: network.plan(phase(name)) for name in (None, "block2", "block1_add")}
    assert {name: network.name_of(plan.boundary) for name, plan in plans.items()} == {
        None: "pooled",
        "block2": "block1_add",
        # Two tensors cross into the addition, so the cut is below its block.
        "block1_add": "stem_drop",
    }


def test_dropout_below_the_cut_is_off_under_fit(tiny_net):
    classifier = classifier_of(tiny_net)
    _, plan = prepare(classifier, tiny_net, "block2")
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    model = OnImages(plan)
    np.testing.assert_array_equal(model(images, training=True), model(images, training=True))
    np.testing.assert_allclose(
        model(images, training=True), classifier(images, training=False), atol=1e-5
    )


def test_frozen_dropout_above_the_cut_is_silenced_and_comes_back(tiny_net):
    classifier = classifier_with_branch()
    _, plan = prepare(classifier, tiny_net, "block1_conv")
    dropout = classifier.get_layer("backbone").get_layer("block1_drop")
    assert plan.silenced == (dropout,)
    with silent_dropout(plan):
        assert dropout.rate == 0
    assert dropout.rate == 0.5


def test_head_dropout_is_trained_above_the_cut(tiny_net):
    classifier = classifier_of(tiny_net, dropout=0.5)
    _, plan = prepare(classifier, tiny_net, None, "head")
    assert [layer.name for layer in plan.upper.layers[1:]] == ["dropout", "logits"]
    assert plan.first_name == "logits"
    assert plan.silenced == ()


def test_frozen_backbone_says_so(tiny_net):
    classifier = classifier_of(tiny_net)
    prepare(classifier, tiny_net, None, "head")
    assert classifier.get_layer("backbone").trainable is False
    prepare(classifier, tiny_net, "block2")
    assert classifier.get_layer("backbone").trainable is True
    assert classifier.get_layer("backbone").get_layer("stem").trainable is False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "unfreeze_from"),
    [
        ("EfficientNetB0", "block7"),
        ("ConvNeXtTiny", "stage4"),
        ("NASNetMobile", ""),
        ("MobileNetV3Small", ""),
    ],
)
def test_hard_families_keep_what_is_frozen(name, unfreeze_from):
    classifier = real_classifier(name)
    network, plan = prepare(classifier, BACKBONES[name], unfreeze_from)
    expected = ExpectedMoves(network, plan.phase, plan.first)
    model = OnImages(plan)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = random_images(32, count=8)
    with silent_dropout(plan):
        model.fit(fakes.batches(images, np.arange(8) % 2, 8), epochs=2, shuffle=False, verbose=0)
    assert len(expected.frozen) > 0
    inputs, labels = plan.lower(images, training=False), np.arange(8) % 2
    check = expected.check(plan.upper, steps=2, batch=lambda: (inputs, labels))
    assert check.passed, check.text


def test_silenced_dropout_drops_nothing_under_fit(tiny_net):
    classifier = classifier_with_branch()
    _, plan = prepare(classifier, tiny_net, "block1_conv")
    images = random_images(16)
    model = OnImages(plan)
    expected = classifier(images, training=False)
    with silent_dropout(plan):
        np.testing.assert_allclose(model(images, training=True), expected, rtol=1e-5)
    assert not np.allclose(model(images, training=True), expected, rtol=1e-2)


def test_rates_of_silenced_dropout_come_back_when_training_fails(tiny_net):
    classifier = classifier_with_branch()
    _, plan = prepare(classifier, tiny_net, "block1_conv")

    def fail():
        with silent_dropout(plan):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert classifier.get_layer("backbone").get_layer("block1_drop").rate == 0.5


@pytest.mark.thorough
def test_dropout_of_a_frozen_efficientnet_is_off_and_of_its_trained_part_on():
    classifier = real_classifier("EfficientNetB0")
    images = random_images(32)

    def drops(unfreeze_from):
        _, plan = prepare(classifier, BACKBONES["EfficientNetB0"], unfreeze_from)
        model = OnImages(plan)
        with silent_dropout(plan):
            return not np.array_equal(model(images, training=True), model(images, training=True))

    # Blocks with a shortcut drop; the only one of block7 has none.
    assert not drops("block7")
    assert drops("block6")
