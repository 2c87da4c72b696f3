import io

import keras
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.utils.class_weight import compute_class_weight

import fakes
import kerastl
from kerastl.data.builtin import BUILT_IN
from kerastl.training.best import Best, EpochRow
from kerastl.training.scores import class_weights


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(5, 100, p=[0.5, 0.3, 0.1, 0.06, 0.04])
    predicted = np.where(rng.random(100) < 0.6, labels, rng.integers(0, 5, 100))
    losses = rng.uniform(0, 3, 100)
    scores = fakes.answers(labels, predicted, num_classes=5, losses=losses).scores()
    expected = {
        "loss": losses.mean(),
        "accuracy": sklearn_metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(labels, predicted),
        "macro_f1": sklearn_metrics.f1_score(labels, predicted, average="macro", labels=range(5)),
    }
    assert scores == pytest.approx(expected)


def test_class_that_is_never_there_nor_predicted_counts_in_neither():
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    scores = fakes.answers(labels, predicted, num_classes=3).scores()
    assert scores["balanced_accuracy"] == pytest.approx(0.75)
    assert scores["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    # To be taken for a class that is not there is a mistake.
    scores = fakes.answers(labels, [0, 0, 1, 2], num_classes=3).scores()
    assert scores["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_balanced_weights_are_those_of_scikit_learn():
    counts = np.array([30, 5, 5])
    weights = class_weights(counts, "balanced")
    assert weights.tolist() == pytest.approx([0.4444, 2.6667, 2.6667], abs=1e-4)
    labels = np.repeat([0, 1, 2], counts)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize("rule", ["balanced", "sqrt"])
def test_mean_weight_of_an_image_is_one(rule):
    counts = np.array([90, 9, 1])
    weights = class_weights(counts, rule)
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    assert weights[0] < weights[1] < weights[2]
    spread = np.sqrt(90) if rule == "sqrt" else 90
    assert weights[2] / weights[0] == pytest.approx(spread, rel=1e-5)


def row(epoch, **scores):
    values = {"loss": 1.0, "accuracy": 0.5, "balanced_accuracy": 0.5, "macro_f1": 0.5} | scores
    return EpochRow(
        phase="head",
        epoch=epoch,
        learning_rate=0.1,
        loss=1.0,
        accuracy=0.5,
        **{f"val_{name}": value for name, value in values.items()},
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("best_by", "epoch"), [("accuracy", 1), ("balanced_accuracy", 2), ("macro_f1", 3), ("loss", 4)]
)
def test_best_epoch_is_chosen_by_what_is_asked(best_by, epoch):
    best = Best(best_by)
    best.begin([keras.Variable(0.0)], epochs=4)
    best.offer(row(1, accuracy=0.9), fakes.answers([0]))
    best.offer(row(2, balanced_accuracy=0.9), fakes.answers([0]))
    best.offer(row(3, macro_f1=0.9), fakes.answers([0]))
    best.offer(row(4, loss=0.2, accuracy=0.1), fakes.answers([0]))
    assert best.row.epoch == epoch


@pytest.mark.thorough
def test_weights_let_a_rare_class_count(tmp_path, monkeypatch):
    source = fakes.color_source(per_class=40, noise=80.0)
    rare = source.labels == 2
    kept = np.flatnonzero(~rare | (np.cumsum(rare) <= 8))
    uneven = source.subset(kept)
    losses = {}
    for rule in ("none", "balanced"):
        config = fakes.tiny_config(
            tmp_path / rule,
            head_epochs=1,
            class_weights=rule,
            best_by="balanced_accuracy",
            schedule="constant",
        )
        said = io.StringIO()
        fakes.install_tiny_net(monkeypatch)
        monkeypatch.setitem(BUILT_IN, "digits", lambda: uneven)
        result = kerastl.run(config, progress=kerastl.Progress(said))
        losses[rule] = result.metrics["test"]["classes"]["red"]["recall"]
        assert (
            "Class weights (balanced, images / (classes x images of the class)): blue"
            in said.getvalue()
        ) == (rule == "balanced")
        assert "validation balanced accuracy" in said.getvalue()
    assert losses["balanced"] > losses["none"]
