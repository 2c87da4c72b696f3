"""The last lines that `kerastl train` prints, and `kerastl tune` after its final run."""

from collections.abc import Iterator, Mapping
from typing import Any


def test_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yields the accuracy of each phase, and that on the test images.

    Args:
        metrics: The content of `metrics.json`.
    """
    phases = metrics["highest_validation_accuracy"]
    if phases.keys() == {"head", "finetune"}:
        yield (
            f"Transfer: highest validation accuracy {phases['head']:.4f} of a head on frozen "
            f"features, {phases['finetune']:.4f} of fine-tuning."
        )
    test = metrics["test"]
    yield (
        f"Test accuracy {test['accuracy']:.4f} "
        f"({test['accuracy_low']:.4f}-{test['accuracy_high']:.4f}) on {test['num_images']} images"
    )
