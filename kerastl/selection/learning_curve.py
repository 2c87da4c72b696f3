"""Measures the learning curve of a network on stored features, and writes its files."""

import pathlib
from collections.abc import Iterator

from kerastl.config import Config
from kerastl.data.finding import given_or_found
from kerastl.data.opening import describe_sizes, open_data
from kerastl.data.source import Source
from kerastl.errors import KerastlError
from kerastl.model.building.finding import NETWORK, own_resize
from kerastl.model.network import First, open_network
from kerastl.outputs.directories import remove_files
from kerastl.progress import Progress
from kerastl.selection.curve import LearningCurve, fit_learning_curve
from kerastl.selection.curve_chart import draw_learning_curve
from kerastl.selection.extrapolation import MULTIPLES, Curve
from kerastl.selection.file_names import CURVE_CHART, CURVE_FILES, CURVE_TABLE
from kerastl.selection.measurements import compute_features
from kerastl.writing import csv_text, replace_text

_HEADER = ("class_name", "kind", "times", "images", "accuracy", "accuracy_low", "accuracy_high")


def measure_learning_curve(
    config: Config, *, source: Source | None, progress: Progress
) -> LearningCurve:
    """Measures the accuracy of a probe as the training images grow, and extrapolates it.

    Writes `learning_curve.csv` and `learning_curve.svg` to the run directory.

    Raises:
        UsageError: If there are too few images for a curve.
        KerastlError: If the store has no room for the features.
    """
    source = given_or_found(source, config, progress)
    first = First(config)
    config = config.changed(NETWORK, **own_resize(config, progress))
    splits = open_data(config, source, progress)
    describe_sizes(splits, config, progress)
    network = open_network(config, num_classes=len(splits.source.class_names), first=first)
    run_dir = pathlib.Path(config.run_dir)
    remove_files(run_dir, CURVE_FILES)
    features = compute_features(network, splits, config, progress)
    if features is None:
        raise KerastlError(
            f"cache_limit_gb={config.cache_limit_gb:g}: leaves no room for the features. Raise it "
            "or free the disk."
        )
    curve = fit_learning_curve(features, splits, seed=config.seed, progress=progress)
    progress.line(curve.check())
    title = f"More images of {splits.source.name}, {config.backbone} at {config.image_size} px"
    chart = draw_learning_curve(curve, title=title)
    replace_text(run_dir / CURVE_CHART, chart, field="run_dir")
    rows = (row for each in (curve.whole, *curve.classes) for row in _rows(each, curve))
    replace_text(run_dir / CURVE_TABLE, csv_text(_HEADER, rows), field="run_dir")
    return curve


def _rows(curve: Curve, whole: LearningCurve) -> Iterator[tuple[str, ...]]:
    """Yields the rows of a curve; that of all classes together has no name."""
    measured = zip(whole.fractions, curve.images, curve.measured, strict=True)
    expected = zip((1, *MULTIPLES), (curve.now, *curve.expected), strict=True)
    points = [("measured", *each) for each in measured]
    points += [("expected", times, times * whole.num_images, each) for times, each in expected]
    for kind, times, images, point in points:
        accuracies = (f"{value:.4f}" for value in (point.value, point.low, point.high))
        yield (curve.class_name, kind, f"{times:g}", f"{images:.0f}", *accuracies)
