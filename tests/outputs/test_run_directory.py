import collections
import csv
import dataclasses
import importlib.metadata
import io
import json
import platform
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.util import event_pb2

import fakes
import kerastl
from kerastl.checked_files import list_versions
from kerastl.data.splits import Splits, make_splits
from kerastl.model.backbones import CAFFE
from kerastl.model.build import build_classifier
from kerastl.outputs import run_directory
from kerastl.outputs.receipt import code_fingerprint, required_packages
from kerastl.outputs.run_directory import RunDirectory
from kerastl.outputs.unfinished import Opened
from kerastl.resources import assigned_cores
from kerastl.settings import SETTINGS
from kerastl.training.best import EpochRow
from kerastl.training.checkpoint import Checkpoint
from kerastl.training.checks import Check
from kerastl.training.evaluation import Evaluation
from kerastl.training.repeats import SCORES
from kerastl.version import VERSION

AWKWARD_NAMES = {"čeština, ano": (255, 0, 0), 'say "no"': (0, 0, 255), "naïve": (0, 255, 0)}


def begin(folder, opened, splits, *, weights=""):
    record, said = RunDirectory(folder), io.StringIO()
    record.begin(opened, splits, weights, started=0.0, progress=kerastl.Progress(said))
    return record, said.getvalue()


def rows_of(run, name):
    with open(run.result.run_dir / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_predictions_agree_with_metrics(color_run):
    rows = rows_of(color_run, "predictions.csv")
    test = color_run.result.metrics["test"]
    names = list(color_run.source.class_names)
    assert len(rows) == test["num_images"] == 12
    correct = sum(row["class_name"] == row["predicted"] for row in rows)
    assert correct / len(rows) == test["accuracy"]
    counts = collections.Counter((row["class_name"], row["predicted"]) for row in rows)
    assert [[counts[true, guess] for guess in names] for true in names] == test["confusion_matrix"]
    probabilities = np.array([[row[name] for name in names] for row in rows], np.float32)
    assert [names[index] for index in probabilities.argmax(1)] == [row["predicted"] for row in rows]
    labels = [names.index(row["class_name"]) for row in rows]
    loss = -np.log(probabilities[np.arange(len(rows)), labels].astype(np.float64)).mean()
    np.testing.assert_allclose(loss, test["loss"], rtol=1e-6)


def test_predictions_keep_every_digit_and_every_error(tmp_path):
    source = fakes.color_source(per_class=4)
    splits = make_splits(source, fakes.tiny_config(tmp_path))
    labels = source.labels[splits.test]
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], len(labels)).astype(np.float32)
    evaluation = Evaluation(labels, probabilities, np.ones(len(labels)))
    RunDirectory(tmp_path).write_predictions(splits, evaluation)
    with open(tmp_path / "predictions.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["example", "class_name", "predicted", "blue", "green", "red"]
    np.testing.assert_array_equal(np.array([row[3:] for row in rows], np.float32), probabilities)
    assert [row[0] for row in rows] == [source.examples[index] for index in splits.test]
    assert [row[1] for row in rows] == [source.class_names[label] for label in labels]
    guesses = [source.class_names[index] for index in probabilities.argmax(1)]
    assert [row[2] for row in rows] == guesses
    assert guesses != [row[1] for row in rows]


def test_splits_and_predictions_are_read_back_as_they_were_written(tmp_path):
    source = fakes.color_source(per_class=8)
    # By their position: one name may stand for several images.
    source = dataclasses.replace(source, examples=["same.png"] * 24)
    splits = make_splits(source, fakes.tiny_config(tmp_path, examples_per_class=3))
    labels = source.labels[splits.test]
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], len(labels)).astype(np.float32)
    record = RunDirectory(tmp_path)
    record.write_splits(splits)
    record.write_predictions(splits, Evaluation(labels, probabilities, np.ones(len(labels))))
    restored = record.read_splits(source)
    for (name, ours), (_, theirs) in zip(splits.items(), restored.items(), strict=True):
        assert len(theirs), name
        np.testing.assert_array_equal(np.sort(ours), theirs)
    found = record.read_predictions(restored)
    np.testing.assert_array_equal(found.probabilities, probabilities)
    np.testing.assert_array_equal(found.labels, labels)


def test_files_of_other_images_are_not_read_back(tmp_path):
    source, other = fakes.color_source(per_class=8), fakes.color_source(per_class=9)
    config = fakes.tiny_config(tmp_path)
    splits = make_splits(source, config)
    record = RunDirectory(tmp_path)
    record.write_splits(splits)
    with pytest.raises(ValueError, match="does not list the images of colors"):
        record.read_splits(other)
    labels = source.labels[splits.test]
    record.write_predictions(splits, fakes.answers(labels, num_classes=3))
    with pytest.raises(ValueError, match="does not list the test images"):
        record.read_predictions(make_splits(other, config))


def test_history_has_a_row_an_epoch(color_run):
    rows = rows_of(color_run, "history.csv")
    assert list(rows[0]) == [
        "phase",
        "epoch",
        "learning_rate",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "seconds",
        "val_balanced_accuracy",
        "val_macro_f1",
    ]
    epochs = [(row["phase"], int(row["epoch"])) for row in rows]
    assert epochs == [*(("head", n) for n in (1, 2, 3, 4)), ("finetune", 1), ("finetune", 2)]
    np.testing.assert_allclose(float(rows[0]["learning_rate"]), 0.05, rtol=1e-6)
    assert float(rows[3]["loss"]) < float(rows[0]["loss"])
    assert all(float(row["seconds"]) > 0 for row in rows)


def test_best_epoch_is_the_best_of_history(color_run):
    rows = rows_of(color_run, "history.csv")
    best = max(rows, key=lambda row: (float(row["val_accuracy"]), -float(row["val_loss"])))
    assert color_run.result.metrics["best"] == {
        "phase": best["phase"],
        "epoch": int(best["epoch"]),
    }
    validation = color_run.result.metrics["validation"]
    assert validation["accuracy"] == float(best["val_accuracy"])
    np.testing.assert_allclose(validation["loss"], float(best["val_loss"]), rtol=1e-5)


def event_files(run):
    """The files of events: the curves, and what was added at the end."""
    return sorted(
        (run.result.run_dir / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns
    )


def test_tensorboard_has_the_images_of_the_page(color_run):
    _, path = event_files(color_run)
    found = {tag: (step, tensor) for tag, step, tensor in events_of(path)}
    assert {step for step, _ in found.values()} == {6}
    # Each class is recognized, so there are no mistakes.
    assert found.keys() == {"matrix", "recognized"}
    for _, (width, height, content) in found.values():
        image = Image.open(io.BytesIO(content))
        assert (image.width, image.height) == (int(width), int(height))
        assert len(image.getcolors(maxcolors=100_000)) > 20


def events_of(path):
    for record in tf.data.TFRecordDataset(str(path)):
        event = event_pb2.Event.FromString(record.numpy())
        for value in event.summary.value:
            yield value.tag, event.step, tf.make_ndarray(value.tensor)


def test_tensorboard_has_the_curves(color_run):
    rows = rows_of(color_run, "history.csv")
    path, _ = event_files(color_run)
    curves = collections.defaultdict(dict)
    for tag, step, tensor in events_of(path):
        curves[tag][step] = float(tensor)
    assert set(curves) == rows[0].keys() - {"phase", "epoch", "seconds"}
    for tag, curve in curves.items():
        assert list(curve) == [1, 2, 3, 4, 5, 6]
        expected = [float(row[tag]) for row in rows]
        np.testing.assert_allclose(list(curve.values()), expected, rtol=1e-6)


def test_splits_list_every_image_once(color_run):
    rows = rows_of(color_run, "splits.csv")
    source = color_run.source
    assert [row["example"] for row in rows] == list(source.examples)
    assert [row["class_name"] for row in rows] == [source.class_names[n] for n in source.labels]
    counts = collections.Counter((row["class_name"], row["split"]) for row in rows)
    assert counts == {
        (name, split): count
        for name in fakes.COLORS
        for split, count in (("train", 14), ("validation", 2), ("test", 4))
    }
    tested = {row["example"] for row in rows if row["split"] == "test"}
    assert {row["example"] for row in rows_of(color_run, "predictions.csv")} == tested


def test_images_left_out_are_listed_as_unused(tmp_path):
    source = fakes.color_source(per_class=10)
    RunDirectory(tmp_path).write_splits(
        make_splits(source, fakes.tiny_config(tmp_path, examples_per_class=3))
    )
    splits = [line.split(",")[2] for line in (tmp_path / "splits.csv").read_text().splitlines()]
    assert collections.Counter(splits[1:]) == {"train": 9, "validation": 3, "test": 6, "unused": 12}


def test_versions_are_those_of_what_is_required(tmp_path, monkeypatch):
    installed = tmp_path / "kerastl-1.0.dist-info"
    installed.mkdir()
    required = ("numpy<3,>=2.0", 'x.y-z; python_version < "4"', 'onnx<2; extra == "onnx"')
    lines = ["Name: kerastl", "Version: 1.0", *(f"Requires-Dist: {line}" for line in required)]
    (installed / "METADATA").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    # Another test may have used it.
    monkeypatch.delitem(sys.modules, "keras_hub", raising=False)
    assert required_packages.__wrapped__() == ("numpy", "x.y-z")


def test_versions_in_a_checkout_are_those_of_what_is_imported(monkeypatch):
    def nothing_installed(_):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "requires", nothing_installed)
    assert {"tensorflow", "keras", "numpy"} <= set(required_packages.__wrapped__())


def test_receipt_says_what_the_results_came_from(color_run):
    receipt = json.loads((color_run.result.run_dir / "receipt.json").read_text())
    assert receipt["versions"]["kerastl"] == kerastl.__version__
    assert receipt["versions"]["python"] == platform.python_version()
    for name in ("tensorflow", "keras", "numpy"):
        assert receipt["versions"][name] == importlib.metadata.version(name)
    assert receipt["seed"] == color_run.config.seed
    assert receipt["data"] == {"name": "colors", "fingerprint": color_run.source.fingerprint()}
    assert receipt["weights"]["name"] == color_run.config.weights
    assert len(receipt["weights"]["fingerprint"]) == 64
    assert receipt["device"]
    assert all(receipt["device"])
    seconds = dict(receipt["seconds"])
    assert 0 < seconds["head"] + seconds["finetune"] < seconds.pop("all")
    stages = ["preparation", "features", "head", "finetune", "evaluation", "export"]
    assert list(seconds) == list(receipt["peak_memory_bytes"]) == stages
    peaks = [peak["process"] for peak in receipt["peak_memory_bytes"].values()]
    assert peaks == sorted(peaks)
    assert 10**8 < peaks[0] <= peaks[-1] < 10**11


def test_receipt_says_where_each_setting_came_from(color_run):
    receipt = json.loads((color_run.result.run_dir / "receipt.json").read_text())
    flags = receipt["flags"]
    assert list(flags) == list(SETTINGS)
    assert flags["dropout"] == {"value": 0.2, "from": "Python"}
    assert flags["momentum"] == {"value": 0.9, "from": "default"}
    assert len(receipt["not_deterministic"]) == 2


def test_receipt_knows_code_splits_and_machine(color_run):
    receipt = json.loads((color_run.result.run_dir / "receipt.json").read_text())
    assert receipt["code"] == code_fingerprint()
    assert len(receipt["code"]) == 64
    assert receipt["threads"] == {"intra_op": assigned_cores(), "inter_op": assigned_cores()}
    assert receipt["variables"]["CUDA_VISIBLE_DEVICES"] == "-1"
    assert receipt["replicas"] == {"machines": 1, "devices_of_each": 1}
    assert receipt["system"] == platform.platform()
    source = color_run.source
    splits = RunDirectory(color_run.result.run_dir).read_splits(source)
    assert receipt["splits"] == splits.fingerprints()
    # Neither order nor names matter, and the classes do.
    turned = source.subset(np.arange(len(source))[::-1])
    turned = dataclasses.replace(turned, examples=list(map(str, range(len(source)))))
    places = {name: len(source) - 1 - indices for name, indices in splits.items()}
    assert Splits(turned, **places).fingerprints() == splits.fingerprints()
    renamed = dataclasses.replace(source, class_names=("blue", "green", "pink"))
    other = dataclasses.replace(splits, source=renamed).fingerprints()
    assert all(other[name] != receipt["splits"][name] for name in ("train", "validation", "test"))


@pytest.mark.thorough
def test_receipt_knows_other_data_and_weights(color_run, tmp_path):
    source = fakes.color_source(seed=1)
    config = fakes.tiny_config(tmp_path, head_epochs=1)
    fakes.write_tiny_weights(config.weights, seed=1)
    other = fakes.finish_run(config, source)
    ours, theirs = (
        json.loads((run.result.run_dir / "receipt.json").read_text()) for run in (color_run, other)
    )
    for part in ("data", "weights"):
        assert ours[part]["fingerprint"] != theirs[part]["fingerprint"]


@pytest.mark.thorough
def test_awkward_class_names_survive(tmp_path):
    config = fakes.tiny_config(tmp_path, head_epochs=1)
    run = fakes.finish_run(config, fakes.color_source(colors=AWKWARD_NAMES, per_class=10))
    names = list(AWKWARD_NAMES)
    rows = rows_of(run, "predictions.csv")
    assert list(rows[0])[3:] == names
    assert {row["class_name"] for row in rows} == set(names)
    assert {row["class_name"] for row in rows_of(run, "splits.csv")} == set(names)
    metrics = json.loads((run.result.run_dir / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics["test"]["classes"]) == names


LOAD_WITH_KERAS_ALONE = """
import sys
import keras
import numpy as np
import pytest
images = np.load("images.npy")
for path in sys.argv[1:]:
    np.save(path + ".npy", keras.saving.load_model(path).predict(images, verbose=0))
assert not [name for name in sys.modules if name.startswith("kerastl")]
"""


@pytest.mark.thorough
def test_model_file_loads_with_keras_alone(color_run, tmp_path):
    # This scaling also turns the channels round, which must not need a layer of our own.
    network = fakes.tiny_net(
        include_top=False, weights=None, input_shape=(16, 16, 3), name="backbone"
    )
    caffe = build_classifier(network, scaling=CAFFE, num_classes=3, dropout=0.5)
    caffe.get_layer("logits").kernel.assign(np.random.default_rng(0).normal(size=(8, 3)))
    record = RunDirectory(tmp_path)
    record.save_model(caffe, {})
    images = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    files = {
        tmp_path / "colors.keras": color_run.result.model,
        tmp_path / "model.keras": caffe,
    }
    (tmp_path / "colors.keras").write_bytes((color_run.result.run_dir / "model.keras").read_bytes())
    subprocess.run(
        [sys.executable, "-c", LOAD_WITH_KERAS_ALONE, *map(str, files)], cwd=tmp_path, check=True
    )
    for path, model in files.items():
        ours = model.predict(images, verbose=0)
        assert np.ptp(ours, axis=0).min() > 1e-4
        np.testing.assert_allclose(np.load(f"{path}.npy"), ours, atol=1e-6)


def test_checkpoint_is_the_model(color_run):
    loaded = keras.saving.load_model(color_run.result.run_dir / "checkpoints" / "best.keras")
    for ours, theirs in zip(loaded.weights, color_run.result.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_flags_file_has_every_field_but_those_of_one_command(tmp_path):
    config = fakes.tiny_config(tmp_path, overwrite=True, head_learning_rate=1 / 3)
    splits = make_splits(fakes.color_source(per_class=4), config)
    begin(tmp_path, Opened(config), splits)
    lines = (tmp_path / "flags.txt").read_text(encoding="utf-8").splitlines()
    names = {field.name for field in dataclasses.fields(config) if field.metadata}
    names -= {"overwrite", "devices", "workers", "worker"}
    assert {line.removeprefix("--").partition("=")[0] for line in lines} == names
    assert len(lines) == len(names)
    assert f"--head_learning_rate={1 / 3!r}" in lines


def test_run_goes_on_only_with_what_it_was_made_of(tmp_path, monkeypatch):
    config = fakes.tiny_config(tmp_path)
    source, other = (fakes.color_source(per_class=4, seed=seed) for seed in (0, 1))
    splits = make_splits(source, config)
    record, _ = begin(tmp_path, Opened(config), splits)
    record.add_check(Check("sound", True))
    rows = [EpochRow("head", epoch, 0.1, 1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 0.4) for epoch in (1, 2)]
    for row in rows:
        record.add_epoch(row)
    record.save_checkpoint(Checkpoint({"best": 3}, {}), num_epochs=1)
    opened = Opened(config, goes_on=True, notes=("as given",))

    again, _ = begin(tmp_path, opened, splits)
    assert again.find_checkpoint().state["best"] == 3
    # The second row is one of an epoch that comes again.
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 2
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert (tmp_path / "flags.txt").read_text().startswith("# as given\n--dataset")
    again.write_receipt()
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert receipt["checks"] == [{"text": "sound", "passed": True}]
    began = receipt["not_deterministic"]

    # On another machine, with another version.
    now = run_directory.describe_machine()
    other_machine = now | {"cpu_cores": 999, "versions": now["versions"] | {"kerastl": "9.9"}}
    monkeypatch.setattr(run_directory, "describe_machine", lambda: other_machine)
    moved, said = begin(tmp_path, opened, splits)
    words = f"versions.kerastl {VERSION} (now 9.9), cpu_cores {now['cpu_cores']} (now 999)"
    assert said.startswith(f"Warning: the run began with {words}. Its result may differ a little")
    moved.write_receipt()
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert {*receipt["not_deterministic"]} - {*began} == {f"the run began with {words}"}

    for changed, words in (
        ({"splits": make_splits(other, config)}, "^dataset='digits': is not what it was"),
        ({"splits": splits, "weights": "others"}, "^weights=.*: is not what it was"),
        (
            {"splits": dataclasses.replace(splits, train=splits.train[::-1])},
            "^dataset='digits': is not what it was when the unfinished run",
        ),
    ):
        with pytest.raises(kerastl.UsageError, match=words):
            begin(tmp_path, opened, **changed)
    assert (tmp_path / "history.csv").exists()
    replacing = dataclasses.replace(opened, config=dataclasses.replace(config, overwrite=True))
    new, _ = begin(tmp_path, replacing, splits, weights="others")
    assert new.find_checkpoint() is None
    assert not (tmp_path / "history.csv").exists()


def test_damaged_run_begins_again_only_with_what_it_was_made_of(tmp_path):
    config = fakes.tiny_config(tmp_path)
    source, other = (fakes.color_source(per_class=4, seed=seed) for seed in (0, 1))
    splits = make_splits(source, config)
    record, _ = begin(tmp_path, Opened(config), splits)
    record.write_repeats({5: dict.fromkeys(("test", "validation"), dict.fromkeys(SCORES, 0.5))})
    record.save_checkpoint(Checkpoint({}, {}), num_epochs=0)
    (checkpoint,) = list_versions(tmp_path / "checkpoints")
    checkpoint.write_bytes(b"")
    opened = Opened(config, goes_on=True)

    again, printed = begin(tmp_path, opened, splits)
    assert printed.endswith("There is none before it: training begins again.\n")
    assert again.read_repeats().keys() == {5}
    for changed in ({"splits": make_splits(other, config)}, {"splits": splits, "weights": "x"}):
        with pytest.raises(kerastl.UsageError, match="is not what it was when the unfinished run"):
            begin(tmp_path, opened, **changed)
    assert again.read_repeats()
    # Nothing shows what the scores are of.
    (tmp_path / "receipt.json").write_text("{}")
    assert not begin(tmp_path, opened, splits)[0].read_repeats()


def test_receipt_has_each_check_even_if_the_run_is_killed_then(tmp_path):
    record = RunDirectory(tmp_path)
    for number in range(2):
        record.add_check(Check(f"check {number}", passed=True))
        checks = json.loads((tmp_path / "receipt.json").read_text("utf-8"))["checks"]
        assert [check["text"] for check in checks] == [f"check {n}" for n in range(number + 1)]
