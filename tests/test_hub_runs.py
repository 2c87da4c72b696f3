"""Whole runs on presets of KerasHub: both phases, the store, every export through its gate."""

import json

import keras
import pytest

import fakes
import kerastl
import tiny_presets

# Both are KerasHub's: masks between its layers, and inputs that it names.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Layer 'attn' .*mask:UserWarning"),
    pytest.mark.filterwarnings("ignore:Gradients do not exist"),
]
FORMATS = "savedmodel,keras,litert,onnx"
# What a converter cannot do, as docs/how_to/networks.md says.
NOT_WRITTEN = {"MiT": "onnx"}
FAST = ("ResNet", "ViT", "DINOV2")


def config_for(folder, backbone, **changes):
    values = {
        "backbone": backbone,
        "weights": "own",
        "image_size": tiny_presets.SIZE,
        "head_epochs": 2,
        "finetune_epochs": 1,
        "finetune_learning_rate": 0.001,
        "cache_dir": str(folder / "cache"),
        "export_dir": str(folder / "exports"),
        "max_accuracy_drop": 1.0,
    } | changes
    return fakes.tiny_config(folder, **values)


def check_run(name, folder, formats):
    source = fakes.color_source(per_class=10)
    backbone = tiny_presets.save_preset(name, folder / "preset")
    run = fakes.finish_run(config_for(folder, backbone, format=formats), source)
    receipt = json.loads((run.result.run_dir / "receipt.json").read_text())
    assert set(receipt["export"]["formats"]) == set(formats.split(","))
    texts = [check["text"] for check in receipt["checks"]]
    assert any(text.startswith("finetune phase: ") for text in texts)
    # DINOv3 has no place to store features between its blocks.
    is_stored = any(text.startswith("stored features and the whole network") for text in texts)
    assert is_stored == (name != "DINOV3")
    return run


def check_moved(name, folder, formats):
    run = check_run(name, folder, formats)
    # The same content elsewhere, so nothing is computed.
    again = config_for(
        folder / "again",
        tiny_presets.save_preset(name, folder / "moved"),
        cache_dir=str(folder / "cache"),
        export_dir="",
    )
    assert "0 images to compute" in fakes.finish_run(again, run.source).printed
    model = keras.saving.load_model(run.result.run_dir / "model.keras")
    assert model.count_params() == run.result.model.count_params()
    picture = folder / "red.png"
    picture.write_bytes(run.source.read(0))
    (answer,) = kerastl.predict(run.result.run_dir, [str(picture)])
    assert answer.class_name in fakes.COLORS


@pytest.mark.parametrize("name", FAST)
def test_run_on_a_preset(name, tmp_path, in_this_process):
    check_run(name, tmp_path, "keras")


@pytest.mark.thorough
@pytest.mark.parametrize("name", FAST)
def test_run_on_a_preset_stands_elsewhere(name, tmp_path, in_this_process):
    check_moved(name, tmp_path, "savedmodel,keras")


@pytest.mark.thorough
def test_a_recipe_gives_a_preset_its_own_size_and_a_ranking_takes_it(tmp_path, monkeypatch):
    backbone = tiny_presets.save_preset("ViT", tmp_path / "preset")
    monkeypatch.setitem(fakes.BUILT_IN, "digits", fakes.color_source)
    monkeypatch.setattr("kerastl.selection.measurements.MOST_CALLS", 3)
    shared = {"dataset": "digits", "cache_dir": str(tmp_path / "cache")}
    config = kerastl.Config(
        **shared, backbone=backbone, run_dir=str(tmp_path / "run"), recipe="auto", budget="30s"
    )
    kerastl.run(config)
    flags = (tmp_path / "run" / "flags.txt").read_text().splitlines()
    assert {"--image_size=32", "--weights=own", f"--backbone={backbone}"} <= set(flags)

    fakes.install_tiny_net(monkeypatch)
    weights = fakes.write_tiny_weights(tmp_path / "tiny.weights.h5", image_size=32)
    ranking = kerastl.rank(
        kerastl.Config(**shared, image_size=32, run_dir=str(tmp_path / "rank")),
        backbones=f"{backbone},TinyNet={weights}",
    )
    assert [row.reason for row in ranking.rows] == ["", ""]
    best = (tmp_path / "rank" / "best.flags").read_text()
    assert ("--weights=own" in best) == (f"--backbone={backbone}" in best)


@pytest.mark.slow
@pytest.mark.parametrize("name", tiny_presets.BUILDERS)
def test_run_on_every_family_in_every_format(name, tmp_path):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("onnxruntime")
    missing = NOT_WRITTEN.get(name, "").split(",")
    formats = ",".join(one for one in FORMATS.split(",") if one not in missing)
    check_moved(name, tmp_path, formats)
