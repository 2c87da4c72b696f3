"""The content of `metrics.json`."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from kerastl.data.splits import Splits, largest_class
from kerastl.progress import count_of
from kerastl.split_names import TEST, VALIDATION
from kerastl.training.best import EpochRow
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluation import Evaluation
from kerastl.training.score_intervals import score_intervals
from kerastl.training.set_coverage import measure_sets


def build_metrics(
    splits: Splits,
    scored: Iterable[tuple[str, Evaluation]],
    *,
    best: EpochRow,
    accuracies: Mapping[str, float],
    before_refit: bool = False,
    decided: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Builds the metrics of a run.

    Args:
        splits: The images.
        scored: The evaluations of `scored_splits`.
        best: The epoch that the weights come from.
        accuracies: Highest validation accuracy of each phase, by the phase's name.
        before_refit: Whether validation images have been trained on after they were scored.
        decided: What the validation images have decided, see `Delivered.decided`.

    Returns:
        An entry for each of `scored`: `Evaluation.metrics` and what always naming the largest
        class of the training images gets; those of `decided`; `best`; and
        `highest_validation_accuracy`.
    """
    class_names, largest = splits.source.class_names, largest_class(splits)
    metrics: dict[str, Any] = {}
    for name, evaluation in scored:
        metrics[name] = {
            "baseline_class": class_names[largest],
            "baseline_accuracy": float(np.mean(evaluation.labels == largest)),
            **evaluation.metrics(class_names),
        }
    if before_refit:
        metrics[VALIDATION]["before_refit"] = True
    metrics |= decided
    metrics["best"] = {"phase": best.phase, "epoch": best.epoch}
    metrics["highest_validation_accuracy"] = dict(accuracies)
    return metrics


def add_intervals(
    metrics: dict[str, Any], evaluation: Evaluation, sets: ClassSets | None = None, *, seed: int
) -> None:
    """Adds `score_intervals` to the entry of a split, and `measure_sets` of sets of classes."""
    intervals = score_intervals(evaluation, seed=seed)
    metrics.get("uncalibrated", {}).update(intervals.pop("uncalibrated", {}))
    metrics.update(intervals)
    if sets:
        metrics["class_sets"] = measure_sets(sets, evaluation, seed=seed)


def scored_splits(
    splits: Splits, *, test: Evaluation, validation: Evaluation
) -> list[tuple[str, Evaluation]]:
    """Names what is scored: test; validation; and test_unseen.

    The last is there if some test images but not all are among the training or validation images
    too: it is `test` without those.
    """
    scored = [(TEST, test), (VALIDATION, validation)]
    seen = splits.seen_before()
    if seen.any() and not seen.all():
        scored.append(("test_unseen", test.of(~seen)))
    return scored


def seen_words(splits: Splits) -> str:
    """Describes the test images that the data set has in training or validation too, if any."""
    seen = splits.seen_before()
    if not seen.any():
        return ""
    others = "has the others alone as test_unseen" if not seen.all() else "has no others"
    return (
        f"{count_of(int(seen.sum()), 'test image')} of {len(seen)} are in training or validation "
        f"too, or share a group with an image there, in the data set itself; metrics.json {others}."
    )
