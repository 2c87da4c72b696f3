import csv

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.selection.probe import find_label_issues, out_of_fold


def clouds(per_class=60, distance=4.0, seed=0):
    """Features of three classes, each a cloud of its own."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    centres = rng.normal(size=(3, 20)) * distance / np.sqrt(20)
    features = (centres[labels] + rng.normal(size=(len(labels), 20))).astype(np.float32)
    return features, labels


def test_probabilities_sum_to_one_and_know_most_classes():
    features, labels = clouds()
    probabilities = out_of_fold(features, labels, np.arange(len(labels)), seed=0)
    assert probabilities.shape == (180, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert np.mean(probabilities.argmax(1) == labels) > 0.9
    again = out_of_fold(features, labels, np.arange(len(labels)), seed=0)
    np.testing.assert_array_equal(probabilities, again)


def test_changed_labels_come_first():
    features, labels = clouds(distance=8.0)
    rng = np.random.default_rng(1)
    changed = rng.choice(len(labels), 9, replace=False)
    spoilt = labels.copy()
    spoilt[changed] = (labels[changed] + 1) % 3
    probabilities = out_of_fold(features, spoilt, np.arange(len(labels)), seed=0)
    assert set(find_label_issues(probabilities, spoilt)[:9]) == set(changed)


def test_no_image_judges_itself_or_its_copy():
    # Noise says nothing of the labels, unless a copy is among what the probe has learnt.
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(100, 60)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 2, 100), 2)
    accuracy = {}
    for name, groups in (("apart", np.arange(200)), ("together", np.arange(200) // 2)):
        probabilities = out_of_fold(features, labels, groups, seed=0)
        accuracy[name] = np.mean(probabilities.argmax(1) == labels)
    assert accuracy["together"] < 0.65 < accuracy["apart"]


@pytest.mark.parametrize(
    ("sizes", "judged"),
    [
        # Of each class the judges of a fold have to see two images.
        ((10, 2), [True] * 10 + [False] * 2),
        ((50, 2), [True] * 50 + [False] * 2),
        ((10, 1), [True] * 10 + [False]),
        ((3, 3), [True] * 6),
        ((2, 2), [False] * 4),
        ((1, 1), [False] * 2),
    ],
)
def test_what_nobody_can_judge_is_no_issue(sizes, judged):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    features = rng.normal(size=(len(labels), 8)).astype(np.float32)
    probabilities = out_of_fold(features, labels, np.arange(len(labels)), seed=0)
    known = ~np.isnan(probabilities).any(axis=1)
    # Where the judges know one class alone they say nothing.
    assert not (known & ~np.array(judged)).any()
    assert not set(find_label_issues(probabilities, labels)) & set(np.flatnonzero(~known))
    if sizes == (3, 3):
        assert known.all()


def test_class_of_one_group_has_no_judge():
    features, labels = clouds(per_class=14)
    groups = np.where(labels == 1, 1000, np.arange(len(labels)))
    probabilities = out_of_fold(features, labels, groups, seed=0)
    np.testing.assert_array_equal(np.isnan(probabilities).any(axis=1), labels == 1)
    together = out_of_fold(features, labels, np.zeros(len(labels), int), seed=0)
    assert np.isnan(together).all()
    assert len(find_label_issues(together, labels)) == 0


@pytest.mark.thorough
def test_run_lists_images_with_a_wrong_label(tmp_path):
    source = fakes.colour_source(per_class=40, noise=60.0)
    wrong = [3, 45, 101]
    source.labels[wrong] = (source.labels[wrong] + 1) % 3
    run = fakes.finish_run(fakes.tiny_config(tmp_path, label_issues=True, head_epochs=2), source)
    with open(run.result.run_dir / "label_issues.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = {row["example"]: row["split"] for row in rows_of(run, "splits.csv")}
    trained = {f"colours[{index}]" for index in wrong if splits[f"colours[{index}]"] == "train"}
    assert trained
    assert {row["example"] for row in rows[: len(trained)]} == trained
    assert all(float(row["probability"]) < float(row["its_probability"]) for row in rows)
    assert "look like another class to a linear probe" in run.printed


def rows_of(run, name):
    with open(run.result.run_dir / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("changes", [{"cache_dir": ""}, {"head_epochs": 0}, {"augment": "flip"}])
def test_what_keeps_no_features_is_refused(changes):
    values = {"run_dir": "x", "dataset": "digits", "label_issues": True, "finetune_epochs": 1}
    with pytest.raises(kerastl.UsageError, match=r"^label_issues=True: is told from stored"):
        kerastl.Config(**(values | changes))
