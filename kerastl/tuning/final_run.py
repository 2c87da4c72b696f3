"""Trains and tests the best settings after the last trial, and compares them."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from kerastl import environment
from kerastl.config import Config
from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.errors import UsageError
from kerastl.outputs.directories import RunFile, is_over, naming, open_run, read_config
from kerastl.outputs.further_trainings import FurtherRecorder, remove_further
from kerastl.outputs.run_directory import RunDirectory
from kerastl.outputs.test_readings import count_reading
from kerastl.progress import Progress
from kerastl.result import Result
from kerastl.run import finish_run
from kerastl.training.course import Recorder
from kerastl.training.evaluation import Evaluation
from kerastl.training.final import deliver
from kerastl.tuning.directory import DIRECTORY, SearchFile
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.significance import difference_interval
from kerastl.tuning.trainer import Trainer
from kerastl.writing import replace_text


def run_best(
    final: Config,
    given: Config | None,
    splits: Splits,
    *,
    source: Source | None,
    progress: Progress,
) -> tuple[Result | None, dict[str, Any] | None]:
    """Trains and tests the best settings, and compares them with the baseline flags.

    One of the same settings that was cut off goes on, and what is finished is not repeated.

    Args:
        final: The best settings; the run goes to their run_dir.
        given: The baseline flags; None if they failed, so that there is nothing to compare with.
        splits: The images, test included.
        source: Images from Python, if `final.dataset` is "python".
        progress: Reports both trainings.

    Returns:
        The run, None if it already existed; and the comparison, see `_measure`.
    """
    run_dir = pathlib.Path(final.run_dir)
    path = run_dir / DIRECTORY / SearchFile.FINAL
    is_same = given is not None and final == dataclasses.replace(
        given, run_dir=final.run_dir, export_dir=final.export_dir, overwrite=final.overwrite
    )
    result = None
    if _is_over(run_dir, final.to_flags()):
        progress.line(f"The final run is in {run_dir} already.")
        # If the file is damaged or missing, its content is found again.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(path.read_text(encoding="utf-8"))
            progress.line(comparison_words(known))
            return None, known
    else:
        progress.line("Final run of the best settings, the first to use the test images.")
        path.unlink(missing_ok=True)
        if given is not None and not is_same:
            # Now, so that the receipt of the final run has it.
            count_reading(given, splits, run_dir)
        # Prepared again, so that the random numbers are those of a separate run.
        with (
            environment.ready(final.precision, final.seed, progress),
            open_run(final) as opened,
        ):
            result = finish_run(opened, source, progress)
    comparison = None
    if given is not None:
        with naming(run_dir, RunFile.PREDICTIONS):
            found = RunDirectory(run_dir).read_predictions(splits)
        kept = None if is_same else FurtherRecorder(run_dir, "as_given", progress)
        comparison = _measure(given, splits, found, kept=kept, progress=progress)
    replace_text(path, json.dumps(comparison, indent=2) + "\n", field="run_dir")
    remove_further(run_dir)
    progress.line(comparison_words(comparison))
    return result, comparison


def _is_over(run_dir: pathlib.Path, flags: Sequence[str]) -> bool:
    """Whether there is a finished run of these flags."""
    with contextlib.suppress(UsageError):
        return is_over(run_dir) and read_config(run_dir).to_flags() == flags
    return False


def _measure(
    given: Config,
    splits: Splits,
    found: Evaluation,
    *,
    kept: FurtherRecorder | None,
    progress: Progress,
) -> dict[str, Any]:
    """Compares the final run with the baseline flags, image by image.

    Args:
        given: The baseline flags, which are trained once more.
        splits: The images, test included.
        found: The final run's predictions of the test images.
        kept: Keeps that training; None if these are the best settings, which were trained.
        progress: Gets its lines.

    Returns:
        `num_images`, `accuracy`, `accuracy_as_given`, their `difference`, the ends of its 95 %
        interval, `low` and `high`, and whether the two are the same, `best_is_as_given`.
    """
    compared = found
    if kept:
        progress.line("Your flags are trained again for comparison.")
        trained = Trainer(splits).train(given, progress, record=kept)
        # What a run of these flags delivers, which may average mirror images or refit the head.
        delivered = deliver(trained, Recorder(), progress, given).trained
        compared = delivered.evaluate(splits.test)
    options = SearchOptions(objective="val_accuracy")
    low, high = difference_interval(found, compared, found.labels, options)
    return {
        "num_images": len(found.labels),
        "accuracy": found.accuracy,
        "accuracy_as_given": compared.accuracy,
        "difference": found.accuracy - compared.accuracy,
        "best_is_as_given": kept is None,
        "low": low,
        "high": high,
    }


def comparison_words(comparison: Mapping[str, Any] | None) -> str:
    """Describes a comparison in one sentence."""
    if comparison is None:
        return "Your flags failed, so there is nothing to compare the final run with."
    if comparison["best_is_as_given"]:
        return "Your flags are the best settings found."
    return (
        f"On the {comparison['num_images']:.0f} test images your flags reach "
        f"{comparison['accuracy_as_given']:.4f}: the search changed that by "
        f"{comparison['difference']:+.4f} ({comparison['low']:+.4f} to "
        f"{comparison['high']:+.4f}, on the same images)."
    )
