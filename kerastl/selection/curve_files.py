"""What a learning curve leaves in its directory."""

import pathlib
from collections.abc import Iterator

from kerastl.selection.curve_chart import draw_learning_curve
from kerastl.selection.extrapolation import MULTIPLES, Curve
from kerastl.selection.learning_curve import LearningCurve
from kerastl.writing import csv_text, replace_text

CHART = "learning_curve.svg"
# The last to be written: it says that the curve is finished.
TABLE = "learning_curve.csv"
FILES = (TABLE, CHART)
HEADER = ("class_name", "kind", "times", "images", "accuracy", "accuracy_low", "accuracy_high")
_FIELD = "run_dir"


def write_learning_curve(curve: LearningCurve, run_dir: pathlib.Path, *, title: str) -> None:
    """Writes `learning_curve.svg` and `learning_curve.csv`."""
    rows = (row for each in (curve.whole, *curve.classes) for row in _rows(each, curve))
    chart = draw_learning_curve(curve, title=title)
    for name, text in ((CHART, chart), (TABLE, csv_text(HEADER, rows))):
        replace_text(run_dir / name, text, field=_FIELD)


def _rows(curve: Curve, whole: LearningCurve) -> Iterator[tuple[str, ...]]:
    """Lists what was measured and what is expected; all classes together have no name."""
    measured = zip(whole.fractions, curve.images, curve.measured, strict=True)
    expected = zip((1, *MULTIPLES), (curve.now, *curve.expected), strict=True)
    for kind, points in (
        ("measured", measured),
        ("expected", ((times, times * whole.num_images, point) for times, point in expected)),
    ):
        for times, images, point in points:
            accuracies = (f"{value:.4f}" for value in (point.value, point.low, point.high))
            yield (curve.class_name, kind, f"{times:g}", f"{images:.0f}", *accuracies)
