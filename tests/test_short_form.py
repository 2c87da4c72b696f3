"""What a notebook shows of a result."""

import html
import pathlib
import re

import pytest

import kerastl
from kerastl.checkup.diagnosis import Diagnosis, Finding
from kerastl.comparison.files import Compared
from kerastl.comparison.reproduction import Reproduction
from kerastl.comparison.result import Comparison
from kerastl.export_formats import FORMATS
from kerastl.outputs.exporting import Exported
from kerastl.result import Result
from kerastl.selection.curve import LearningCurve
from kerastl.selection.extrapolation import Curve, Estimate
from kerastl.selection.ranking import Ranking
from kerastl.selection.ranking_row import RankingRow
from kerastl.tuning.search import Found
from kerastl.tuning.trials import Trial

NAME = "<script>alert(a & b)</script>"
CONFIG = kerastl.Config(run_dir="runs/a", dataset="digits", weights="bundled")
TEST = {
    "accuracy": 0.875,
    "accuracy_low": 0.75,
    "accuracy_high": 0.96875,
    "num_images": 40,
    "baseline_class": NAME,
    "baseline_accuracy": 0.25,
}
RUN = Result(
    {"test": TEST, "highest_validation_accuracy": {"head": 0.5, "finetune": 0.75}},
    None,
    pathlib.Path("runs", NAME),
    pathlib.Path("exports/1"),
)
ESTIMATE = Estimate(0.5, 0.25, 0.75)
MORE = Estimate(0.625, 0.25, 0.75)
CURVE = Curve(NAME, (10, 20), (ESTIMATE,) * 2, None, ESTIMATE, (MORE, MORE))
FORMAT = {
    "input": FORMATS["savedmodel"].input,
    "bytes": 4096,
    "accuracy": 0.875,
    "agreement": 1.0,
    "largest_difference": 1e-6,
    "tied": 0.5,
    "milliseconds": {"1": 2.0, "32": 1.0},
}
TRIAL = Trial(number=0, status="failed", reason="x", values={}, config=CONFIG)
RESULTS = {
    "run": (RUN, "Test accuracy 0.8750 (0.7500-0.9688) on 40 images"),
    "found": (Found({0: TRIAL}, CONFIG, RUN, None), "1 trial, of which 1 failed."),
    "ranking": (
        Ranking((RankingRow(config=CONFIG, accuracy=0.5),), pathlib.Path(NAME)),
        "Best: MobileNetV2_035 with bundled at 48 px. Train it",
    ),
    "curve": (
        LearningCurve(20, (0.5, 1.0), CURVE, (CURVE,), ESTIMATE),
        "Twice the images: about 0.25 to 0.75",
    ),
    "exported": (Exported(pathlib.Path(NAME), {"savedmodel": FORMAT}), "4096 bytes    0.8750"),
    "comparison": (Comparison(pathlib.Path("runs/a"), 40, ()), ""),
    "reproduction": (
        Reproduction(pathlib.Path(NAME), pathlib.Path("b"), (Compared("a.csv", "", ""),), {}),
        "Environment: the same.",
    ),
    "diagnosis": (Diagnosis((Finding("x", NAME, is_well=False),)), "x: FAILS: <script>"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_notebook_shows_the_lines_of_a_result_as_text(name):
    result, expected = RESULTS[name]
    shown = result._repr_html_()
    (inner,) = re.fullmatch(r"<pre [^<>]*>([^<>]*)</pre>", shown, re.DOTALL).groups()
    assert html.unescape(inner) == "\n".join(result.lines())
    assert expected in html.unescape(inner)
    assert (NAME in html.unescape(inner)) == (name != "comparison")
