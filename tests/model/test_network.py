import pytest

from kerastl.errors import UsageError
from kerastl.model.build import build_classifier
from kerastl.model.building.applications import build_backbone
from kerastl.model.network import Network
from kerastl.model.sources.applications import BACKBONES
from kerastl.settings import Phase
from tiny_networks import open_tiny


def open_real(name, size=32):
    row = BACKBONES[name]
    backbone = build_backbone(row, weights="none", image_size=size)
    classifier = build_classifier(backbone, scaling=row.scaling, num_classes=2, dropout=0.0)
    return Network.of(classifier, row)


def phase(name, unfreeze_from, rate=0.01):
    return Phase(
        name=name, epochs=1, learning_rate=rate, warmup_epochs=0, unfreeze_from=unfreeze_from
    )


def test_plan_changes_nothing_and_is_made_once(tiny_net):
    network = open_tiny(tiny_net)
    before = [layer.trainable for layer in network.model.layers]
    plan = network.plan(phase("finetune", "all"))
    assert [layer.trainable for layer in network.model.layers] == before
    assert network.model.get_layer("backbone").trainable is False
    again = network.plan(phase("finetune", "all", rate=0.5))
    assert again.upper is plan.upper
    assert again.phase.learning_rate == 0.5
    # From scratch other layers train.
    assert len(network.plan(phase("scratch", "all")).trainable) > len(plan.trainable)


def test_pooled_is_the_boundary_of_the_head_phase(tiny_net):
    network = open_tiny(tiny_net)
    assert network.pooled is network.plan(phase("head", None)).boundary
    assert network.name_of(network.pooled) == "pooled"


def test_multiply_adds_are_those_of_the_kernels_below(tiny_net):
    network = open_tiny(tiny_net)
    # Height and width of the output, kernel, channels in and out, of three convolutions.
    stem, block1, block2 = 64 * 9 * 3 * 6, 64 * 9 * 6 * 6, 16 * 9 * 6 * 8
    assert network.count_multiply_adds(network.pooled) == stem + block1 + block2


@pytest.mark.parametrize("name", ["block2_bn", "block2_relu"])
def test_layer_with_nothing_to_train_above_it_is_refused(tiny_net, name):
    network = open_tiny(tiny_net)
    with pytest.raises(
        UsageError,
        match=rf"unfreeze_from='{name}': has no weights of the backbone above it .* block1, block2",
    ):
        network.find(name)


def test_unknown_block_is_refused_with_those_that_exist(tiny_net):
    network = open_tiny(tiny_net)
    with pytest.raises(
        UsageError,
        match=r"unfreeze_from='blok2': .* Did you mean 'block2'\? Blocks: stem, block1, block2;",
    ):
        network.find("blok2")
    assert network.blocks == ("stem", "block1", "block2")


@pytest.mark.parametrize(
    ("unfreeze_from", "layer"),
    [
        ("", "block_16_expand"),
        ("block_13", "block_13_expand"),
        ("block_1", "block_1_expand"),
        ("block_6_depthwise", "block_6_depthwise"),
        ("Conv_1", "Conv_1"),
    ],
)
def test_names_of_a_mobilenet(mobilenet, unfreeze_from, layer):
    first = mobilenet.find(unfreeze_from)
    assert mobilenet.calls[first].layer.name == layer


@pytest.fixture(scope="module")
def mobilenet():
    return open_real("MobileNetV2")


@pytest.mark.parametrize(
    ("wrong", "near"), [("blok_16", "block_16"), ("Block_3", "block_3"), ("out_rellu", "out_relu")]
)
def test_near_miss_of_a_block_or_a_layer_is_named(mobilenet, wrong, near):
    with pytest.raises(UsageError, match=rf"unfreeze_from='{wrong}': .* Did you mean '{near}'\?"):
        mobilenet.find(wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "unfreeze_from", "layer"),
    [
        ("ResNet50", "", "conv5_block1_1_conv"),
        ("ResNet50", "conv5_block3", "conv5_block3_1_conv"),
        ("ResNet101", "conv4_block1", "conv4_block1_1_conv"),
        ("ResNet101", "conv4_block10", "conv4_block10_1_conv"),
        ("EfficientNetB0", "block6d", "block6d_expand_conv"),
        ("Xception", "block14", "block14_sepconv1"),
        ("ConvNeXtTiny", "stage3", "convnext_tiny_downsampling_layernorm_1"),
    ],
)
def test_blocks_as_a_person_names_them(name, unfreeze_from, layer):
    size = BACKBONES[name].minimum_size
    network = open_real(name, size)
    first = network.find(unfreeze_from)
    assert network.calls[first].layer.name == layer
