"""Compares the best settings with the flags as given, on the test images."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from kerastl.config import Config
from kerastl.data.splits import Splits
from kerastl.outputs.run_directory import RunDirectory
from kerastl.progress import Progress
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.significance import difference_interval
from kerastl.tuning.trainer import Trainer


def measure_comparison(
    best: Config, given: Config, splits: Splits, run_dir: pathlib.Path, *, progress: Progress
) -> dict[str, Any]:
    """Compares the final run with the flags as given, image by image.

    Args:
        best: What the final run trained.
        given: The flags as given, which are trained once more.
        splits: The images, test included.
        run_dir: Where the final run's predictions are.
        progress: Gets the lines of that training.

    Returns:
        `num_images`, `accuracy`, `accuracy_as_given`, their `difference`, the ends of its 95 %
        interval, `low` and `high`, and whether the two are the same, `best_is_as_given`.
    """
    found = RunDirectory(run_dir).read_predictions(splits)
    same = best == dataclasses.replace(
        given, run_dir=best.run_dir, export_dir=best.export_dir, overwrite=best.overwrite
    )
    if same:
        compared = found
    else:
        progress.line("The flags as given are trained once more, for comparison.")
        trained = Trainer(splits).train(given, progress)
        compared = trained.evaluate(splits.test)
    low, high = difference_interval(
        found, compared, found.labels, SearchOptions(objective="val_accuracy")
    )
    return {
        "num_images": len(found.labels),
        "accuracy": found.accuracy,
        "accuracy_as_given": compared.accuracy,
        "difference": found.accuracy - compared.accuracy,
        "best_is_as_given": same,
        "low": low,
        "high": high,
    }


def comparison_words(comparison: Mapping[str, Any] | None) -> str:
    """Describes a comparison in one sentence."""
    if comparison is None:
        return "The flags as given have failed, so there is nothing to compare the final run with."
    if comparison["best_is_as_given"]:
        return "The best settings are the flags as given."
    return (
        f"On the {comparison['num_images']:.0f} test images the flags as given reach "
        f"{comparison['accuracy_as_given']:.4f}: the search changed that by "
        f"{comparison['difference']:+.4f} ({comparison['low']:+.4f} to "
        f"{comparison['high']:+.4f}, on the same images)."
    )
