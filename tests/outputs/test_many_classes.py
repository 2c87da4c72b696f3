"""Ten thousand classes and a hundred thousand images, with made-up predictions."""

import csv
import json
import time
import tracemalloc
import types

import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl.data.splits import Splits, make_splits
from kerastl.outputs import exporting
from kerastl.outputs.metrics import add_intervals, build_metrics, scored_splits
from kerastl.outputs.run_directory import RunDirectory
from kerastl.result import test_lines as final_lines
from kerastl.serving.confusion import Confusion
from kerastl.training import evaluate as evaluation_module
from kerastl.training.evaluate import evaluate
from kerastl.training.evaluation import Evaluation
from kerastl.training.scores import accuracy_interval

CLASSES, IMAGES, FIRST = 10_000, 100_000, 10


def made_up(num_images, num_classes=CLASSES, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, num_images)
    classes = rng.integers(0, num_classes, (num_images, FIRST), dtype=np.int32)
    right = rng.random(num_images) < 0.3
    classes[right, 0] = labels[right]
    probabilities = -np.sort(-rng.dirichlet(np.ones(FIRST), num_images).astype(np.float32), axis=1)
    return Evaluation(labels, probabilities, rng.random(num_images), classes)


def source_of(num_classes, labels):
    return types.SimpleNamespace(
        labels=labels,
        class_names=tuple(f"a class with a rather long name, {n:05d}" for n in range(num_classes)),
        examples=[f"folder/{n:06d}.jpg" for n in range(len(labels))],
        contents=[str(n) for n in range(len(labels))],
        groups=None,
    )


def splits_of(test, num_classes=CLASSES):
    """Splits whose test images come last, with an earlier copy as training images."""
    labels = np.concatenate([test.labels, test.labels])
    count = len(test.labels)
    splits = Splits(
        source_of(num_classes, labels),
        train=np.arange(count),
        validation=np.arange(count),
        test=np.arange(count, 2 * count),
        unused=np.arange(0),
    )
    splits.__dict__["clusters"] = np.arange(2 * count)
    return splits


def write_results(folder, test):
    """Writes what a run writes of its predictions; returns splits and metrics."""
    splits = splits_of(test)
    record = RunDirectory(folder)
    scored = scored_splits(splits, test=test, validation=test)
    record.write_scores(scored, splits.source.class_names)
    record.write_predictions(splits, test)
    best = types.SimpleNamespace(phase="head", epoch=1)
    metrics = build_metrics(splits, scored, best=best, accuracies={"head": 0.3})
    for name, evaluation in scored:
        add_intervals(metrics[name], evaluation, seed=0)
    record.write_metrics(metrics)
    return splits, metrics


def test_memory_does_not_grow_with_the_square_of_the_classes(tmp_path):
    tracemalloc.start()
    write_results(tmp_path, made_up(300))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # That square alone would be 400 MB in 32 bits.
    assert peak < 50e6


@pytest.mark.parametrize("num_images", [2000, pytest.param(IMAGES, marks=pytest.mark.thorough)])
def test_results_of_many_classes_are_small_and_quick(tmp_path, num_images):
    started = time.process_time()
    splits, metrics = write_results(tmp_path, made_up(num_images))
    assert time.process_time() - started < 120
    assert (tmp_path / "metrics.json").stat().st_size < 100e3
    assert "confusion_matrix" not in metrics["test"]
    with open(tmp_path / "confusion.csv", encoding="utf-8", newline="") as file:
        pairs = [row for row in csv.DictReader(file) if row["split"] == "test"]
    assert sum(int(row["num_images"]) for row in pairs) == num_images
    right = sum(int(row["num_images"]) for row in pairs if row["class_name"] == row["predicted"])
    assert right / num_images == metrics["test"]["accuracy"]
    with open(tmp_path / "class_scores.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    assert [row["class_name"] for row in rows] == list(splits.source.class_names)
    recalls = [float(row["recall"]) for row in rows if int(row["num_images"])]
    assert np.mean(recalls) == pytest.approx(metrics["test"]["balanced_accuracy"])
    assert len(list(final_lines(metrics))) <= 3


def test_predictions_of_many_classes_are_read_back(tmp_path):
    test = made_up(40, 2000)
    splits = splits_of(test, 2000)
    record = RunDirectory(tmp_path)
    record.write_predictions(splits, test)
    found = record.read_predictions(splits)
    for name in ("labels", "classes", "probabilities", "losses", "predicted"):
        np.testing.assert_array_equal(getattr(found, name), getattr(test, name))
    # As a spreadsheet program saves it.
    path = tmp_path / "predictions.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    np.testing.assert_array_equal(record.read_predictions(splits).classes, test.classes)


@pytest.mark.parametrize("num_classes", [999, 1000, 1001, 3000])
def test_first_classes_are_those_of_all_probabilities(num_classes, monkeypatch):
    monkeypatch.setattr(evaluation_module, "LOGITS_AT_ONCE", 5 * num_classes)
    rng = np.random.default_rng(num_classes)
    logits = rng.normal(size=(23, num_classes)).astype(np.float32)
    labels = rng.integers(0, num_classes, 23)
    dataset = tf.data.Dataset.from_tensor_slices((logits, labels)).batch(2)
    found = evaluate(tf.identity, dataset, labels)
    whole = evaluate(tf.identity, dataset, labels, most_classes=num_classes)
    assert whole.classes is None
    assert (found.classes is None) == (num_classes <= 1000)
    assert found.probabilities.shape == (23, num_classes if found.classes is None else FIRST)
    assert found.scores() == whole.scores()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.losses, -np.log(shares[np.arange(23), labels]), rtol=1e-5)
    np.testing.assert_array_equal(whole.look_up(found), found.probabilities)
    np.testing.assert_array_equal(found.predicted, whole.predicted)
    np.testing.assert_array_equal(found.of(np.arange(3)).predicted, whole.predicted[:3])


def test_few_classes_keep_their_matrix_and_tables_say_the_same(tmp_path):
    labels, predicted = np.array([0, 0, 1, 2, 1]), np.array([0, 0, 1, 1, 0])
    test = fakes.answers(labels, predicted, num_classes=3)
    metrics = test.metrics(("a", "b", "c"))
    assert metrics["confusion_matrix"] == [[2, 0, 0], [1, 1, 0], [0, 1, 0]]
    half, whole = (
        dict(
            zip(
                ("share", "share_low", "share_high"), (1 / n, *accuracy_interval(1, n)), strict=True
            )
        )
        for n in (2, 1)
    )
    assert metrics["most_confused"] == [
        {"class_name": "b", "predicted": "a", "num_images": 1} | half,
        {"class_name": "c", "predicted": "b", "num_images": 1} | whole,
    ]
    RunDirectory(tmp_path).write_scores([("test", test)], ("a", "b", "c"))
    halves = ",".join(map(str, half.values()))
    assert (tmp_path / "confusion.csv").read_text().splitlines() == [
        "split,class_name,predicted,num_images,share,share_low,share_high",
        f"test,a,a,2,1.0,{accuracy_interval(2, 2)[0]},1.0",
        f"test,b,a,1,{halves}",
        f"test,b,b,1,{halves}",
        f"test,c,b,1,{','.join(map(str, whole.values()))}",
    ]
    scores = metrics["classes"]["a"]
    assert (tmp_path / "class_scores.csv").read_text().splitlines()[1] == (
        f"test,a,{2 / 3},1.0,0.8,2,{scores['recall_low']},1.0,{scores['precision_low']},"
        f"{scores['precision_high']},{scores['f1_low']},{scores['f1_high']}"
    )


@pytest.mark.parametrize(("num_classes", "has"), [(300, True), (301, False)])
def test_matrix_stays_out_of_the_file_where_it_would_fill_it(num_classes, has):
    test = fakes.answers(np.arange(num_classes), num_classes=num_classes)
    metrics = test.metrics(tuple(map(str, range(num_classes))))
    assert ("confusion_matrix" in metrics) == has
    assert len(metrics["classes"]) == num_classes
    assert len(json.dumps(metrics, indent=2)) < 1.5e6


def test_exports_are_compared_on_what_fits_in_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(exporting, "MOST_PROBABILITIES", 10)
    splits = make_splits(fakes.color_source(), fakes.tiny_config(tmp_path))
    assert len(exporting.parity_sample(splits, 0)) == 10 // 3
    assert len(exporting.parity_sample(splits, 2)) == 2


def test_confusion_of_files_holds_pairs_alone():
    names = [f"class{number}" for number in range(CLASSES)]
    tracemalloc.start()
    confusion = Confusion(names)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert list(confusion.lines()) == ["Accuracy: no image is in a folder named after a class."]
