import pathlib
import re

import h5py
import keras
import numpy as np
import pytest
from keras.src.applications import efficientnet
from keras.src.legacy.saving import legacy_h5_format

import fakes
from kerastl.errors import KerastlError, UsageError
from kerastl.model.build import build_classifier
from kerastl.model.building import applications as module
from kerastl.model.building.applications import build_backbone
from kerastl.model.building.interface import fingerprint
from kerastl.model.sources.applications import BACKBONES
from without_network import take_network

SIZE = fakes.IMAGE_SIZE
SHAPE = (32, 32, 3)


@pytest.fixture
def trained():
    """A tiny network with weights that no other seed gives."""
    keras.utils.set_random_seed(7)
    return fakes.tiny_net(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), name="backbone"
    )


def load(row, path):
    return build_backbone(row, weights=str(path), image_size=SIZE)


def save_older(network, path):
    """Saves weights in the format of the files that keras.applications downloads."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)


def save_as(network, path):
    if path.name.endswith(".keras"):
        network.save(path)
    elif path.name.endswith(".weights.h5"):
        network.save_weights(path)
    else:
        save_older(network, path)


def refused(row, path, match):
    with pytest.raises(UsageError, match=match) as error:
        load(row, path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["net.weights.h5", "net.keras"])
def test_file_gives_its_weights(tiny_net, trained, tmp_path, name):
    path = tmp_path / name
    save_as(trained, path)
    assert fingerprint(load(tiny_net, path)) == fingerprint(trained)


def test_classifier_of_an_earlier_run_gives_its_backbone(tiny_net, trained, tmp_path):
    path = tmp_path / "model.keras"
    build_classifier(trained, scaling=tiny_net.scaling, num_classes=4, dropout=0.0).save(path)
    assert fingerprint(load(tiny_net, path)) == fingerprint(trained)


def test_file_with_the_classifier_gives_the_rest(trained, tiny_net, tmp_path):
    pooled = keras.layers.GlobalAveragePooling2D()(trained.output)
    whole = keras.Model(trained.input, keras.layers.Dense(10)(pooled))
    whole.save_weights(tmp_path / "top.weights.h5")
    assert fingerprint(load(tiny_net, tmp_path / "top.weights.h5")) == fingerprint(trained)


def test_file_of_the_older_format_gives_its_weights(tiny_net, trained, tmp_path):
    save_older(trained, tmp_path / "net.h5")
    assert fingerprint(load(tiny_net, tmp_path / "net.h5")) == fingerprint(trained)


@pytest.fixture(scope="module")
def imagenet_like():
    """A real network with the classifier that ImageNet's files come with, random weights."""
    keras.utils.set_random_seed(7)
    return keras.applications.MobileNetV3Small(weights=None)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["top.h5", "top.weights.h5", "top.keras"])
def test_file_with_imagenets_classifier_gives_the_rest(imagenet_like, tmp_path, name):
    path = tmp_path / name
    save_as(imagenet_like, path)
    network = build_backbone(BACKBONES["MobileNetV3Small"], weights=str(path), image_size=32)
    assert not any("logits" in weight.path for weight in network.weights)
    for weight, value in zip(network.weights, imagenet_like.get_weights(), strict=False):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["top.h5", "top.keras"])
def test_another_network_with_its_classifier_is_refused(imagenet_like, tmp_path, name):
    path = tmp_path / name
    save_as(imagenet_like, path)
    with pytest.raises(
        UsageError, match=r"weights of another network than MobileNet, or of its classifier too \("
    ) as error:
        build_backbone(BACKBONES["MobileNet"], weights=str(path), image_size=32)
    assert "\n" not in str(error.value)


def test_none_is_random(tiny_net):
    keras.utils.set_random_seed(1)
    first = build_backbone(tiny_net, weights="none", image_size=SIZE)
    second = build_backbone(tiny_net, weights="none", image_size=SIZE)
    assert fingerprint(first) != fingerprint(second)


def test_missing_file(tiny_net, tmp_path):
    refused(
        tiny_net,
        tmp_path / "no.h5",
        r"weights='.*no\.h5': is not a file\. Use imagenet, bundled, own, none",
    )


def test_other_ending(tiny_net, tmp_path):
    path = tmp_path / "weights.pt"
    path.touch()
    refused(tiny_net, path, r"does not end in \.weights\.h5, \.h5 or \.keras")


@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5", "a.keras"])
@pytest.mark.parametrize("content", [b"", b"not a weights file" * 50])
def test_what_is_no_weights_file(tiny_net, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    refused(tiny_net, path, "is damaged or not a weights file of Keras")


@pytest.mark.parametrize("name", ["net.weights.h5", "net.h5", "net.keras"])
def test_truncated_file(tiny_net, trained, tmp_path, name):
    path = tmp_path / name
    save_as(trained, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(tiny_net, path, "is damaged or not a weights file of Keras")


@pytest.mark.parametrize("name", ["net.weights.h5", "net.keras"])
def test_weights_of_another_network(tiny_net, tmp_path, name):
    images = keras.Input((SIZE, SIZE, 3))
    other = keras.Model(images, keras.layers.Conv2D(5, 3)(images))
    path = tmp_path / name
    save_as(other, path)
    refused(tiny_net, path, "holds the weights of another network than TinyNet")


def test_no_network_says_where_the_file_may_be_put(monkeypatch, tmp_path, capsys):
    take_network(monkeypatch, tmp_path)
    with pytest.raises(KerastlError) as error:
        build_backbone(BACKBONES["MobileNet"], weights="imagenet", image_size=32)
    message = str(error.value)
    assert re.match(
        r"weights='imagenet': MobileNet is not in .*models and https://\S+\.h5 cannot", message
    )
    assert "--weights=FILE" in message
    assert str(tmp_path / "models" / "mobilenet_1_0_224_tf_no_top.h5") in message
    assert capsys.readouterr().out == ""


def test_broken_download_is_named(monkeypatch, tmp_path):
    take_network(monkeypatch, tmp_path)
    cached = tmp_path / "models" / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    cached.parent.mkdir()
    cached.write_bytes(b"junk")
    with pytest.raises(KerastlError, match=rf"checksum mismatch of {re.escape(str(cached))}"):
        build_backbone(BACKBONES["ResNet50"], weights="imagenet", image_size=32)


@pytest.mark.thorough
def test_published_efficientnet_file_scales_as_with_imagenet(monkeypatch, tmp_path):
    keras.utils.set_random_seed(3)
    # The graph that `weights="imagenet"` builds, with random weights in place of a download.
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: "nowhere")
    monkeypatch.setattr(keras.Model, "load_weights", lambda *_, **__: None)
    published = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=SHAPE
    )
    monkeypatch.undo()
    normalization = next(
        layer for layer in published.layers if isinstance(layer, keras.layers.Normalization)
    )
    normalization.adapt_mean.assign([0.485, 0.456, 0.406])
    normalization.adapt_variance.assign([0.229, 0.224, 0.225])
    normalization.finalize_state()
    path = tmp_path / "efficientnetb0_notop.weights.h5"
    published.save_weights(path)

    def features():
        network = build_backbone(BACKBONES["EfficientNetB0"], weights=str(path), image_size=32)
        return network(images, training=False)

    images = np.random.default_rng(0).uniform(0, 255, (1, *SHAPE)).astype("float32")
    expected = published(images, training=False)
    assert not np.allclose(features(), expected, rtol=1e-3)
    digest = module.hashlib.md5(pathlib.Path(path).read_bytes()).hexdigest()
    monkeypatch.setattr(module, "PUBLISHED_EFFICIENTNETS", {digest})
    np.testing.assert_allclose(features(), expected, rtol=1e-3, atol=1e-5)


def test_published_efficientnets_are_those_of_this_keras():
    published = {digest for pair in efficientnet.WEIGHTS_HASHES.values() for digest in pair}
    assert published == module.PUBLISHED_EFFICIENTNETS


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "ConvNeXtTiny",
        "DenseNet121",
        "EfficientNetB0",
        "EfficientNetV2B0",
        "InceptionResNetV2",
        "InceptionV3",
        "MobileNet",
        "MobileNetV2",
        "MobileNetV3Large",
        "NASNetMobile",
        "ResNet50",
        "ResNet50V2",
        "VGG16",
        "Xception",
    ],
)
def test_weights_of_a_classifier_come_after_all_others(name):
    whole = module.build_whole(BACKBONES[name], num_classes=1000)
    size = BACKBONES[name].minimum_size
    network = build_backbone(BACKBONES[name], weights="none", image_size=size)

    def described(weights):
        # Weights without a name of their own get another number in each network.
        return [(re.sub(r"_\d+$", "", weight.name), weight.shape) for weight in weights]

    assert described(whole.weights[: len(network.weights)]) == described(network.weights)
    assert len(whole.weights) > len(network.weights)


@pytest.mark.thorough
def test_shared_file_loads(shared_dir):
    path = shared_dir / "weights" / "mobilenetv2_imagenet_notop.weights.h5"
    network = build_backbone(BACKBONES["MobileNetV2"], weights=str(path), image_size=32)
    assert network.count_params() == 2_257_984


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["ConvNeXtTiny", "EfficientNetV2B0", "MobileNetV3Small"])
def test_builders_with_a_name_of_their_own_work(name):
    network = build_backbone(BACKBONES[name], weights="none", image_size=32)
    assert network.name == "backbone"


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_built(name):
    size = BACKBONES[name].minimum_size
    network = build_backbone(BACKBONES[name], weights="none", image_size=size)
    assert network.name == "backbone"
    assert network.input.shape == (None, size, size, 3)


FAMILIES = {row.module: row.name for row in BACKBONES.values() if "Large" not in row.name}
MARKS = dict.fromkeys(
    ("ResNet50", "MobileNet", "MobileNetV3Small", "VGG16"), pytest.mark.thorough
) | {"MobileNetV2": ()}
ONE_OF_EACH = [name for name in BACKBONES if name in {*FAMILIES.values(), *MARKS}]


def test_every_family_is_tried_offline():
    assert {BACKBONES[name].module for name in ONE_OF_EACH} == {
        row.module for row in BACKBONES.values()
    }


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=MARKS.get(name, pytest.mark.slow)) for name in ONE_OF_EACH],
)
def test_no_network_is_said_for_every_family(monkeypatch, tmp_path, name):
    take_network(monkeypatch, tmp_path)
    size = BACKBONES[name].minimum_size
    with pytest.raises(KerastlError, match=rf"weights='imagenet': {name} is not in"):
        build_backbone(BACKBONES[name], weights="imagenet", image_size=size)


@pytest.mark.thorough
def test_broken_download_without_a_checksum_is_named(monkeypatch, tmp_path):
    take_network(monkeypatch, tmp_path)
    cached = (
        tmp_path / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    )
    cached.parent.mkdir()
    cached.write_bytes(b"junk")
    with pytest.raises(KerastlError, match=rf"{re.escape(str(cached))} is damaged. Remove it"):
        build_backbone(BACKBONES["MobileNetV2"], weights="imagenet", image_size=32)


def test_checkpoint_of_a_classifier_names_the_file_to_give(trained, tiny_net, tmp_path):
    classifier = build_classifier(trained, scaling=tiny_net.scaling, num_classes=4, dropout=0.0)
    classifier.save_weights(tmp_path / "best.weights.h5")
    refused(
        tiny_net,
        tmp_path / "best.weights.h5",
        r"is a checkpoint of a whole classifier.*\. Give the model\.keras of its run\.",
    )


def test_format_is_told_from_the_content(tiny_net, trained, tmp_path):
    trained.save_weights(tmp_path / "new.weights.h5")
    (tmp_path / "new.weights.h5").rename(tmp_path / "renamed.h5")
    assert fingerprint(load(tiny_net, tmp_path / "renamed.h5")) == fingerprint(trained)
    save_older(trained, tmp_path / "older.h5")
    (tmp_path / "older.h5").rename(tmp_path / "older.weights.h5")
    assert fingerprint(load(tiny_net, tmp_path / "older.weights.h5")) == fingerprint(trained)


def test_sequential_classifier_gives_the_network_in_it(trained, tiny_net, tmp_path):
    layers = [keras.Input(trained.input.shape[1:]), trained, keras.layers.GlobalMaxPooling2D()]
    keras.Sequential([*layers, keras.layers.Dense(5)]).save(tmp_path / "own.keras")
    assert fingerprint(load(tiny_net, tmp_path / "own.keras")) == fingerprint(trained)


def test_sequential_of_another_network_is_refused(tiny_net, tmp_path):
    other = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(500, 3)])
    keras.Sequential([keras.Input((16, 16, 3)), other]).save(tmp_path / "own.keras")
    refused(tiny_net, tmp_path / "own.keras", "holds the weights of another network than TinyNet")


def test_values_that_are_not_finite_are_refused(trained, tiny_net, tmp_path):
    trained.weights[0].assign(trained.weights[0] * np.nan)
    trained.save_weights(tmp_path / "nan.weights.h5")
    refused(tiny_net, tmp_path / "nan.weights.h5", "holds values that are not finite")


def test_misspelled_imagenet_is_told_apart(tiny_net):
    refused(tiny_net, "Imagenet", r"is not a file\. Did you mean 'imagenet'\? Use imagenet, b")
