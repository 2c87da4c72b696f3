"""Presets of KerasHub as backbones."""

import dataclasses
import functools
import io
import json
import logging
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

import kerastl
import tiny_presets
from kerastl.api.checks import announce_downloads, check_network
from kerastl.data.images import decode, decode_and_resize
from kerastl.data.images import resize as resize_images
from kerastl.errors import KerastlError, UsageError
from kerastl.model.build import scale_pixels
from kerastl.model.building.finding import own_resize
from kerastl.model.building.hub import read_scaling
from kerastl.model.network import open_network
from kerastl.model.sources import hub
from kerastl.model.sources.hub_presets import PRESETS
from kerastl.model.sources.table import find_backbone, find_row, list_rows
from kerastl.progress import Progress
from kerastl.recipes.following import first_settings
from kerastl.settings import ModelSettings
from kerastl.settings.images import INTERPOLATIONS

keras_hub = tiny_presets.keras_hub
# KerasHub's own.
pytestmark = pytest.mark.filterwarnings("ignore:Layer 'attn' .*mask:UserWarning")
SIZE = tiny_presets.SIZE
CHEAP = ("ResNet", "ViT", "DINOV2")
ALL = [
    name if name in CHEAP else pytest.param(name, marks=pytest.mark.thorough)
    for name in tiny_presets.BUILDERS
]
# Blocks, the channels that the head sees, and how many places there are to cut.
SHAPES = {
    "CLIP": ("block_1 block_2 block_3", 16, 6),
    "CSPNet": ("stage_0 stage_1", 32, 10),
    "DINOV2": ("block_1 block_2 block_3", 32, 6),
    "DINOV3": ("block_1 block_2 block_3", 32, 2),
    "DeiT": ("block_1", 16, 3),
    "DenseNet": ("stack1 stack2", 56, 10),
    "EfficientNet": ("block1a block2a block2b", 1280, 10),
    "HGNetV2": ("stage_0 stage_1", 32, 4),
    "MetaCLIP2": ("block_1 block_2 block_3", 16, 6),
    "MiT": ("block_1 block_2 block_3 block_4", 16, 8),
    "MobileNet": ("block_0 block_1 block_2 block_3", 16, 8),
    "MobileNetV5": (" ".join(f"block_{one}" for one in range(1, 10)), 48, 6),
    "ResNet": ("stack0 stack1", 64, 10),
    "ResNetVd": ("stack0 stack1", 64, 10),
    "SigLIP": ("block_1 block_2 block_3", 16, 6),
    "SwinTransformer": ("block_1 block_2 block_3 block_4", 16, 8),
    "VGG": ("block1 block2", 16, 6),
    "ViT": ("block_1 block_2 block_3", 16, 6),
    "Xception": ("block1 block2", 24, 10),
}


def settings(backbone, size=SIZE, **changes):
    return ModelSettings(backbone=backbone, image_size=size, **changes)


def pictures(size=SIZE):
    """Two photographs, in part."""
    images = datasets.load_sample_images().images
    return np.stack([image[100 : 100 + size, 200 : 200 + size] for image in images])


def test_rows_are_kerashubs_presets():
    def known(kind):
        found = getattr(keras_hub.models, kind).presets
        return {
            name: (about["metadata"]["params"], about["kaggle_handle"].split("/")[3])
            for name, about in found.items()
        }

    assert set(PRESETS) == set(hub.FAMILIES)
    rows = {
        kind: {name: (row.counted, row.model) for name, row in presets.items()}
        for kind, presets in PRESETS.items()
    }
    assert {kind: known(kind) for kind in PRESETS} == rows


def test_sizes_of_rows_are_those_that_kerashub_describes():
    # KerasHub describes a preset of 384 px as one of 224.
    wrong = {"siglip2_so400m_patch14_384"}
    counts = {"size": 0, "patch": 0}
    for kind, presets in PRESETS.items():
        for name, row in presets.items():
            about = getattr(keras_hub.models, kind).presets[name]["metadata"]["description"]
            said = {
                "size": re.search(r"(\d+)x\1|image size (?:of )?(\d+)", about),
                "patch": re.search(r"patch size (?:of )?(\d+)", about),
            }
            for what, found in said.items():
                if found and name not in wrong:
                    assert str(getattr(row, what)) in found.groups(), name
                    counts[what] += 1
            if by_name := re.search(r"_(224|256|336|378|384|448|512|640|1024)(_|$)", name):
                assert row.size == int(by_name[1]), name
    assert counts["size"] > 60
    assert counts["patch"] > 15


def test_parameters_of_rows_are_those_of_what_sees_images():
    # As published with the networks for images alone, https://github.com/huggingface/timm, in
    # millions.
    for name, millions in {
        "siglip_base_patch16_224": 92.88,
        "siglip_so400m_patch14_384": 428.23,
        "clip_vit_base_patch16": 85.80,
        "clip_vit_large_patch14": 303.18,
        "efficientnet_b0_ra_imagenet": 4.01,
        "resnet_vd_18_imagenet": 11.21,
    }.items():
        assert find_row(f"hub:{name}").parameters / 1e6 == pytest.approx(millions, abs=0.01)
    # What is left of one family's presets of several sizes is the same network for texts.
    presets = PRESETS["CLIPBackbone"]
    texts = {
        presets[name].counted - presets[name].parameters - positions
        for name, positions in (
            ("clip_vit_large_patch14", 16**2 + 1),
            ("clip_vit_large_patch14_336", 24**2 + 1),
        )
    }
    assert len(texts) == 1


def test_rows_of_transformers_say_so():
    kinds = {name: hub.find(f"hub:{next(iter(presets))}") for name, presets in PRESETS.items()}
    transformers = {name for name, row in kinds.items() if row.is_transformer}
    assert {
        "ViTBackbone",
        "SwinTransformerBackbone",
        "DINOV2Backbone",
        "MiTBackbone",
    } <= transformers
    assert not transformers & {"ResNetBackbone", "EfficientNetBackbone", "VGGBackbone"}
    assert not find_row("MobileNetV2").is_transformer


def test_every_converter_of_kerashub_is_of_a_family_or_of_no_single_image():
    converters = [name for name in dir(keras_hub.layers) if name.endswith("ImageConverter")]
    kinds = {getattr(keras_hub.layers, name).backbone_cls for name in converters} - {None}
    # Detection, segmentation, depth, text in images, video, and language with images.
    others = (
        "BASNet BLIP2 DFine DeepLabV3 DepthAnything Gemma3 Gemma3n Gemma4 PARSeq PaliGemma "
        "Qwen3_5 RetinaNet SAM SAM3PromptableConcept SegFormer T5Gemma2 VideoPrism"
    )
    names = {kind.__name__ for kind in kinds}
    assert names == set(hub.FAMILIES) | {f"{name}Backbone" for name in others.split()}


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("hub:resnet_18_imagnet", UsageError, "is not a preset .* mean 'hub:resnet_18_imagenet'"),
        ("hub:bert_tiny_en_uncased", UsageError, "is not a preset for images of KerasHub"),
        ("hub:hf://one", UsageError, "is not the address of a preset. Write hub:hf://OWNER/MODEL"),
        ("hub:s3://one/two", UsageError, "is not the address of a preset"),
    ],
)
def test_wrong_name_is_refused(name, error, message):
    with pytest.raises(error, match=f"^backbone='{name}': {message}"):
        find_row(name)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(KerastlError, match=r"Run: pip install '.*\[hub\]'\.$"):
        find_row("hub:resnet_18_imagenet")


def test_network_that_gives_no_features_of_an_image_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"class_name": "SAMBackbone", "config": {}}))
    with pytest.raises(UsageError, match="is a SAMBackbone, which is no network from an image to"):
        find_row(f"hub:{tmp_path}")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match=r"holds no preset that KerasHub saved: config\.json is"):
        find_row(f"hub:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "size", "advice"),
    [
        ("vit_base_patch16_384_imagenet", 100, "--image_size=112"),
        ("dinov2_small", 225, "--image_size=238"),
        ("swin_base_patch4_window12_384", 224, "--image_size=384"),
        ("clip_vit_large_patch14_336", 335, "--image_size=336"),
        ("siglip2_so400m_patch14_384", 380, "--image_size=392"),
        ("resnet_18_imagenet", 31, "--image_size=32"),
    ],
)
def test_size_that_does_not_fit_is_refused_with_one_that_does(name, size, advice):
    with pytest.raises(UsageError, match=rf"^image_size={size}: .*{advice}"):
        find_backbone(settings(f"hub:{name}", size))
    fits = int(advice.rpartition("=")[2])
    assert find_backbone(settings(f"hub:{name}", fits)).preset == name


def test_no_preset_is_refused_at_its_own_size():
    rows = [row for row in list_rows() if row.name.startswith("hub:") and row.usual_size]
    for row in rows:
        row.check_size(row.usual_size)
    # 27 patches of 14 pixels, of 384.
    assert {row.name for row in rows if row.usual_size % row.size_multiple} == {
        "hub:siglip_so400m_patch14_384",
        "hub:siglip2_so400m_patch14_384",
    }


def test_network_is_built_at_its_own_size_that_is_no_multiple_of_its_patch(tmp_path):
    models = keras_hub.models
    keras_hub.models.SigLIPBackbone(
        models.SigLIPVisionEncoder(8, 16, 2, 2, 32, image_shape=(36, 36, 3)),
        models.SigLIPTextEncoder(30, 16, 16, 2, 2, 32, max_sequence_length=8),
    ).save_to_preset(tmp_path)
    converter = keras_hub.layers.SigLIPImageConverter(image_size=(36, 36))
    converter.save_to_preset(tmp_path)
    backbone = f"hub:{tmp_path}"
    assert find_row(backbone).usual_size == 36
    network = open_network(settings(backbone, 36), num_classes=2)
    assert network.notes == ()
    with pytest.raises(UsageError, match="no multiple of the 8 pixels"):
        find_backbone(settings(backbone, 37))


@pytest.mark.parametrize(
    ("name", "given", "size"), [("ResNet", (64, 64), 64), ("ViT", (48, 48), 48), ("ViT", None, 32)]
)
def test_size_is_that_of_the_presets_own_converter(tmp_path, monkeypatch, name, given, size):
    backbone = tiny_presets.save_preset(name, tmp_path / "preset", image_size=given)
    assert find_row(backbone).usual_size == size
    config = kerastl.Config(dataset="digits", run_dir="r", backbone=backbone, recipe="manual")
    assert check_network(config).image_size == size
    # A download is read as a directory is, wherever it is from.
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    known = {"ResNet": "resnetv1/keras/resnet_18_imagenet"}.get(
        name, "vit/keras/vit_base_patch16_384_imagenet"
    )
    kaggle = tmp_path / "kaggle/models/keras" / known / "10"
    shutil.copytree(tmp_path / "preset", kaggle)
    (kaggle.parent / "9").mkdir()
    hf = tmp_path / "hf/hub/models--one--two"
    shutil.copytree(tmp_path / "preset", hf / "snapshots/abc")
    (hf / "refs").mkdir()
    (hf / "refs/main").write_text("abc")
    preset = known.rpartition("/")[2]
    for address in (
        preset,
        f"kaggle://keras/{known}",
        f"kaggle://keras/{known}/10",
        "hf://one/two",
    ):
        row = find_row(f"hub:{address}")
        assert (row.usual_size, row.scaled) == (size, "its own")
        assert row.find_weights()
        assert row.is_transformer == (name == "ViT")


def test_recipe_takes_a_networks_own_size_at_most(tmp_path):
    values = {"dataset": "digits", "run_dir": "r", "recipe": "auto"}
    for size, first in ((64, 64), (160, 96)):
        folder = tmp_path / str(size)
        backbone = tiny_presets.save_preset("ResNet", folder, image_size=(size, size))
        config = kerastl.Config(**values, backbone=backbone)
        assert first_settings(check_network(config)).image_size == first


@pytest.mark.parametrize(
    ("preset", "page"),
    [
        ("resnet_18_imagenet", r"www\.kaggle\.com/models/keras/resnetv1/keras/resnet_18_imagenet"),
        ("hf://keras/nothing", r"huggingface\.co/keras/nothing"),
    ],
)
def test_weights_that_cannot_be_had_are_one_line(monkeypatch, caplog, preset, page):
    def fail(*_, **__):
        logging.getLogger("huggingface_hub.new").warning("Retrying in 8s [Retry 5/5].")
        try:
            raise OSError("no route to host\nand much more")
        except OSError as error:
            raise ConnectionError("Max retries exceeded with url: /v1/models (Caused by") from error

    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", fail)
    with pytest.raises(KerastlError) as caught:
        open_network(settings(f"hub:{preset}"), num_classes=2)
    assert "\n" not in str(caught.value)
    assert caught.match(
        rf"^backbone='hub:{preset}': is not on this machine and cannot be had from https://{page} "
        r"\(no route to host\)\. Download its files .* --backbone=hub:DIR\.$"
    )
    assert not caplog.records
    logging.getLogger("huggingface_hub").warning("heard again")
    assert [record.message for record in caplog.records] == ["heard again"]


@pytest.mark.parametrize("words", ["It has no config.json.", ""])
def test_long_reason_is_not_cut_in_a_word(monkeypatch, words):
    # As KerasHub's own, which is longer.
    advice = "Make sure that the address is right. Then " + 30 * "wait and "

    def fail(*_, **__):
        raise ValueError(f"{words} {advice}")

    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", fail)
    with pytest.raises(KerastlError) as caught:
        open_network(settings("hub:hf://keras/nothing"), num_classes=2)
    reason = re.search(r"nothing \((.*)\)\. Download its", str(caught.value))[1]
    assert reason == f"{words} Make sure that the address is right".strip()


def test_weights_that_are_here_but_damaged_are_not_called_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    folder = tmp_path / "models/keras/resnetv1/keras/resnet_18_imagenet/3"
    folder.mkdir(parents=True)
    (folder / "model.weights.h5").touch()

    def fail(*_, **__):
        raise OSError("Unable to open file")

    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", fail)
    message = rf"cannot be read \(Unable to open file\)\. Remove {folder}, to download it again\.$"
    with pytest.raises(KerastlError, match=message):
        open_network(settings("hub:resnet_18_imagenet"), num_classes=2)


def test_preset_without_a_converter_is_named(tmp_path):
    backbone = tiny_presets.save_preset("ResNet", tmp_path)
    (tmp_path / "image_converter.json").unlink()
    with pytest.raises(KerastlError, match=r"cannot be read .*with save_to_preset"):
        open_network(settings(backbone), num_classes=2)


@pytest.mark.parametrize(
    "scaling",
    [
        tiny_presets.STANDARDIZED,
        tiny_presets.SYMMETRIC,
        {"scale": 1 / 255, "offset": None},
        {"scale": None, "offset": [-103.9, -116.8, -123.7]},
        {"scale": None, "offset": None},
    ],
)
def test_scaling_is_the_converters(scaling):
    converter = keras_hub.layers.ViTImageConverter(image_size=(SIZE, SIZE), **scaling)
    images = pictures().astype(np.float32)
    ours = scale_pixels(images, read_scaling(converter))
    np.testing.assert_allclose(ours, converter(images), atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_every_family_is_opened(tmp_path, name):
    backbone = tiny_presets.save_preset(name, tmp_path / "preset")
    network = open_network(settings(backbone), num_classes=2)
    blocks, channels, places = SHAPES[name]
    assert list(network.blocks) == blocks.split()
    assert network.pooled.tensor.shape[1:] == (channels,)
    assert len(network.boundaries) >= places
    images = pictures().astype(np.float32)
    for place in network.boundaries[1:]:
        assert network.lower(place)(images).shape[1:] == tuple(place.tensor.shape[1:])
    # What is computed piece by piece is what the preset computes.
    whole = keras_hub.models.Backbone.from_preset(str(tmp_path / "preset"))
    tower = getattr(whole, "vision_encoder", whole)
    converter = keras_hub.layers.ImageConverter.from_preset(str(tmp_path / "preset"))
    images = converter(pictures())
    key = next(iter(tower.input)) if isinstance(tower.input, dict) else None
    theirs = tower({key: images} if key else images, training=False)
    theirs = list(theirs.values())[-1] if isinstance(theirs, dict) else theirs
    features = np.array(network.lower(network.pooled)(pictures().astype(np.float32)))
    np.testing.assert_allclose(features, pooled_by_hand(name, np.array(theirs), whole), atol=1e-5)


def pooled_by_hand(name, output, whole):
    if name == "MetaCLIP2":
        output = np.array(whole.vision_post_layer_norm(output))
    if name in ("CLIP", "MetaCLIP2", "DeiT", "ViT"):
        return output[:, 0]
    if name.startswith("DINO"):
        return np.concatenate([output[:, 0], output[:, 3:].mean(axis=1)], axis=1)
    return output if output.ndim == 2 else output.mean(axis=tuple(range(1, output.ndim - 1)))


def test_random_weights_are_others_than_the_presets(tmp_path):
    backbone = tiny_presets.save_preset("ResNet", tmp_path / "preset")
    first, second = (
        open_network(settings(backbone, weights=weights), num_classes=2).model.weights[0]
        for weights in ("own", "none")
    )
    assert (np.array(first) != np.array(second)).any()


@pytest.mark.parametrize("name", ["ViT", pytest.param("SigLIP", marks=pytest.mark.thorough)])
def test_position_embeddings_are_interpolated_for_another_size(tmp_path, name):
    backbone = tiny_presets.save_preset(name, tmp_path / "preset")
    own, larger = (
        open_network(settings(backbone, size), num_classes=2) for size in (SIZE, 2 * SIZE)
    )
    assert own.notes == ()
    assert larger.notes == ("position embeddings are interpolated from 4x4 to 8x8 patches",)

    def positions(network):
        return next(
            np.array(one)
            for one in network.model.weights
            if "position_embedding" in one.path and one.dtype.startswith("float")
        )

    before, after = positions(own), positions(larger)
    extra = 1 if name == "ViT" else 0
    assert (before[:extra] == after[:extra]).all()
    assert after.shape == (64 + extra, 16)
    # Cubic interpolation keeps the mean, but for the edges.
    np.testing.assert_allclose(before[extra:].mean(axis=0), after[extra:].mean(axis=0), atol=0.01)
    kernels = [network.model.get_layer("backbone").weights[-1] for network in (own, larger)]
    assert (np.array(kernels[0]) == np.array(kernels[1])).all()


@pytest.mark.thorough
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [SIZE, SIZE + SIZE // 2, 2 * SIZE])
def test_positions_come_from_those_of_the_training_and_survive_a_file(
    tmp_path, monkeypatch, size, antialias
):
    """DINOv2 derives what it computes with from them, and its files hold them alone."""
    usual = tiny_presets.BUILDERS["DINOV2"]()
    # Trained on larger images than the preset is for.
    changes = {"position_embedding_shape": (2 * SIZE, 2 * SIZE, 3)}
    config = usual.get_config() | changes | {"antialias_in_interpolation": antialias}
    monkeypatch.setitem(tiny_presets.BUILDERS, "DINOV2", lambda: type(usual).from_config(config))
    backbone = tiny_presets.save_preset("DINOV2", tmp_path / "preset")
    network = open_network(settings(backbone, size), num_classes=2)
    said = "position embeddings are interpolated from 8x8 to"
    assert [note.startswith(said) for note in network.notes] == [True] * (size != 2 * SIZE)
    network.model.save(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert (np.array(network.model(pixels)) == np.array(again(pixels))).all()
    own = keras_hub.models.Backbone.from_preset(
        backbone.removeprefix("hub:"), image_shape=(size, size, 3)
    )
    (expected,) = (np.array(one) for one in own.weights if "interpolated" in one.path)
    (found,) = (np.array(one) for one in network.model.weights if "interpolated" in one.path)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def converter_of(rule):
    """What a rule is called among the arguments of an image converter."""
    fit, interpolation, manner = rule.split(":")
    return {
        "interpolation": interpolation,
        "antialias": manner == "keras_antialias",
        "crop_to_aspect_ratio": fit == "crop",
        "pad_to_aspect_ratio": fit == "pad",
    }


@pytest.mark.parametrize("manner", ["keras", "keras_antialias"])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_images_are_resized_as_the_converter_does(interpolation, fit, manner):
    rule = f"{fit}:{interpolation}:{manner}"
    converter = keras_hub.layers.ViTImageConverter(image_size=(SIZE, SIZE), **converter_of(rule))
    for sides in ((97, 97), (64, 97), (121, 60), (20, 21)):
        picture = np.random.default_rng(0).integers(0, 256, (*sides, 3)).astype(np.float32)
        ours = resize_images(tf.constant(picture), image_size=SIZE, rule=rule)
        np.testing.assert_allclose(ours / 255, converter(picture) / 255, atol=1e-5)
        # The way of this package is the same but for what lies beyond black and white.
        if manner == "keras_antialias" and fit != "pad":
            own = f"{fit}:{interpolation}"
            here = resize_images(tf.constant(picture), image_size=SIZE, rule=own)
            np.testing.assert_allclose(here / 255, np.clip(ours, 0, 255) / 255, atol=1e-5)


def test_long_strip_is_padded_as_far_as_the_memory_allows():
    strip = tf.constant(np.full((30_000, 3, 3), 200, np.uint8))
    pixels = resize_images(strip, image_size=16, rule="pad:bilinear:keras").numpy()
    assert pixels[:, 7].min() == pytest.approx(200, abs=1e-3)


CONVERTED = {
    rule: converter_of(rule)
    for rule in ("crop:bicubic:keras", "stretch:lanczos3:keras_antialias", "pad:bilinear:keras")
}


@pytest.mark.parametrize("rule", CONVERTED)
def test_what_resize_leaves_open_is_the_converters(tmp_path, rule):
    backbone = tiny_presets.save_preset("ResNet", tmp_path / "preset", **CONVERTED[rule])
    way = rule.partition(":")[2]
    expected = {
        "": rule,
        "crop": f"crop:{way}",
        "stretch": f"stretch:{way}",
        "crop:bilinear": "crop:bilinear",
        "pad:nearest": "pad:nearest",
    }
    for given, resize in expected.items():
        config = kerastl.Config(dataset="digits", run_dir="r", backbone=backbone, resize=given)
        assert config.resize == given
        printed = io.StringIO()
        settled = dataclasses.replace(config, **own_resize(config, Progress(printed)))
        assert settled.resize == resize
        assert own_resize(settled, Progress()) == {}
        line = f"Images are resized {resize}, by the image converter of {backbone}.\n"
        assert printed.getvalue() == ("" if given == resize else line)


def test_networks_without_a_converter_keep_their_rule():
    config = kerastl.Config(dataset="digits", run_dir="r", backbone="ResNet50")
    assert config.resize == "crop"
    assert own_resize(config, Progress()) == {}


@pytest.mark.parametrize(
    "rule",
    [
        *("pad:bilinear:keras", "crop:bicubic:keras_antialias", "stretch:bicubic:keras"),
        *(
            pytest.param(f"{fit}:{how}:{manner}", marks=pytest.mark.thorough)
            for fit in ("crop", "pad", "stretch")
            for how in ("bilinear", "bicubic")
            for manner in ("keras", "keras_antialias")
        ),
    ],
)
def test_photographs_reach_a_preset_as_through_its_own_converter(tmp_path, rule):
    backbone = tiny_presets.save_preset("ResNet", tmp_path / "preset", **converter_of(rule))
    config = settings(backbone)
    config = dataclasses.replace(config, **own_resize(config, Progress()))
    network = open_network(config, num_classes=2)
    place = next(one for one in network.boundaries if network.name_of(one) == "input_scaling")
    converter = keras_hub.layers.ImageConverter.from_preset(str(tmp_path / "preset"))
    for photograph in datasets.load_sample_images().images:
        for file in (tf.io.encode_png(photograph), tf.io.encode_jpeg(photograph)):
            ours = decode_and_resize(file, image_size=config.image_size, rule=config.resize)
            theirs = converter(tf.cast(decode(file), tf.float32))
            np.testing.assert_allclose(network.lower(place)(ours[None])[0], theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "own", "position"),
    [
        ("ViT", "vit_encoder_transformer_block_2", 2),
        ("DINOV2", "layer_1", 2),
        pytest.param("CLIP", "block_0", 1, marks=pytest.mark.thorough),
        pytest.param("SigLIP", "block_0", 1, marks=pytest.mark.thorough),
        pytest.param("SwinTransformer", "stage_1", 3, marks=pytest.mark.thorough),
        pytest.param("MiT", "hierarchical_encoder_1_0", 3, marks=pytest.mark.thorough),
    ],
)
def test_blocks_of_transformers_are_counted_alike_beside_their_own_names(
    tmp_path, name, own, position
):
    network = open_network(settings(tiny_presets.save_preset(name, tmp_path)), num_classes=2)
    kinds = []
    for number, block in enumerate(network.blocks, start=1):
        assert block == f"block_{number}"
        begin = network.find(block)
        end = network.find(network.blocks[number]) if number < len(network.blocks) else None
        kinds.append({type(call.layer) for call in network.calls[begin:end]})
    # The same layer is in each, and what makes tokens of patches below all.
    assert set.intersection(*kinds)
    assert network.find("block_1") > network.find("all")
    at, begin = network.find(own), network.find(f"block_{position}")
    after = network.find(f"block_{position + 1}")
    assert begin <= at < after


@pytest.mark.parametrize("recipe", ["manual", "auto"])
@pytest.mark.parametrize("name", ["vit_base_patch16_384_imagenet", "swin_base_patch4_window12_384"])
def test_a_presets_own_size_is_taken_where_none_is_given(recipe, name):
    values = {"dataset": "digits", "run_dir": "r", "recipe": recipe}
    config = kerastl.Config(**values, backbone=f"hub:{name}")
    checked = check_network(config)
    assert first_settings(checked).image_size == 384
    # A recipe takes it when it chooses.
    assert checked.image_size == (224 if recipe == "auto" else 384)
    given = kerastl.Config(**values, backbone="hub:vit_base_patch16_384_imagenet", image_size=224)
    assert check_network(given) is given


def test_format_that_no_converter_writes_is_refused_before_training():
    values = {"dataset": "digits", "run_dir": "r", "backbone": "hub:mit_b0_ade20k_512"}
    check_network(kerastl.Config(**values, format="savedmodel,onnx"))
    with pytest.raises(UsageError, match=r"^format='savedmodel,onnx': has onnx, whose converter"):
        check_network(kerastl.Config(**values, format="savedmodel,onnx", export_dir="x"))


def test_licence_is_printed_before_a_download(monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    models = [
        settings(f"hub:{preset}", 224, weights=weights)
        for preset, weights in (
            ("dinov3_vit_small_lvd1689m", ""),
            ("dinov3_vit_base_lvd1689m", "none"),
            ("resnet_18_imagenet", ""),
        )
    ]
    printed = io.StringIO()
    announce_downloads([*models, models[0]], Progress(printed))
    (line,) = printed.getvalue().splitlines()
    assert line.startswith("hub:dinov3_vit_small_lvd1689m comes from https://www.kaggle.com/")
    assert line.endswith("under its licence: DINOv3 License.")
    there = tmp_path / "models" / "keras" / "dinov3" / "keras" / "dinov3_vit_small_lvd1689m" / "1"
    there.mkdir(parents=True)
    (there / "model.weights.h5").touch()
    announce_downloads(models, Progress(printed := io.StringIO()))
    assert not printed.getvalue()


@pytest.mark.parametrize(
    "address",
    [
        "hf://keras/dinov3_vit_small_lvd1689m",
        "hf://facebook/dinov3-vits16-pretrain-lvd1689m",
        "hf://timm/vit_small_patch16_dinov3.lvd1689m",
        "kaggle://keras/dinov3/keras/dinov3_vit_base_lvd1689m",
        "kaggle://keras/dinov3/keras/dinov3_vit_base_lvd1689m/1",
        "kaggle://someone/mine/keras/DINOv3_flowers",
    ],
)
def test_licence_is_printed_for_addresses_too(monkeypatch, tmp_path, address):
    for variable in ("KAGGLEHUB_CACHE", "HF_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    printed = io.StringIO()
    announce_downloads([settings(f"hub:{address}", 224)], Progress(printed))
    assert printed.getvalue().startswith(f"hub:{address} comes from https://")
    assert printed.getvalue().endswith(", under its licence: DINOv3 License.\n")


def test_licence_that_others_need_not_keep_is_told_for_the_published_weights_alone():
    assert find_row("hub:hf://keras/dinov2_small").licence == "Apache 2.0"
    assert not find_row("hub:hf://someone/my-dinov2").licence
    assert not find_row("hub:hf://someone/flowers").licence


def test_licence_that_an_address_does_not_tell_is_a_remark(monkeypatch, tmp_path):
    tiny_presets.save_preset("DINOV3", tmp_path / "preset")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for owner in (keras_hub.models.Backbone, keras_hub.layers.ImageConverter):
        read = functools.partial(owner.from_preset, str(tmp_path / "preset"))
        monkeypatch.setattr(owner, "from_preset", lambda _, read=read, **given: read(**given))
    network = open_network(settings("hub:hf://someone/flowers"), num_classes=2)
    assert "the weights are under the DINOv3 License" in network.notes
