"""Heads of class names, from networks that read texts."""

import csv
import shutil

import keras
import numpy as np
import pytest

import fakes
import kerastl
import tiny_presets
from cuts import copies_of, go_on_from
from endings import differences
from kerastl.model.network import open_network
from kerastl.model.sources import hub

# KerasHub does not close the file of a tokenizer of SigLIP.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:[\s\S]*vocabulary\.spm:pytest.PytestUnraisableExceptionWarning"
)
SOURCE = fakes.color_source()
TEXTS = ["a red", "a green", "a blue"]


def config_for(folder, **changes):
    values = {
        "backbone": f"hub:{folder / 'preset'}",
        "weights": "own",
        "image_size": tiny_presets.SIZE,
        "class_prompts": "a {}",
        "head_epochs": 2,
        "cache_dir": str(folder / "cache"),
    } | changes
    return fakes.tiny_config(folder, **values)


def pictures(count=6):
    return np.random.default_rng(1).uniform(0, 255, (count, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("name", tiny_presets.PREPROCESSORS)
def test_head_of_texts_ranks_them_as_the_network_itself(name, tmp_path):
    whole, prepare = tiny_presets.save_reader(name, tmp_path / "preset")
    network = open_network(config_for(tmp_path), num_classes=3)
    images = pictures()
    pooled = keras.Model(network.inputs, network.pooled.tensor)(images).numpy()
    kernel = network.read_texts(TEXTS, pooled)
    assert kernel.shape == (pooled.shape[1], 3)
    prepared = prepare({"prompts": TEXTS, "images": images})
    inputs = {part: prepared[part] for part in ("images", "token_ids")}
    own = keras.ops.convert_to_numpy(whole(inputs)["vision_logits"])
    logits = pooled @ kernel
    # Each image's are scaled by the length of its embedding. SigLIP adds the same, 0 here, to all.
    ratios = logits / own
    assert np.allclose(ratios, ratios[:, :1], rtol=1e-3)
    assert ratios.mean() == pytest.approx(1.0, abs=0.2)
    assert (logits.argmax(axis=1) == own.argmax(axis=1)).all()


def test_texts_that_are_cut_to_the_same_are_refused(tmp_path):
    tiny_presets.save_reader("CLIP", tmp_path / "preset")
    config = config_for(tmp_path, class_prompts="a bad red bag, a {}")
    network = open_network(config, num_classes=2)
    with pytest.raises(
        kerastl.UsageError, match=r"makes the same of 'a bad.* red' and .* 8 tokens"
    ):
        network.read_texts(
            [f"a bad red bag, a {name}" for name in ("red", "blue")], np.ones((1, 16))
        )


def test_preset_without_a_tokenizer_is_refused(tmp_path):
    backbone = tiny_presets.save_preset("CLIP", tmp_path / "preset")
    with pytest.raises(kerastl.UsageError, match=r"^class_prompts=.*needs the tokenizer of hub:.*"):
        open_network(config_for(tmp_path, backbone=backbone), num_classes=3)


def test_missing_package_is_named(tmp_path, monkeypatch):
    tiny_presets.save_reader("SigLIP", tmp_path / "preset")

    def lack(*_, **__):
        raise ImportError("SigLIPTokenizer requires `tensorflow-text`")

    monkeypatch.setattr(tiny_presets.models.CausalLMPreprocessor, "from_preset", lack)
    with pytest.raises(kerastl.KerastlError, match=r"tensorflow-text.*pip install '.*\[hub\]'\.$"):
        open_network(config_for(tmp_path), num_classes=3)


def test_networks_without_texts_are_refused_before_they_are_built(tmp_path):
    with pytest.raises(kerastl.UsageError, match=r"text tower, and MobileNetV2 has none\. Leave"):
        kerastl.run(
            kerastl.Config(
                dataset="digits",
                run_dir=str(tmp_path / "run"),
                backbone="MobileNetV2",
                class_prompts="a {}",
            )
        )
    assert not hub.find("hub:resnet_50_imagenet").reads_text
    assert hub.find("hub:clip_vit_base_patch16").reads_text
    assert hub.find("hub:hf://openai/clip").reads_text


@pytest.mark.thorough
@pytest.mark.parametrize("head", ["sgd", "solved"])
def test_class_names_are_a_row_of_their_own_and_a_candidate(head, tmp_path):
    tiny_presets.save_reader("CLIP", tmp_path / "preset")
    config = config_for(tmp_path, head=head, refit=head == "solved", best_by="last", repeats=2)
    run = fakes.finish_run(config, SOURCE)
    with (run.result.run_dir / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["phase"] for row in rows] == ["prompts", *["head"] * (2 if head == "sgd" else 1)]
    highest = run.result.metrics["highest_validation_accuracy"]
    assert highest["prompts"] == float(rows[0]["val_accuracy"])
    assert "prompts phase: a head of the names of the classes" in run.printed
    assert next(run.result.lines()) == (
        f"Class names alone: validation accuracy {highest['prompts']:.4f}."
    )


@pytest.mark.thorough
def test_steps_start_from_the_names(tmp_path, monkeypatch):
    tiny_presets.save_reader("CLIP", tmp_path / "preset")
    config = config_for(tmp_path, head_epochs=1, head_learning_rate=1e-9, best_by="last")
    run = fakes.finish_run(config, SOURCE)
    with (run.result.run_dir / "history.csv").open() as file:
        names, head = csv.DictReader(file)
    # A head that started from zero would be at ln(3) after steps as small.
    assert float(head["val_loss"]) == pytest.approx(float(names["val_loss"]), abs=1e-5)
    assert abs(float(head["val_loss"]) - np.log(3)) > 1e-3


@pytest.mark.thorough
def test_run_that_is_cut_off_in_any_phase_goes_on(tmp_path, monkeypatch):
    tiny_presets.save_reader("CLIP", tmp_path / "preset")
    config = config_for(tmp_path, finetune_epochs=2, finetune_learning_rate=0.01)
    with monkeypatch.context() as patch:
        copies = copies_of(config.run_dir, tmp_path, patch)
        fakes.finish_run(config, SOURCE)
    shutil.copytree(config.run_dir, tmp_path / "whole")
    checkpoints = [copy for path, copy in copies if path.parent.name == "checkpoints"]
    for copy in checkpoints:
        go_on_from(copy, config, SOURCE)
        assert differences(tmp_path / "whole", config.run_dir) == [], copy.name
    # Before the head, and after each epoch of both phases.
    assert len(checkpoints) >= 5
