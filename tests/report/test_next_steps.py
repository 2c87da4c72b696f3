import dataclasses
import shlex

import pytest

import kerastl
from kerastl.commands.flagfile import expand_flag_files
from kerastl.commands.table import find_command
from kerastl.data.fixes_file import Fix
from kerastl.report.contents import Contents
from kerastl.report.next_steps import list_steps

WIDE = {"test": {"accuracy_low": 0.7, "accuracy_high": 0.9}}
BELOW = {"is_far_below": "True", "name": "x", "num_images": "12"}
BELOW |= {"accuracy": "0.2", "elsewhere": "0.8"}
NARROW = {"test": {"accuracy_low": 0.88, "accuracy_high": 0.92}}


@pytest.fixture
def contents(tmp_path):
    (tmp_path / "model.keras").touch()
    empty = {field.name: () for field in dataclasses.fields(Contents)}
    given = {"path": tmp_path, "metrics": NARROW, "label_issues": (), "config": None}
    return Contents(**empty | given | {"receipt": {}})


def steps(contents, **changes):
    return [*list_steps(dataclasses.replace(contents, **changes))]


def test_run_with_nothing_to_mend_says_how_to_use_it(contents):
    assert [step.command.split()[1] for step in steps(contents)] == ["suggest", "predict"]


def unfinished(contents, dataset, **changes):
    config = kerastl.Config(dataset=dataset, run_dir=str(contents.path))
    return steps(contents, metrics={}, config=config, **changes)


def test_unfinished_run_says_how_to_go_on_and_what_is_found_in_its_data(contents):
    found = {"label_issues": None, "audit": ({"kind": "same image twice"},)}
    first, second = unfinished(contents, "digits", **found)
    assert first.text == "Go on with the run, which keeps its finished epochs:"
    assert first.command == f"kerastl train --flagfile={contents.path / 'flags.txt'}"
    assert second.section == "audit"


def test_labels_and_findings_are_fixed_by_one_command(contents):
    found = {"label_issues": ({"sha256": "a"},), "audit": ({"kind": "same image twice"},)}
    labels, findings, *_ = steps(contents, **found)
    assert labels.section == "labels"
    assert "in the same fixes.csv" in findings.text
    assert findings.command == ""


def test_unfinished_run_of_python_goes_on_from_python(contents):
    (only,) = unfinished(contents, "python", audit=())
    assert "call kerastl.run with the same Config and source" in only.text
    assert only.command == ""


@pytest.mark.parametrize("metrics", [NARROW, {}])
def test_check_that_failed_comes_first(contents, metrics):
    receipt = {"checks": [{"text": "one", "passed": True}, {"text": "two", "passed": False}]}
    first, *_ = steps(contents, metrics=metrics, receipt=receipt)
    assert first.section == "verified"
    assert "verified" not in [step.section for step in steps(contents, metrics=metrics)]


def test_run_that_stopped_at_its_data_says_to_mend_them(contents):
    audit = ({"kind": "unusable"},)
    (only,) = steps(contents, metrics={}, config=None, audit=audit, label_issues=None)
    assert "--on_bad_image=skip" in only.text
    assert only.section == "audit"


@pytest.mark.parametrize(
    ("changes", "section", "words"),
    [
        ({"reasons": ("97 px: x", "a head alone: no time for 4 epochs")}, "reasons", "--budget"),
        ({"metrics": WIDE}, "splits", "hold out more"),
        ({"misleading": ({"fact": "border", "class_name": "cat"},)}, "misleading", "at cat: its b"),
        ({"label_issues": ({"sha256": "a"},) * 3}, "labels", "through 3 labels"),
        (
            {"slices": (BELOW, BELOW)},
            "misleading",
            "2 slices of the test images: in group x, 20.0%",
        ),
        ({"slices": (BELOW | {"name": ""},)}, "misleading", "1 slice of the test images: in 12 im"),
        ({"label_issues": None}, "", "--label_issues"),
        ({"audit": ({"kind": "same image twice"},) * 2}, "audit", "found, 2 in all"),
    ],
)
def test_each_finding_leads_to_its_part(contents, changes, section, words):
    first, *rest = steps(contents, **changes)
    assert (first.section, len(rest)) == (section, 2)
    assert words in first.text


@pytest.fixture
def trained(contents):
    """A finished run of a folder, for which a recipe has chosen a head alone."""
    given = kerastl.Config(
        dataset="folder:my photos",
        run_dir=str(contents.path),
        budget="3m",
        recipe="best",
        export_dir="served",
        splits_from="earlier/splits.csv",
    )
    where = "recipe best in 3m"
    config = given.changed(where, recipe="manual", head_epochs=7, finetune_epochs=0)
    (contents.path / "flags.txt").write_text(config.to_flagfile())
    receipt = {"flags": config.explain()}
    return dataclasses.replace(contents, config=config, receipt=receipt, label_issues=None)


def read_command(step):
    """The config of the command of a step, as the command line reads it."""
    _, name, *arguments = shlex.split(step.command)
    return find_command(name).read(expand_flag_files(arguments)).config


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({}, "labels", {"label_issues": True, "head_epochs": 7, "export_dir": ""}),
        (
            {"metrics": WIDE, "label_issues": ()},
            "more-tests",
            # Earlier splits would leave nothing to hold out.
            {"test_fraction": 0.2, "splits_from": "", "export_dir": ""},
        ),
        (
            {"reasons": ("a head alone: no time for 4 epochs",)},
            "longer",
            # What the recipe chose is open again.
            {"recipe": "best", "budget": "6m"},
        ),
        (
            {"audit": ({"kind": "same image twice", "sha256": "a"},), "label_issues": ()},
            "fixed",
            {"fixes": "fixes.csv", "head_epochs": 7},
        ),
        ({"label_issues": ({"sha256": "a"},)}, "fixed", {"fixes": "fixes.csv"}),
    ],
)
def test_each_advice_that_a_command_can_follow_has_it(trained, changes, name, expected):
    first, *_ = steps(trained, **changes)
    config = read_command(first)
    assert config.dataset == "folder:my photos"
    # The run's own directory holds a finished run.
    assert config.run_dir == f"{trained.path}-{name}"
    assert {key: getattr(config, key) for key in expected} == expected
    assert ("head_epochs" in config.origins) == (name != "longer")
    trained.path.with_name(f"{trained.path.name}-{name}").mkdir()
    first, *_ = steps(trained, **changes)
    assert read_command(first).run_dir == f"{trained.path}-{name}-2"


def test_slices_that_are_not_far_below_are_no_step(contents):
    assert len(steps(contents, slices=[BELOW | {"is_far_below": "False"}])) == 2


def fix(sha256, kind):
    return Fix(sha256, kind, "", "")._asdict()


def test_labels_that_a_person_has_reviewed_are_no_step(contents):
    issues = [{"sha256": name} for name in "abc"]
    fixes = [fix("a", "keep"), fix("b", "relabel")]
    first, *_ = steps(contents, label_issues=issues, fixes=fixes)
    assert "through 1 label that" in first.text


def test_files_that_are_left_out_are_no_step(contents):
    audit = [{"kind": "left out"}, {"kind": "relabeled"}, {"kind": "dropped"}]
    assert len(steps(contents, audit=audit)) == 2


def test_findings_that_a_person_has_kept_are_no_step(contents):
    audit = [{"kind": "same image twice", "sha256": "a", "other_sha256": "b"}]
    fixes = [fix(name, "keep") for name in "ab"]
    assert len(steps(contents, audit=audit, fixes=fixes)) == 2
    assert len(steps(contents, audit=audit, fixes=fixes[:1])) == 3
