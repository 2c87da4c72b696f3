import csv
import dataclasses

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.data.splits import Splits
from kerastl.selection.label_issues import LabelIssues, find_label_issues, rank_label_issues
from kerastl.selection.lda import OutOfFold, predict_out_of_fold


def test_changed_labels_come_first():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    features = 3 * np.eye(3, 20)[labels] + rng.normal(size=(180, 20))
    changed = rng.choice(len(labels), 9, replace=False)
    spoilt = labels.copy()
    spoilt[changed] = (labels[changed] + 1) % 3
    judged = predict_out_of_fold(features, spoilt, np.arange(len(labels)), seed=0)
    assert set(rank_label_issues(judged, spoilt)[:9]) == set(changed)


def test_images_of_classes_with_few_come_last_and_are_said_to():
    labels = np.repeat([0, 1, 2], [30, 7, 20])
    of_label = np.linspace(0.5, 0.1, len(labels))
    judged = OutOfFold(of_label, (labels + 1) % 3, np.full(len(labels), 0.6))
    ranked = rank_label_issues(judged, labels)
    assert labels[ranked].tolist() == [2] * 20 + [0] * 30 + [1] * 7
    assert (np.diff(of_label[ranked[:50]]) > 0).all()
    source = fakes.color_source(per_class=30)
    indices = np.flatnonzero((source.labels != 1) | (np.arange(90) < 37))
    splits = Splits(source, indices, indices[:0], indices[:0], indices[:0])
    features = np.random.default_rng(0).normal(size=(len(indices), 4)).astype(np.float32)
    issues = find_label_issues(features, splits, indices, seed=0)
    assert issues.few == ("green",)
    assert issues.lines()[-1] == (
        "Labels: green has fewer than 20 images, too few to tell a wrong label from a rare image; "
        "label_issues.csv lists theirs last."
    )


def test_lines_count_issues_and_images_that_cannot_be_checked():
    of_label = np.array([0.9, np.nan, 0.2])
    judged = OutOfFold(of_label, np.array([0, 0, 1]), np.array([0.9, 0.0, 0.8]))
    assert LabelIssues(np.array([2]), judged).lines() == [
        "Labels that look wrong: 1 of 3 training and validation images; a linear probe finds "
        "another class likelier. No label is changed; label_issues.csv lists the least probable "
        "first.",
        "Labels: 1 image could not be checked, because too few images of the same class are "
        "outside their group.",
    ]
    checked = dataclasses.replace(judged, of_label=of_label[[0, 2]])
    assert len(LabelIssues(np.array([0]), checked).lines()) == 1


@pytest.mark.thorough
def test_run_lists_images_with_a_wrong_label(tmp_path):
    source = fakes.color_source(per_class=40, noise=60.0)
    wrong = [3, 45, 101]
    source.labels[wrong] = (source.labels[wrong] + 1) % 3
    run = fakes.finish_run(fakes.tiny_config(tmp_path, label_issues=True, head_epochs=2), source)
    with open(run.result.run_dir / "label_issues.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = {row["example"]: row["split"] for row in rows_of(run, "splits.csv")}
    looked_at = {f"colors[{index}]" for index in wrong if splits[f"colors[{index}]"] != "test"}
    assert looked_at
    assert {row["example"] for row in rows[: len(looked_at)]} == looked_at
    assert all(row["split"] == splits[row["example"]] for row in rows)
    assert all(float(row["probability"]) < float(row["its_probability"]) for row in rows)
    assert "Labels that look wrong: " in run.printed


def rows_of(run, name):
    with open(run.result.run_dir / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("changes", [{"cache_dir": ""}, {"head_epochs": 0}, {"augment": "flip"}])
def test_what_keeps_no_features_is_refused(changes):
    values = {"run_dir": "x", "dataset": "digits", "label_issues": True, "finetune_epochs": 1}
    with pytest.raises(kerastl.UsageError, match=r"^label_issues=True: needs stored features"):
        kerastl.Config(**(values | changes))
