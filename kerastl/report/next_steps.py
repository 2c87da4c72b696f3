"""What a person may do next, from what a run has found."""

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from kerastl.data.fixes_file import DROPPED, RELABELED
from kerastl.outputs.directories import RunFile
from kerastl.progress import count_of
from kerastl.report.commands import train_again, train_longer
from kerastl.report.contents import Contents
from kerastl.report.facts import list_open, list_open_issues, prepare_fixing
from kerastl.result import is_uncertain
from kerastl.selection.misleading import suggest_remedy
from kerastl.split_names import TEST

# Begins the reason of a recipe that had no time for more than a head.
_NO_TIME = "a head alone: no time"
# What a finding of the audit says of the data rather than of a file to mend.
_HARMLESS = ("left out", RELABELED, DROPPED)
# What is trained to look at is not for a server, which may take the newest export.
_UNPUBLISHED = ("--export_dir=",)


class Step(NamedTuple):
    """Something to do.

    Attributes:
        text: Sentences.
        section: The part of the page that it is about; empty for none.
        command: What to type; empty for nothing.
    """

    text: str
    section: str = ""
    command: str = ""


def list_steps(contents: Contents) -> list[Step]:
    """Lists what may raise the accuracy or make it more certain, then how to use the model.

    Of a run that is not finished, how to go on with it.
    """
    first = list(_on_checks(contents))
    if not contents.metrics:
        return [*first, *_on_going_on(contents), *(_on_data(contents) if contents.config else ())]
    return [*first, *_on_training(contents), *_on_data(contents), *_on_use(contents)]


def _on_checks(contents: Contents) -> Iterator[Step]:
    if not all(check["passed"] for check in contents.receipt.get("checks", ())):
        yield Step("Read first which check of this run has failed.", "verified")


def _go_on_command(contents: Contents) -> str:
    """Returns what goes on with a run that is not finished; empty where no command can."""
    if contents.config is None or contents.config.source_kind.is_passed_in:
        return ""
    return f"kerastl train --flagfile={shlex.quote(str(contents.path / RunFile.FLAGS))}"


def _on_going_on(contents: Contents) -> Iterator[Step]:
    if contents.config is None:
        yield Step(
            "The run stopped at its data. Mend the files that the audit found, or leave them out "
            "with --on_bad_image=skip, and repeat the command.",
            "audit",
        )
    elif command := _go_on_command(contents):
        yield Step("Go on with the run, which keeps its finished epochs:", "", command)
    else:
        yield Step(
            "Go on with the run, which keeps its finished epochs: call kerastl.run with the same "
            "Config and source."
        )


def _on_training(contents: Contents) -> Iterator[Step]:
    if any(reason.startswith(_NO_TIME) for reason in contents.reasons):
        yield Step(
            "Give the run more time: there was none to fine-tune, which costs most of the accuracy "
            "that can be had. Train again with a higher --budget.",
            "reasons",
            train_longer(contents),
        )
    if is_uncertain(contents.metrics[TEST]):
        yield Step(
            "Test on more images: so few leave the accuracy uncertain. Label more, or, if the data "
            "have no test split of their own, hold out more of them.",
            "splits",
            train_again(
                contents,
                "more-tests",
                f"--test_fraction={_more_tests(contents):g}",
                "--splits_from=",
                *_UNPUBLISHED,
            ),
        )


def _on_data(contents: Contents) -> Iterator[Step]:
    if below := [row for row in contents.slices if row["is_far_below"] == str(True)]:
        name, worst = below[0].get("name"), below[0]
        where = f"in group {name}" if name else f"in {worst['num_images']} images that are alike"
        yield Step(
            f"Look at what is far below the rest, {count_of(len(below), 'slice')} of the test "
            f"images: {where}, {float(worst['accuracy']):.1%} are right, and "
            f"{float(worst['elsewhere']):.1%} of the same classes elsewhere. Label more such "
            "images.",
            "misleading",
        )
    for row in contents.misleading[:2]:
        yield Step(
            f"Look at {row['class_name']}: its {row['fact']} alone tells it from other classes, "
            f"and the model may have learned nothing else. {suggest_remedy(row['fact'])}, and test "
            "with images that lack what gives the class away.",
            "misleading",
        )
    if issues := list_open_issues(contents):
        labels = count_of(len(issues), "label")
        yield Step(
            f"Look through {labels} that a probe disagrees with, the least probable first, until "
            "most are right. Mark what is wrong, save fixes.csv, and train with it.",
            "labels",
            _fixing_command(contents),
        )
    elif contents.label_issues is None and contents.metrics:
        command = train_again(contents, "labels", "--label_issues", *_UNPUBLISHED)
        yield Step("Look for wrong labels: train again with --label_issues.", "", command)
    if count := sum(row["kind"] not in _HARMLESS for row in list_open(contents)):
        found = f"Look at what the audit found, {count} in all, "
        if issues:
            yield Step(f"{found}and mark what to fix in the same fixes.csv.", "audit")
        else:
            words = "mark what to fix, save fixes.csv, and train with it."
            yield Step(found + words, "audit", _fixing_command(contents))


def _fixing_command(contents: Contents) -> str:
    fixing = prepare_fixing(contents)
    return fixing.command if fixing else ""


def _more_tests(contents: Contents) -> float:
    """Returns twice the share of images that are held out for the test, if they may be so many."""
    config = contents.config
    return min(2 * config.test_fraction, (1 - config.validation_fraction) / 2) if config else 0.0


def _on_use(contents: Contents) -> Iterator[Step]:
    run = shlex.quote(str(contents.path))
    if (contents.path / RunFile.MODEL).exists():
        yield Step(
            "Find the images that are worth labeling next:", "", f"kerastl suggest {run} IMAGES"
        )
        yield Step("Use the model:", "", f"kerastl predict {run} IMAGES")
