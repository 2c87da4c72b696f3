"""Intervals of scores that are no proportions."""

import dataclasses

import numpy as np
import pytest

import fakes
from kerastl.training import score_intervals as module
from kerastl.training.bootstrap import find_intervals, in_columns
from kerastl.training.evaluation import Evaluation
from kerastl.training.score_intervals import score_intervals
from kerastl.training.scores import ClassCounts, class_scores

NAMES = ("balanced_accuracy", "macro_f1", "loss", "calibration_error", "brier_score")


def made_up(count, seed, num_classes=4):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(num_classes) / 2, count).astype(np.float32)
    labels = np.array([rng.choice(num_classes, p=row / row.sum()) for row in probabilities])
    losses = -np.log(probabilities[np.arange(count), labels].astype(np.float64))
    return Evaluation(labels, probabilities, losses)


def scored(evaluation):
    calibration = evaluation.calibration()
    more = {
        "calibration_error": calibration.expected_error,
        "brier_score": calibration.brier_score,
    }
    scores = evaluation.scores() | more
    return [scores[name] for name in NAMES]


def test_scores_of_a_draw_are_those_of_its_images(monkeypatch):
    kept = []
    monkeypatch.setattr(module, "find_intervals", lambda *given, seed: kept.append(given) or {})
    evaluation = made_up(60, 0)
    score_intervals(evaluation, seed=0)
    ((tables, scores),) = kept
    rng = np.random.default_rng(1)
    for chosen in (np.arange(60), *rng.integers(60, size=(5, 60)), np.zeros(60, int)):
        means = {
            name: table.toarray()[chosen].mean(axis=0)[np.newaxis] for name, table in tables.items()
        }
        found = scores(means)
        drawn = [float(found[name][0]) for name in NAMES]
        np.testing.assert_allclose(drawn, scored(evaluation.of(chosen)), rtol=1e-6)


def test_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(3, 2, 5000)
    found = find_intervals(
        {"x": in_columns(values)}, lambda means: {"mean": means["x"][:, 0]}, seed=0
    )
    half = 1.96 * values.std() / np.sqrt(5000)
    assert found["mean_low"] == pytest.approx(values.mean() - half, abs=half / 8)
    assert found["mean_high"] == pytest.approx(values.mean() + half, abs=half / 8)


def test_intervals_depend_on_the_seed_alone():
    evaluation = made_up(50, 0)
    first = score_intervals(evaluation, seed=0)
    assert first == score_intervals(evaluation, seed=0) != score_intervals(evaluation, seed=1)
    assert {*first} == {f"{name}_{end}" for name in NAMES for end in ("low", "high")}


def test_interval_holds_the_score_of_the_images_even_where_draws_are_biased():
    # Of a calibrated model, the calibration error of nearly every draw is higher.
    evaluation = made_up(200, 0)
    found = score_intervals(evaluation, seed=0)
    for name, value in zip(NAMES, scored(evaluation), strict=True):
        assert found[f"{name}_low"] < value < found[f"{name}_high"]


def test_intervals_hold_what_many_images_show():
    true = scored(made_up(40_000, 0))
    inside = np.zeros(len(NAMES))
    for seed in range(1, 61):
        found = score_intervals(made_up(200, seed), seed=seed)
        ends = np.array([[found[f"{name}_{end}"] for end in ("low", "high")] for name in NAMES])
        inside += (ends[:, 0] <= true) & (true <= ends[:, 1])
    for name, count in zip(NAMES, inside, strict=True):
        # The model is calibrated: the error of few images is always above its own, which is none.
        assert count >= 52 or name == "calibration_error"


def test_interval_of_f1_holds_what_many_images_show():
    def f1(evaluation):
        return class_scores(ClassCounts.of(evaluation.labels, evaluation.predicted, 4))

    true, inside = f1(made_up(40_000, 0))["f1"], np.zeros(4)
    for seed in range(1, 201):
        found = f1(made_up(60, seed))
        inside += (found["f1_low"] <= true) & (true <= found["f1_high"])
    assert 0.92 < inside.mean() / 200 < 0.98


def test_a_model_without_a_mistake_has_no_interval_of_its_scores():
    found = score_intervals(fakes.answers([0, 1, 1]), seed=0)
    assert found == {}
    # That of F1 is no narrower than of few images.
    scores = class_scores(ClassCounts.of(np.array([0, 1, 1]), np.array([0, 1, 1])))
    assert scores["f1"].tolist() == scores["f1_high"].tolist() == [1, 1]
    assert scores["f1_low"][0] < scores["f1_low"][1] < 0.6


def test_change_by_the_temperature_is_measured_on_the_same_images():
    evaluation = made_up(400, 0)
    before = dataclasses.replace(made_up(400, 0), losses=evaluation.losses + 0.01)
    found = score_intervals(dataclasses.replace(evaluation, uncalibrated=before), seed=0)
    without = found["uncalibrated"]
    width = found["loss_high"] - found["loss_low"]
    assert without["loss_low"] == pytest.approx(found["loss_low"] + 0.01)
    # A difference that is the same for every image is none of chance.
    assert without.get("loss_change_high", -0.01) == pytest.approx(-0.01, abs=1e-9)
    assert width > 0.05


def test_many_classes_have_no_brier_score():
    rng = np.random.default_rng(0)
    labels, classes = rng.integers(0, 50, 200), rng.integers(0, 50, (200, 3), dtype=np.int32)
    classes[:100, 0] = labels[:100]
    shares = -np.sort(-rng.dirichlet(np.ones(3), 200).astype(np.float32), axis=1)
    found = score_intervals(Evaluation(labels, shares, rng.random(200), classes), seed=0)
    assert found["macro_f1_low"] < found["macro_f1_high"]
    assert "brier_score_low" not in found
