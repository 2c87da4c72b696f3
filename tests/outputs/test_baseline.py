"""What always naming the largest class gets, beside what a model gets."""

import types

import numpy as np
import pytest

import fakes
from kerastl.data.splits import Splits
from kerastl.outputs.metrics import build_metrics, scored_splits
from kerastl.result import baseline_lines

NAMES = ("common", "rare")
BEST = types.SimpleNamespace(phase="head", epoch=1)


def metrics_of(train, test, predicted, *, seen=0):
    """Metrics of labels of two classes; the first `seen` test images are in training too."""
    labels = np.array([*train, *test])
    source = types.SimpleNamespace(labels=labels, class_names=NAMES)
    positions = np.arange(len(labels))
    splits = Splits(
        source,
        train=positions[: len(train)],
        validation=positions[: len(train)],
        test=positions[len(train) :],
        unused=positions[:0],
    )
    clusters = positions.copy()
    clusters[len(train) : len(train) + seen] = 0
    splits.__dict__["clusters"] = clusters
    scored = scored_splits(
        splits, test=fakes.answers(test, predicted), validation=fakes.answers(train)
    )
    return build_metrics(splits, scored, best=BEST, accuracies={"head": 1.0})


@pytest.mark.parametrize(
    ("train", "baseline_class", "baseline"),
    [
        # The largest class is that of the training images, wherever it stands among the names.
        ([0] * 95 + [1] * 5, "common", 0.9),
        ([0] * 5 + [1] * 95, "rare", 0.1),
        # As many of each, as with --examples_per_class: the one that does better.
        ([0] * 10 + [1] * 10, "common", 0.9),
    ],
)
def test_baseline_names_the_largest_training_class(train, baseline_class, baseline):
    test = [0] * 18 + [1] * 2
    found = metrics_of(train, test, test)["test"]
    assert found["baseline_class"] == baseline_class
    assert found["baseline_accuracy"] == pytest.approx(baseline)
    assert found["accuracy"] == 1.0


def test_of_equal_training_classes_the_better_one_is_the_baseline():
    found = metrics_of([0] * 10 + [1] * 10, [0, 1, 1, 1], [0] * 4)["test"]
    assert (found["baseline_class"], found["baseline_accuracy"]) == ("rare", 0.75)


def test_each_split_has_its_own():
    test = [1, 1, 1, 0, 0, 0, 0]
    found = metrics_of([0, 0, 0, 1], test, test, seen=3)
    baselines = {name: found[name]["baseline_accuracy"] for name in ("test", "validation")}
    assert baselines == pytest.approx({"test": 4 / 7, "validation": 3 / 4})
    assert found["test_unseen"]["baseline_accuracy"] == 1.0


@pytest.mark.parametrize(
    ("predicted", "is_better"),
    [
        # It only ever says the large class.
        ([0] * 200, False),
        # Better, but not clearly so.
        ([0] * 180 + [1] * 3 + [0] * 17, False),
        ([0] * 180 + [1] * 20, True),
        ([1] * 200, False),
    ],
)
def test_model_that_is_no_better_is_told(predicted, is_better):
    test = metrics_of([0] * 95 + [1] * 5, [0] * 180 + [1] * 20, predicted)["test"]
    first, *warning = baseline_lines(test)
    assert first == "Baseline accuracy 0.9000, for always naming common, the largest class"
    assert len(warning) == (not is_better)
    assert all(line.startswith("Warning: the model is not clearly better") for line in warning)


def test_runs_of_earlier_versions_say_nothing():
    assert not list(baseline_lines({"accuracy": 0.5, "accuracy_low": 0.4}))
