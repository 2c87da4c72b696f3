import dataclasses

import pytest

from kerastl.report.contents import Contents
from kerastl.report.next_steps import list_steps

WIDE = {"test": {"accuracy_low": 0.7, "accuracy_high": 0.9}}
NARROW = {"test": {"accuracy_low": 0.88, "accuracy_high": 0.92}}


@pytest.fixture
def contents(tmp_path):
    (tmp_path / "model.keras").touch()
    empty = {field.name: () for field in dataclasses.fields(Contents)}
    return Contents(**empty | {"path": tmp_path, "metrics": NARROW, "label_issues": ()})


def steps(contents, **changes):
    return [*list_steps(dataclasses.replace(contents, **changes))]


def test_run_with_nothing_to_mend_says_how_to_use_it(contents):
    assert [step.command.split()[1] for step in steps(contents)] == ["suggest", "predict"]


def test_unfinished_run_has_no_steps(contents):
    assert steps(contents, metrics={}) == []


@pytest.mark.parametrize(
    ("changes", "section", "words"),
    [
        ({"reasons": ("97 px: x", "a head alone: no time for 4 epochs")}, "reasons", "--budget"),
        ({"metrics": WIDE}, "splits", "--test_fraction"),
        ({"misleading": ({"fact": "border", "class_name": "cat"},)}, "misleading", "at cat: its b"),
        ({"label_issues": ({"sha256": "a"},) * 3}, "labels", "at 3 labels"),
        ({"label_issues": None}, "", "--label_issues"),
        ({"audit": ({"kind": "same image twice"},) * 2}, "audit", "found, 2 in all"),
    ],
)
def test_each_finding_leads_to_its_part(contents, changes, section, words):
    first, *rest = steps(contents, **changes)
    assert (first.section, len(rest)) == (section, 2)
    assert words in first.text


def test_labels_that_a_person_has_reviewed_are_no_step(contents):
    issues = [{"sha256": name} for name in "abc"]
    fixes = [{"sha256": "a", "fix": "keep"}, {"sha256": "b", "fix": "relabel"}]
    first, *_ = steps(contents, label_issues=issues, fixes=fixes)
    assert "at 1 label that" in first.text


def test_files_that_are_left_out_are_no_step(contents):
    audit = [{"kind": "left out"}, {"kind": "relabeled"}, {"kind": "dropped"}]
    assert len(steps(contents, audit=audit)) == 2


def test_findings_that_a_person_has_kept_are_no_step(contents):
    audit = [{"kind": "same image twice", "sha256": "a", "other_sha256": "b"}]
    fixes = [{"sha256": name, "fix": "keep"} for name in "ab"]
    assert len(steps(contents, audit=audit, fixes=fixes)) == 2
    assert len(steps(contents, audit=audit, fixes=fixes[:1])) == 3
