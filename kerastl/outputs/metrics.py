"""The content of `metrics.json`."""

from collections.abc import Mapping
from typing import Any

from kerastl.data.splits import Splits
from kerastl.progress import count_of
from kerastl.training.best import EpochRow
from kerastl.training.evaluate import Evaluation


def build_metrics(
    splits: Splits,
    *,
    test: Evaluation,
    validation: Evaluation,
    best: EpochRow,
    accuracies: Mapping[str, float],
) -> dict[str, Any]:
    """Builds the metrics of a run.

    Args:
        splits: The images.
        test: Evaluation of the test images, in their order.
        validation: Evaluation of the validation images.
        best: The epoch that the weights come from.
        accuracies: Highest validation accuracy of each phase, by the phase's name.

    Returns:
        `test` and `validation`, see `Evaluation.metrics`; `best`; `highest_validation_accuracy`;
        and `test_unseen`, if some test images but not all are among the training or validation
        images too: `test` without those.
    """
    class_names = splits.source.class_names
    metrics: dict[str, Any] = {
        "test": test.metrics(class_names),
        "validation": validation.metrics(class_names),
        "best": {"phase": best.phase, "epoch": best.epoch},
        "highest_validation_accuracy": dict(accuracies),
    }
    seen = splits.seen_before()
    if seen.any() and not seen.all():
        metrics["test_unseen"] = test.of(~seen).metrics(class_names)
    return metrics


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
