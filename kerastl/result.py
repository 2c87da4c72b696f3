"""The result of a run, and the lines about it; imports nothing slow."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.progress import count_of, listed
from kerastl.short_form import ShortForm
from kerastl.split_names import TEST, VALIDATION

# An interval of the accuracy that is wider leaves the choice between models open.
_WIDE = 0.08


@dataclasses.dataclass(frozen=True, eq=False)
class Result(ShortForm):
    """Result of a run.

    Attributes:
        metrics: The content of `metrics.json`.
        model: The best Keras model over all phases, from pixels in 0..255 to logits.
        run_dir: Directory with everything else.
        export_path: The exported version, None without `export_dir`.
    """

    metrics: dict[str, Any]
    model: Any
    run_dir: pathlib.Path
    export_path: pathlib.Path | None

    def lines(self) -> Iterator[str]:
        """Yields the scores, and where everything else is."""
        yield from test_lines(self.metrics)
        yield f"The page of the run: {self.run_dir / 'report.html'}"
        if self.export_path:
            yield f"Exported: {self.export_path}"


def test_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yields the accuracy of each phase, what needs no model, and the test accuracy.

    Args:
        metrics: The content of `metrics.json`.
    """
    phases = metrics["highest_validation_accuracy"]
    if "prompts" in phases:
        yield f"Class names alone: validation accuracy {phases['prompts']:.4f}."
    if phases.keys() >= {"head", "finetune"}:
        validation = metrics.get(VALIDATION, {}).get("accuracy")
        of_model = "" if validation is None else f" The model has {validation:.4f}."
        yield (
            f"Highest validation accuracy of an epoch: {phases['head']:.4f} of a head on frozen "
            f"features, {phases['finetune']:.4f} of fine-tuning.{of_model}"
        )
    test = metrics[TEST]
    yield from repeats_lines(metrics)
    yield from baseline_lines(test)
    if is_uncertain(test):
        yield (
            f"The accuracy is uncertain: {test['num_images']} test images are few. Label more, or "
            "test on more of them with --test_fraction."
        )
    yield (
        f"Test accuracy {test['accuracy']:.4f} "
        f"({test['accuracy_low']:.4f}-{test['accuracy_high']:.4f}) on {test['num_images']} images"
    )


def is_uncertain(test: Mapping[str, Any]) -> bool:
    """Whether the interval of the test accuracy is so wide that it leaves most questions open."""
    return bool(test["accuracy_high"] - test["accuracy_low"] > _WIDE)


def repeats_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yields the least, the median and the highest test accuracy over seeds, if there are any."""
    if repeats := metrics.get("repeats"):
        spread = repeats[TEST]["accuracy"]
        yield (
            f"Over {count_of(len(repeats['seeds']), 'seed')}: test accuracy {spread['min']:.4f} to "
            f"{spread['max']:.4f}, median {spread['median']:.4f}. A seed decides "
            f"{listed(repeats['differs'])}; {listed(repeats['same'])} are the same. "
            f"The model is that of seed {repeats['seeds'][0]}."
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
