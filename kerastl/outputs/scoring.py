"""The scores of what a run delivers, written to its directory."""

from collections.abc import Mapping
from typing import Any

from kerastl.data.splits import spread
from kerastl.outputs.directories import RunFile
from kerastl.outputs.heat_maps import list_heat_maps
from kerastl.outputs.metrics import add_intervals, build_metrics, scored_splits, seen_words
from kerastl.outputs.run_directory import RunDirectory
from kerastl.progress import Progress
from kerastl.split_names import TEST, VALIDATION
from kerastl.training.checks import check_agreement, require
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluation import Evaluation
from kerastl.training.final import Delivered
from kerastl.training.known_distances import measure_known
from kerastl.training.known_images import KnownImages
from kerastl.training.slices import find_slices, warn_of_slices
from kerastl.training.trained import Trained


def score(
    delivered: Delivered, record: RunDirectory, progress: Progress, *, exact: bool, seed: int
) -> tuple[dict[str, Any], Evaluation]:
    """Evaluates what is delivered; this is the only use of the test images.

    `exact` is whether everything is computed in 32 bits; `seed` is that of clusters and intervals.
    Returns the content of `metrics.json`, and the evaluation on the test images.
    """
    trained, splits = delivered.trained, delivered.trained.splits
    record.add_test_reading()
    test = delivered.evaluate(splits.test)
    if trained.stored:
        stored = test.of(sample := spread(len(splits.test)))
        whole = trained.evaluate_whole(splits.test[sample]).look_up(stored)
        agreement = check_agreement(stored.probabilities, whole, exact=exact)
        require(agreement, record=record, progress=progress)
    if words := seen_words(splits):
        progress.line(words)
    scored = scored_splits(splits, test=test, validation=delivered.validation)
    record.write_scores(scored, splits.source.class_names)
    record.write_predictions(splits, test)
    record.write_mistakes(splits, scored)
    _compare_slices(trained, test, record, progress, seed=seed)
    record.write_heat_maps(list_heat_maps(splits, test, trained.locate_evidence))
    metrics = build_metrics(
        splits,
        scored,
        best=trained.best.row,
        accuracies=trained.best.accuracies,
        before_refit=trained.refit is not None,
        decided=delivered.decided,
    )
    for name, evaluation in scored:
        add_intervals(metrics[name], evaluation, delivered.class_sets, seed=seed)
    if sets := delivered.class_sets:
        progress.line(_describe_sets(sets, metrics[TEST]["class_sets"]))
    if known := delivered.known:
        known.save(record.path / RunFile.KNOWN, field="run_dir")
        progress.line(_add_known(known, delivered, metrics))
    return metrics, test


def _compare_slices(
    trained: Trained, test: Evaluation, record: RunDirectory, progress: Progress, *, seed: int
) -> None:
    slices = find_slices(trained.splits, test, trained.pooled, seed=seed)
    record.write_slices(slices)
    for line in warn_of_slices(slices):
        progress.line(line)


def _add_known(known: KnownImages, delivered: Delivered, metrics: Mapping[str, Any]) -> str:
    """Adds the share of images that are known to the metrics, and describes it."""
    trained = delivered.trained
    metrics[VALIDATION]["known"] = delivered.known_validation
    metrics[TEST]["known"] = measure_known(known, trained, trained.splits.test)
    left_out = metrics["known"].get("left_out")
    passed = f"; of images whose class is left out, {left_out['known']:.1%}" if left_out else ""
    return (
        f"Known images at {known.coverage:.0%}: {metrics[TEST]['known']['coverage']:.1%} of the "
        f"test images are known by the distance of their features{passed}."
    )


def _describe_sets(sets: ClassSets, test: Mapping[str, float]) -> str:
    size = f", {test['mean_size']:.2f} classes on average" if "mean_size" in test else ""
    return (
        f"Sets of classes at {sets.level:.0%}: they hold the true class of {test['coverage']:.1%} "
        f"of the test images{size}."
    )
