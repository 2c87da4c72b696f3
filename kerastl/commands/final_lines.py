"""The last lines that `kerastl train` prints, and `kerastl tune` after its final run."""

from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.split_names import TEST


def test_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yields the accuracy of each phase, what needs no model, and the test accuracy.

    Args:
        metrics: The content of `metrics.json`.
    """
    phases = metrics["highest_validation_accuracy"]
    if phases.keys() == {"head", "finetune"}:
        yield (
            f"Transfer: highest validation accuracy {phases['head']:.4f} of a head on frozen "
            f"features, {phases['finetune']:.4f} of fine-tuning."
        )
    test = metrics[TEST]
    yield from baseline_lines(test)
    yield (
        f"Test accuracy {test['accuracy']:.4f} "
        f"({test['accuracy_low']:.4f}-{test['accuracy_high']:.4f}) on {test['num_images']} images"
    )


def baseline_lines(test: Mapping[str, Any]) -> Iterator[str]:
    """Yields what always naming the largest class gets, and whether the model is no better.

    Runs of earlier versions did not record it.
    """
    if "baseline_accuracy" not in test:
        return
    yield (
        f"Baseline accuracy {test['baseline_accuracy']:.4f}, for always naming "
        f"{test['baseline_class']}, the largest class"
    )
    if test["accuracy_low"] <= test["baseline_accuracy"]:
        yield (
            "Warning: the model is not clearly better than that: the interval of its test accuracy "
            "does not lie above the baseline."
        )
