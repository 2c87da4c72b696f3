import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl.serving.uploads import Upload, render
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluation import Evaluation
from kerastl.training.set_coverage import fit_sets, measure_sets


def made_up(count, seed, *, num_classes=6, sharpness=1.0):
    """Answers that are right as often as they say if `sharpness` is 1."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(num_classes, 0.4), count)
    labels = np.array([rng.choice(num_classes, p=row) for row in shares])
    shares = shares**sharpness
    shares = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    true = np.maximum(shares[np.arange(count), labels], 1e-30).astype(float)
    return Evaluation(labels, shares, -np.log(true))


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_sets_hold_the_true_class_as_often_as_they_promise(sharpness):
    """However wrong the probabilities are."""
    found = []
    for seed in range(60):
        sets = fit_sets(made_up(100, seed, sharpness=sharpness))
        new = made_up(400, 1000 + seed, sharpness=sharpness)
        found.append(measure_sets(sets, new, seed=0)["coverage"])
    # On average 1 - 5/101, give or take the spread of the mean of 60; the most probable class of
    # each adds something.
    assert 0.94 < np.mean(found) < 0.985


def test_sets_of_a_model_that_is_sure_and_right_have_one_class():
    sets = fit_sets(fakes.answers([0, 1] * 50))
    scores = measure_sets(sets, fakes.answers([0, 1, 1]), seed=0)
    assert (scores["coverage"], scores["mean_size"]) == (1.0, 1.0)


def test_most_probable_class_is_always_in():
    sets = ClassSets(0.95, 0.9, 100)
    shares = np.array([[0.5, 0.3, 0.2], [0.2, 0.4, 0.4]], np.float32)
    assert sets.contain(shares).tolist() == [[True, False, False], [False, True, False]]
    test = Evaluation(np.array([0, 2]), shares, -np.log([0.5, 0.4]))
    assert measure_sets(sets, test, seed=0)["coverage"] == 0.5
    assert measure_sets(sets, test, seed=0)["mean_size"] == 1


def test_too_few_images_vouch_for_nothing():
    assert fit_sets(made_up(18, 0)) is None
    evaluation = made_up(19, 0)
    lowest = np.exp(-evaluation.losses).min()
    sets = fit_sets(evaluation)
    assert sets.num_images == 19
    # Rounded down to four digits.
    assert lowest * 0.999 < sets.min_probability <= lowest
    # Of 39 images one may lie below.
    evaluation = made_up(39, 0)
    second = np.sort(np.exp(-evaluation.losses))[1]
    assert second * 0.999 < fit_sets(evaluation).min_probability <= second


def test_size_is_left_out_where_a_set_may_go_on_beyond_what_is_known():
    shares = np.array([[0.6, 0.3], [0.5, 0.1]], np.float32)
    test = Evaluation(
        np.array([7, 9]), shares, -np.log([0.6, 0.01]), np.array([[7, 1], [3, 7]], np.int32)
    )
    assert measure_sets(ClassSets(0.95, 0.2, 100), test, seed=0) == {
        "coverage": 0.5,
        "coverage_low": pytest.approx(0.0945, abs=1e-3),
        "coverage_high": pytest.approx(0.9055, abs=1e-3),
    }
    assert measure_sets(ClassSets(0.95, 0.35, 100), test, seed=0)["mean_size"] == 1
    # The true class of the second has 0.01.
    assert measure_sets(ClassSets(0.95, 0.01, 100), test, seed=0)["coverage"] == 1


def test_upload_gets_its_set_the_most_probable_first():
    model = SimpleNamespace(name="m", version=1, class_names=("a", "b", "c"))
    outputs = {
        "probabilities": np.array([0.3, 0.1, 0.6], np.float32),
        "confidence": np.float32(0.6),
        "in_set": np.array([True, False, True]),
    }
    (prediction,) = render(model, [Upload(b"", None)], [outputs], top=1)["predictions"]
    assert prediction["class_set"] == ["c", "a"]
    assert len(prediction["classes"]) == 1
    del outputs["in_set"]
    (prediction,) = render(model, [Upload(b"", None)], [outputs], top=1)["predictions"]
    assert "class_set" not in prediction


@pytest.mark.thorough
def test_run_writes_sets_that_export_and_predict_agree_on(tmp_path, in_this_process):
    near = {name: tuple(128 + 8 * np.eye(3)[place]) for place, name in enumerate("abc")}
    source = fakes.color_source(noise=90.0, per_class=90, colors=near)
    config = fakes.tiny_config(tmp_path, export_dir=str(tmp_path / "exports"))
    run = fakes.finish_run(config, source)
    metrics, folder = run.result.metrics, run.result.run_dir
    sets, found = metrics["class_sets"], metrics["test"]["class_sets"]
    assert found["coverage"] > 0.8
    assert 1 < found["mean_size"] < 3
    assert f"they hold the true class of {found['coverage']:.1%}" in run.printed
    card = json.loads((folder / "model_card.json").read_text("utf-8"))
    assert card["class_sets"]["test"] == found
    assert ClassSets.read(card) == ClassSets(**sets)
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    shares = np.array([row[3:] for row in rows], np.float32)
    expected = shares >= sets["min_probability"]
    expected[np.arange(len(rows)), shares.argmax(axis=1)] = True
    held = expected[np.arange(len(rows)), ["abc".index(row[1]) for row in rows]]
    assert found["coverage"] == held.mean()
    assert found["mean_size"] == expected.sum(axis=1).mean()
    files = [source.read(source.examples.index(row[0])) for row in rows]
    signatures = tf.saved_model.load(str(run.result.export_path)).signatures
    outputs = signatures["serving_default"](image_bytes=tf.constant(files))
    near_edge = np.abs(shares - sets["min_probability"]) < 1e-4
    np.testing.assert_array_equal(outputs["in_set"] | near_edge, expected | near_edge)
    path = tmp_path / "one.png"
    path.write_bytes(files[0])
    for model in (folder, run.result.export_path):
        with pytest.MonkeyPatch.context() as monkeypatch:
            fakes.install_tiny_net(monkeypatch)
            (prediction,) = kerastl.predict(str(model), [str(path)])
        labels = ["abc".index(name) for name in prediction.class_set]
        inside = np.isin(np.arange(3), labels)
        np.testing.assert_array_equal(inside | near_edge[0], expected[0] | near_edge[0])
        assert labels[0] == prediction.probabilities.argmax()
