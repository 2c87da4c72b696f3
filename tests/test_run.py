import dataclasses
import io
import json
import os
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from command_line import config_from_flags
from kerastl.main import main
from kerastl.outputs import exporting
from kerastl.training import train

SILENT = kerastl.Progress()
RUN_FILES = {
    "flags.txt",
    "receipt.json",
    "splits.csv",
    "history.csv",
    "metrics.json",
    "predictions.csv",
    "mistakes.csv",
    "class_scores.csv",
    "confusion.csv",
    "calibration.csv",
    "coverage.csv",
    "heat_maps.csv",
    "report.html",
    "model.keras",
    "model_card.json",
    "checkpoints",
    "tensorboard",
}
COLOR_FILES = [
    tf.io.encode_png(np.full((20, 30, 3), color, np.uint8)).numpy()
    for color in fakes.COLORS.values()
]


def names_of_colors(export_path):
    serve = tf.saved_model.load(str(export_path)).signatures["serving_default"]
    names = serve(image_bytes=tf.constant(COLOR_FILES))["class_name"].numpy()
    return [name.decode() for name in names]


def read(result, name):
    return (result.run_dir / name).read_bytes()


@pytest.fixture(scope="module")
def head_run(common_folder):
    """A run of the head phase alone, to compare with. Only read it."""
    return fakes.finish_run_once(common_folder / "head_run", fakes.color_source())


@pytest.mark.thorough
def test_colors_are_learned_and_the_export_names_each(color_run):
    assert color_run.result.metrics["test"]["accuracy"] == 1.0
    assert names_of_colors(color_run.result.export_path) == list(fakes.COLORS)


@pytest.mark.thorough
def test_noise_is_not_learned(tmp_path):
    config = fakes.tiny_config(tmp_path, test_fraction=0.5)
    run = fakes.finish_run(config, fakes.color_source(noise=None, per_class=30))
    assert run.result.metrics["test"]["num_images"] == 45
    assert run.result.metrics["test"]["accuracy"] < 0.6


def test_run_directory_holds_what_the_design_lists(color_run):
    found = set(os.listdir(color_run.result.run_dir))
    assert found == RUN_FILES
    assert os.listdir(color_run.result.run_dir / "checkpoints") == ["best.keras"]


def test_metrics_file_is_what_the_call_gives_back(color_run):
    assert json.loads(read(color_run.result, "metrics.json")) == color_run.result.metrics


def test_flags_file_repeats_the_run_byte_for_byte(color_run, tmp_path):
    flag_file = f"--flagfile={color_run.result.run_dir / 'flags.txt'}"
    assert config_from_flags([flag_file]) == color_run.config
    again = config_from_flags([flag_file, f"--run_dir={tmp_path}/again", "--export_dir="])
    repeated = fakes.finish_run(again, fakes.color_source()).result
    for name in ("metrics.json", "predictions.csv", "splits.csv"):
        assert read(repeated, name) == read(color_run.result, name)


def test_checks_are_printed_and_recorded(color_run):
    printed = re.findall(r"^Check passed: (.*)\.$", color_run.printed, re.MULTILINE)
    assert printed[:3] == [
        "first loss 1.0986, ln(3) is 1.0986",
        "head phase: 14 of 14 frozen weights bit-identical, 2 of 2 trained weights moved",
        "finetune phase: 12 of 12 frozen weights bit-identical, 4 of 4 trained weights moved",
    ]
    receipt = json.loads(read(color_run.result, "receipt.json"))
    assert receipt["checks"] == [{"text": text, "passed": True} for text in printed]


def test_difference_of_the_export_is_printed_and_recorded(color_run):
    export = json.loads(read(color_run.result, "receipt.json"))["export"]
    assert export["path"] == str(color_run.result.export_path)
    result = export["formats"]["savedmodel"]
    test = color_run.result.metrics["test"]
    assert 0 <= result["largest_difference"] < 1e-5
    assert result["num_images"] == test["num_images"]
    assert result["accuracy"] == result["trainer_accuracy"] == test["accuracy"]
    row = next(line for line in color_run.printed.splitlines() if line.startswith("  savedmodel"))
    assert f" {test['accuracy']:.4f} " in row
    assert f" {result['largest_difference']:.1e} " in row


@pytest.mark.thorough
def test_page_of_a_run_whose_export_fails_shows_the_rest(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise kerastl.KerastlError("export: differs. Do this.")

    monkeypatch.setattr(exporting, "export_checked", fail)
    config = fakes.tiny_config(tmp_path, head_epochs=1, export_dir=str(tmp_path / "exports"))
    with pytest.raises(kerastl.KerastlError, match="differs"):
        fakes.finish_run(config, fakes.color_source())
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "Failed: export: differs. Do this." in page
    assert "test accuracy" in page


def test_lines_without_a_terminal_hold_no_control_character(color_run):
    assert re.search(r"[^\n -~]", color_run.printed) is None
    epochs = re.findall(r"^(?:head|finetune) \d/\d: loss .*$", color_run.printed, re.MULTILINE)
    assert len(epochs) == 6
    for line in epochs:
        assert re.search(r"loss \d.*  accuracy \d.*  val_loss \d.*  val_accuracy \d", line)
        assert re.search(r"learning rate \d", line)
    assert "Warning" not in color_run.printed


def test_main_ends_with_the_test_accuracy(tmp_path, tiny_net, use_source, capfd):
    use_source(fakes.color_source())
    config = fakes.tiny_config(tmp_path, head_epochs=2)
    assert main(config.to_flags()) == 0
    printed, errors = capfd.readouterr()
    assert errors == ""
    test = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    assert test["num_images"] == 12
    assert printed.splitlines()[-1] == (
        f"Test accuracy {test['accuracy']:.4f} ({test['accuracy_low']:.4f}-"
        f"{test['accuracy_high']:.4f}) on 12 images"
    )


@pytest.mark.thorough
def test_finished_run_is_refused_then_replaced(tmp_path, color_run):
    run_dir = tmp_path / "run"
    shutil.copytree(color_run.result.run_dir, run_dir)
    (run_dir / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in run_dir.iterdir() if path.is_file()}

    config = fakes.tiny_config(tmp_path, head_epochs=1)
    with pytest.raises(kerastl.UsageError, match=r"holds a finished run\. .*--overwrite"):
        fakes.finish_run(config, color_run.source)
    # A run that cannot start must not cost the earlier one either.
    hopeless = dataclasses.replace(config, weights=str(tmp_path / "none.h5"), overwrite=True)
    with pytest.raises(kerastl.UsageError, match="is not a file"):
        fakes.finish_run(hopeless, color_run.source)
    misspelled = dataclasses.replace(
        config, unfreeze_from="blok2", finetune_epochs=1, overwrite=True
    )
    with pytest.raises(kerastl.UsageError, match="unfreeze_from='blok2'"):
        fakes.finish_run(misspelled, color_run.source)
    assert {name: (run_dir / name).read_bytes() for name in before} == before

    # It may even start from the weights of the run that it replaces.
    again = dataclasses.replace(config, weights=str(run_dir / "model.keras"), overwrite=True)
    replaced = fakes.finish_run(again, color_run.source).result
    assert replaced.metrics["best"] == {"phase": "head", "epoch": 1}
    assert read(replaced, "history.csv").count(b"\n") == 2
    assert read(replaced, "notes.txt") == b"mine"
    # --overwrite is meant for one run, so it does not travel in the flags.
    assert b"overwrite" not in read(replaced, "flags.txt")
    # The head phase leaves the backbone as the first run has fine-tuned it.
    theirs = color_run.result.model.get_layer("backbone").get_weights()
    for ours, first in zip(replaced.model.get_layer("backbone").get_weights(), theirs, strict=True):
        np.testing.assert_array_equal(ours, first)


@pytest.mark.thorough
def test_unfinished_run_of_other_flags_is_refused_then_replaced(tmp_path, color_run):
    shutil.copytree(color_run.result.run_dir, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    config = fakes.tiny_config(tmp_path, head_epochs=1)
    with pytest.raises(kerastl.UsageError, match=r"head_epochs was 4 and is 1; .*--overwrite"):
        fakes.finish_run(config, color_run.source)
    config = dataclasses.replace(config, overwrite=True)
    result = fakes.finish_run(config, color_run.source).result
    assert read(result, "history.csv").count(b"\n") == 2
    assert len(os.listdir(result.run_dir / "tensorboard")) == 2


@pytest.mark.parametrize("field", ["run_dir", "export_dir"])
@pytest.mark.parametrize("below", ["", "/deeper"])
def test_directory_that_is_a_file_is_one_line(tmp_path, tiny_net, field, below):
    (tmp_path / "file").write_text("mine")
    config = fakes.tiny_config(tmp_path, **{field: f"{tmp_path}/file{below}"})
    with pytest.raises(kerastl.KerastlError, match=f"^{field}='.*file{below}': cannot be written"):
        kerastl.run(config, progress=SILENT)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.thorough
def test_loss_that_is_not_finite_stops_the_run(tmp_path, tiny_net, use_source, capsys):
    use_source(fakes.color_source())
    config = fakes.tiny_config(tmp_path, head_learning_rate=1e38, schedule="constant")
    assert main(config.to_flags()) == 1
    printed, errors = capsys.readouterr()
    assert re.fullmatch(
        r"error: loss: is not finite in the head phase, epoch 1, (?:validation after )?step \d "
        r"of 6, at learning rate 3\.333e\+37\. Use a lower rate or more --warmup_epochs\.\n",
        errors,
    )
    assert printed.count("goes on from the start of the phase at a third of the rate.") == 1
    assert "Test accuracy" not in printed
    made = {"flags.txt", "splits.csv", "receipt.json", "checkpoints"}
    assert set(os.listdir(tmp_path / "run")) == made


@pytest.mark.thorough
def test_second_phase_that_is_not_finite_leaves_the_first(tmp_path, head_run):
    ruined = fakes.tiny_config(
        tmp_path, finetune_epochs=2, finetune_learning_rate=1e38, warmup_epochs=0.0
    )
    with pytest.raises(kerastl.KerastlError, match="not finite in the finetune phase, epoch 1"):
        fakes.finish_run(ruined, head_run.source)
    assert not (tmp_path / "run" / "metrics.json").exists()
    good, model = (
        keras.saving.load_model(run_dir / "checkpoints" / "best.keras")
        for run_dir in (head_run.result.run_dir, tmp_path / "run")
    )
    for ours, theirs in zip(model.get_weights(), good.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.thorough
def test_ruinous_second_phase_loses_nothing_and_is_warned_of(
    tmp_path, tiny_net, use_source, monkeypatch, head_run
):
    def doomed_net(**options):
        network = fakes.tiny_net(**options)
        # The first step that trains this kernel takes it to zero.
        network.get_layer("block2_conv").kernel.constraint = keras.constraints.MaxNorm(0.0)
        return network

    monkeypatch.setattr(keras.applications, "TinyNet", doomed_net)
    use_source(head_run.source)
    config = fakes.tiny_config(tmp_path, finetune_epochs=1, finetune_learning_rate=0.05)
    printed = io.StringIO()
    result = kerastl.run(config, progress=kerastl.Progress(printed))
    phase, *_, val_accuracy, _ = read(result, "history.csv").decode().splitlines()[-1].split(",")
    assert phase == "finetune"
    assert float(val_accuracy) < 0.5
    assert result.metrics["best"]["phase"] == "head"
    for ours, theirs in zip(
        result.model.get_weights(), head_run.result.model.get_weights(), strict=True
    ):
        # The last digits of the temperature depend on where in the network features are stored.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert result.metrics["test"]["accuracy"] == head_run.result.metrics["test"]["accuracy"]
    loss = head_run.result.metrics["test"]["loss"]
    assert result.metrics["test"]["loss"] == pytest.approx(loss, rel=1e-6)
    assert (
        "Warning: finetune_learning_rate=0.05 is not below head_learning_rate=0.05;"
        in printed.getvalue()
    )


def test_frozen_weight_that_moves_stops_the_run(tmp_path, monkeypatch):
    def train_and_spoil(plan, *arguments, **options):
        steps = train_phase(plan, *arguments, **options)
        kernel = plan.lower.get_layer("stem").kernel
        kernel.assign_add(np.full(kernel.shape, 1e-7))
        return steps

    train_phase = train.train_phase
    monkeypatch.setattr(train, "train_phase", train_and_spoil)
    with pytest.raises(kerastl.KerastlError, match=r"13 of 14 frozen .*; wrong: .*stem/kernel"):
        fakes.finish_run(fakes.tiny_config(tmp_path, head_epochs=1), fakes.color_source())
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.thorough
def test_mixed_precision_serves_float32_and_leaves_the_policy(tmp_path, in_this_process):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        config = fakes.tiny_config(
            tmp_path, precision="mixed_float16", head_epochs=2, export_dir=str(tmp_path / "exports")
        )
        mixed = fakes.finish_run(config, fakes.color_source()).result
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert mixed.model.get_layer("backbone").get_layer("stem").compute_dtype == "float16"
    serve = tf.saved_model.load(str(mixed.export_path)).signatures["serving_default"]
    answer = serve(image_bytes=tf.constant(COLOR_FILES))
    assert answer["probabilities"].dtype == answer["confidence"].dtype == tf.float32
    np.testing.assert_allclose(answer["probabilities"].numpy().sum(1), 1.0, atol=1e-6)
    assert names_of_colors(mixed.export_path) == list(fakes.COLORS)


@pytest.mark.thorough
def test_failed_run_puts_the_policy_back(tmp_path):
    config = fakes.tiny_config(
        tmp_path, precision="mixed_bfloat16", finetune_epochs=1, unfreeze_from="nothing"
    )
    with pytest.raises(kerastl.UsageError, match="unfreeze_from='nothing'"):
        fakes.finish_run(config, fakes.color_source())
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.thorough
def test_seven_images_train_in_one_step_an_epoch(tmp_path):
    source = fakes.color_source(per_class=4, colors={"blue": (0, 0, 255), "red": (255, 0, 0)})
    config = fakes.tiny_config(tmp_path, batch_size=32, head_epochs=2)
    run = fakes.finish_run(config, source)
    rows = read(run.result, "history.csv").decode().splitlines()[1:]
    assert [row.split(",")[:2] for row in rows] == [["head", "1"], ["head", "2"]]
    losses = [float(row.split(",")[3]) for row in rows]
    assert losses[0] == pytest.approx(np.log(2), abs=1e-5)
    assert losses[1] < losses[0]


@pytest.mark.thorough
def test_weights_that_are_not_the_best_fail_the_check(tmp_path, monkeypatch):
    def lose(self):
        for weight in self._weights:
            weight.assign(keras.ops.zeros_like(weight))

    monkeypatch.setattr("kerastl.training.best.Best.restore", lose)
    config = fakes.tiny_config(tmp_path)
    with pytest.raises(kerastl.KerastlError, match="validation accuracy of the model"):
        fakes.finish_run(config, fakes.color_source())
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_run_that_cannot_start_leaves_no_directories(tmp_path):
    config = fakes.tiny_config(
        tmp_path,
        unfreeze_from="blok2",
        finetune_epochs=1,
        export_dir=str(tmp_path / "exports"),
    )
    with pytest.raises(kerastl.UsageError, match="unfreeze_from='blok2'"):
        fakes.finish_run(config, fakes.color_source())
    assert sorted(os.listdir(tmp_path)) == ["tiny.weights.h5"]


@pytest.mark.thorough
def test_run_takes_a_source_from_python_and_prints_to_standard_output(tmp_path, tiny_net, capsys):
    source = fakes.color_source()
    config = fakes.tiny_config(tmp_path, dataset="python")
    result = kerastl.run(config, source=source)
    assert "head 4/4: loss" in capsys.readouterr().out
    assert result.metrics["test"]["accuracy"] == 1.0
    assert "colors[0]" in (result.run_dir / "splits.csv").read_text()
    assert kerastl.Source is type(source)


@pytest.mark.parametrize(
    ("dataset", "source"), [("python", None), ("digits", fakes.color_source(per_class=1))]
)
def test_source_and_its_name_come_together(tmp_path, tiny_net, dataset, source):
    config = fakes.tiny_config(tmp_path, dataset=dataset)
    with pytest.raises(
        kerastl.UsageError, match=f"dataset='{dataset}': .* with a source, and only"
    ):
        kerastl.run(config, source=source, progress=SILENT)


@pytest.mark.parametrize("verb", ["run", "learning_curve"])
def test_source_without_images_is_not_looked_for_by_its_name(tmp_path, tiny_net, verb):
    source = kerastl.Source.from_arrays([], [], class_names=("cat", "dog"), name="none")
    config = fakes.tiny_config(tmp_path, dataset="python")
    with pytest.raises(kerastl.UsageError, match="none"):
        getattr(kerastl, verb)(config, source=source, progress=SILENT)


def test_file_of_splits_is_looked_at_before_the_images(tmp_path, tiny_net, monkeypatch):
    monkeypatch.setattr("kerastl.data.audit.inspect", lambda *_, **__: pytest.fail("inspected"))
    config = fakes.tiny_config(tmp_path, splits_from=str(tmp_path / "none.csv"))
    with pytest.raises(kerastl.UsageError, match="splits_from="):
        kerastl.run(config, progress=SILENT)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "verb", ["run", "learning_curve", pytest.param("tune", marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("recipe", ["auto", "manual"])
def test_weights_are_opened_before_the_images(tmp_path, tiny_net, monkeypatch, verb, recipe):
    """Weights of another network, or none, are no news for the end of a long look."""
    monkeypatch.setattr("kerastl.data.audit.inspect", lambda *_, **__: pytest.fail("looked"))
    weights = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save_weights(weights)
    config = fakes.tiny_config(tmp_path, dataset="digits", weights=str(weights), recipe=recipe)
    with pytest.raises(kerastl.UsageError, match="holds the weights of another network than Tiny"):
        getattr(kerastl, verb)(config, progress=kerastl.Progress())
    assert not (tmp_path / "run").exists()
    lost = dataclasses.replace(config, dataset=f"folder:{tmp_path / 'lost'}")
    with pytest.raises(kerastl.UsageError, match=r"^dataset=.*: does not exist"):
        getattr(kerastl, verb)(lost, progress=kerastl.Progress())


def test_class_without_test_images_has_no_part_in_their_scores(tmp_path, tiny_net):
    source = fakes.color_source()
    source = source.subset(np.flatnonzero((source.labels != 2) | (np.arange(60) < 41)))
    config = fakes.tiny_config(
        tmp_path, dataset="python", small_classes="train", label_issues=True, cache_dir="auto"
    )
    result = kerastl.run(config, source=source, progress=SILENT)
    assert result.metrics["test"]["classes"]["red"]["num_images"] == 0
    assert result.metrics["test"]["balanced_accuracy"] == 1.0
