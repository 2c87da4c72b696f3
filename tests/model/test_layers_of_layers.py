"""Layers that hold layers, as transformers have them: opened, frozen and trained one by one."""

import keras
import numpy as np
import pytest

import fakes
from kerastl.model.backbones import Backbone
from kerastl.model.block_rules import find_blocks
from kerastl.model.boundaries import find_boundaries, trace_calls
from kerastl.model.build import build_classifier
from kerastl.model.network import Network
from kerastl.model.phases import silent_dropout
from kerastl.settings import Phase
from kerastl.training.checks import ExpectedMoves

SHAPE = (16, 16, 3)
WIDTH = 6
ROW = Backbone(name="Tokens", source="tests")


@keras.saving.register_keras_serializable("tests")
class Block(keras.layers.Layer):
    """A residual block with a normalization, a dropout and a weight that nothing uses."""

    def build(self, shape):
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.dense = keras.layers.Dense(WIDTH, name="dense")
        self.drop = keras.layers.Dropout(0.5, name="drop")
        self.norm.build(shape)
        self.dense.build(shape)
        self.hidden = self.add_weight(shape=(1,), name="hidden")

    def call(self, inputs):
        return inputs + self.drop(self.dense(self.norm(inputs)))


@keras.saving.register_keras_serializable("tests")
class Encoder(keras.layers.Layer):
    """A stack of blocks, whose names are those of every other stack."""

    def build(self, shape):
        self.blocks = [Block(name=f"block_{number}") for number in range(3)]
        for block in self.blocks:
            block.build(shape)

    def call(self, inputs):
        seen = {}
        for block in self.blocks:
            inputs = seen[block.name] = block(inputs)
        return inputs, seen


@keras.saving.register_keras_serializable("tests")
class BlockAndMore(Block):
    """A block that returns something else than tensors, too."""

    def call(self, inputs):
        return super().call(inputs), None


@keras.saving.register_keras_serializable("tests")
class Closed(keras.layers.Layer):
    """A stack of such blocks, which are in no graph for themselves."""

    def build(self, shape):
        self.blocks = [BlockAndMore(name=f"block_{number}") for number in range(2)]
        for block in self.blocks:
            block.build(shape)

    def call(self, inputs):
        for block in self.blocks:
            inputs, _ = block(inputs)
        return inputs


def tokens_net(encoders=(Encoder, Encoder), *, skips=False, stops=False):
    """Patches and stacks; `skips` adds the patches at the end, `stops` the gradient there."""
    images = keras.Input(SHAPE)
    x = keras.layers.Conv2D(WIDTH, 4, strides=4, name="patches")(images)
    x = patches = keras.layers.Reshape((-1, WIDTH), name="tokens")(x)
    for number, encoder in enumerate(encoders):
        x = encoder(name=f"encoder_{number}")(x)
        x = x[0] if isinstance(x, tuple) else x
    if skips:
        x = keras.layers.Add(name="skip")([x, patches])
    if stops:
        x = keras.ops.stop_gradient(x)
    x = keras.layers.Reshape((4, 4, WIDTH), name="map")(x)
    return keras.Model(images, x, name="backbone")


def randomized(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, one.shape).astype("float32") for one in model.weights])
    return model


def pictures(count=4):
    return np.random.default_rng(1).uniform(0, 255, (count, *SHAPE)).astype("float32")


def test_stacks_of_blocks_are_opened_and_compute_the_same(tmp_path):
    model = randomized(tokens_net())
    before = np.array(model(pictures()))
    inputs, outputs, calls = trace_calls(model)
    names = [call.layer.name for call in calls]
    blocks = [f"encoder_{stack}_block_{number}" for stack in range(2) for number in range(3)]
    assert names == ["patches", "tokens", *blocks, "map"]
    places = find_boundaries(inputs, outputs, calls)
    assert [place.position for place in places] == list(range(len(calls) + 1))
    assert (np.array(keras.Model(inputs, outputs)(pictures())) == before).all()
    # Opened again, and from a file.
    assert [call.layer.name for call in trace_calls(model)[2]] == names
    model.save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras")
    assert (np.array(read(pictures())) == before).all()


def test_paths_name_what_holds_a_layer():
    classifier = build_classifier(tokens_net(), scaling=None, num_classes=2, dropout=0.0)
    paths = {call.layer.name: call.path for call in trace_calls(classifier)[2]}
    assert paths["patches"] == ("backbone",)
    assert paths["encoder_1_block_2"] == ("backbone", "encoder_1")
    assert paths["logits"] == ()


def test_stack_that_cannot_be_opened_is_one_layer():
    model = randomized(tokens_net([Closed]))
    inputs, outputs, calls = trace_calls(model)
    assert [call.layer.name for call in calls] == ["patches", "tokens", "encoder_0", "map"]
    same = keras.Model(inputs, outputs)(pictures())
    assert (np.array(same) == np.array(model(pictures()))).all()


def opened(**changes):
    keras.utils.set_random_seed(0)
    classifier = build_classifier(tokens_net(**changes), scaling=None, num_classes=2, dropout=0.0)
    randomized(classifier)
    return Network.of(classifier, ROW)


def plan_from(network, unfreeze_from):
    phase = Phase(
        name="finetune",
        epochs=1,
        learning_rate=0.1,
        warmup_epochs=0.0,
        unfreeze_from=unfreeze_from,
    )
    plan = network.plan(phase)
    network.set_trainable(plan)
    return plan


def train_a_step(plan):
    model = plan.upper
    model.compile(
        keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    features = plan.lower(pictures(), training=False)
    with silent_dropout(plan):
        model.fit(fakes.batches(features, np.arange(4) % 2, 4), epochs=2, shuffle=False, verbose=0)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_training_moves_the_blocks_from_the_chosen_one_up_without_their_normalizations():
    network = opened()
    plan = plan_from(network, "encoder_1_block_1")
    assert plan.boundary.position == plan.first
    expected = ExpectedMoves(network, plan.phase, plan.first)
    train_a_step(plan)
    moved = {"/".join(weight.path.split("/")[-3:]) for weight in expected.moving.moved()}
    kept = {f"block_{number}/dense/{kind}" for number in (1, 2) for kind in ("kernel", "bias")}
    assert {path for path in moved if "dense" in path} == kept
    assert not expected.frozen.moved()
    assert sum("norm" in weight.path for weight in expected.frozen.weights) == 12
    check = expected.check(
        plan.upper, steps=2, batch=lambda: (plan.lower(pictures()), np.arange(4) % 2)
    )
    # What a block does not use is no fault.
    assert check.passed, check.text
    assert "2 unchanged" in check.text


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_blocks_without_any_gradient_are_a_fault():
    network = opened(stops=True)
    plan = plan_from(network, "encoder_1_block_1")
    expected = ExpectedMoves(network, plan.phase, plan.first)
    train_a_step(plan)
    check = expected.check(
        plan.upper, steps=20, batch=lambda: (plan.lower(pictures()), np.arange(4) % 2)
    )
    assert not check.passed
    assert "encoder_1" in check.text.partition("wrong: ")[2]


def test_dropout_inside_frozen_blocks_is_silent():
    network = opened(encoders=[Encoder], skips=True)
    plan = plan_from(network, "encoder_0_block_2")
    assert network.name_of(plan.boundary) == "tokens"
    assert [layer.name for layer in plan.silenced] == ["drop", "drop"]
    frozen = keras.Model(plan.boundary.tensor, network.calls[plan.first - 1].outputs[0])
    features = plan.lower(pictures())
    still = np.array(frozen(features, training=False))
    assert (np.array(frozen(features, training=True)) != still).any()
    with silent_dropout(plan):
        assert (np.array(frozen(features, training=True)) == still).all()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["stem", "stack0_block0_1_conv", "stack1_block0_out"], [None, "stack0", "stack1"]),
        (["vit_encoder_transformer_block_1", "x_block_2"], ["block_1", "block_2"]),
        (["encoder_layers_0", "encoder_layers_11"], ["layer_0", "layer_11"]),
        (["block1a_add", "block12b_add"], ["block1a", "block12b"]),
        # Names that Keras gave tell nothing.
        (["conv2d_1", "conv2d_2"], ["stage_1", "stage_1"]),
    ],
)
def test_blocks_are_named_as_the_layers_number_them(names, expected):
    images = x = keras.Input((8, 8, 3))
    for name in names:
        x = keras.layers.Conv2D(2, 1, name=name)(x)
    assert find_blocks(trace_calls(keras.Model(images, x))[2]) == expected


def test_blocks_without_names_are_counted():
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    x = keras.layers.Conv2D(WIDTH, 4, strides=4, name="patches")(images)
    x = keras.layers.Reshape((-1, WIDTH), name="tokens")(x)
    for name in "abc":
        x = Block(name=name)(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
    calls = trace_calls(keras.Model(images, x))[2]
    labels = dict(zip([call.layer.name for call in calls], find_blocks(calls), strict=True))
    assert labels["tokens"] is None
    assert [labels[name] for name in "abc"] == ["block_1", "block_2", "block_3"]
    assert labels["a_relu"] == "block_2"


def test_maps_of_one_size_are_a_stage():
    images = keras.Input(SHAPE)
    x = keras.layers.Conv2D(2, 3, strides=2)(images)
    x = keras.layers.Conv2D(2, 3, padding="same")(x)
    x = keras.layers.Conv2D(2, 3, strides=2)(x)
    labels = find_blocks(trace_calls(keras.Model(images, x))[2])
    assert labels == ["stage_1", "stage_1", "stage_2"]
