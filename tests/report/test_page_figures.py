"""Every figure of the page, in words, tables and charts, is what the run's files say."""

import collections
import csv
import json
import re
import types
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from test_report_page import NAMES, Reader, clean, percent, percent_of, rows_of, write_run

import kerastl
from kerastl.report.facts import list_chosen

# A chart has two decimals of a point.
CLOSE = {"rtol": 0, "atol": 2e-3}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("figures"))
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    spread = {"min": 0.5, "median": 0.625, "max": 0.75}
    metrics["repeats"] = {
        **{"seeds": [3, 4, 5], "failed": [6], "differs": ["the order"], "same": ["splits"]},
        **{"test": {"accuracy": spread}, "validation": {"accuracy": {**spread, "min": 0.25}}},
    }
    metrics["test_unseen"] = {**metrics["test"], "num_images": 17, "accuracy": 0.375}
    (run / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    receipt = json.loads((run / "receipt.json").read_text("utf-8"))
    receipt["test_readings"] = {"by_this_run": 3, "in_all": 11}
    formats = {"savedmodel": {"num_images": 59, "accuracy": 0.3125, "trainer_accuracy": 0.4375}}
    formats["savedmodel"]["largest_difference"] = 1e-6
    receipt["export"] = {"path": "x", "formats": formats}
    (run / "receipt.json").write_text(json.dumps(receipt), "utf-8")
    return run


@pytest.fixture(scope="module")
def page(run):
    return kerastl.report(run).read_text("utf-8")


@pytest.fixture(scope="module")
def text(page):
    return " ".join(" ".join(Reader(page).words).split())


def all_rows(run, name):
    with (run / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_words_of_the_head_are_those_of_the_metrics(run, text):
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    wrong = [
        row for row in all_rows(run, "predictions.csv") if row["class_name"] != row["predicted"]
    ]
    for shown in (
        f"on 60 images; {len(wrong)} of them are named wrongly.",
        f"Always naming the largest class, {clean(metrics['test']['baseline_class'])}, gets",
        f"validation accuracy {percent_of(metrics['validation'], 'accuracy')} on 60 images",
        "training or validation too: 37.5% (",
        ") on 17 images.",
        "Over 3 seeds the test accuracy is 50.0% to 75.0%, in the median 62.5%; validation "
        "accuracy is 25.0% to 75.0%, in the median 62.5%; 1 more seed failed",
        "is of the model of seed 3,",
        "11 models of all runs with this cache directory were scored on this test split, 3 of "
        "them in this run.",
        "on 59 test images accuracy 31.2%, of the trained model 43.8%; probabilities differ by "
        "1.0e-06 at most",
    ):
        assert shown in text


def test_pairs_and_cells_have_their_shares_and_all_images(run, page, text):
    rows = rows_of(run, "confusion.csv")
    pairs = {(clean(row["class_name"]), clean(row["predicted"])): row for row in rows}
    for one, other, number, share, interval in Reader(page).tables["pairs"][1:]:
        row = pairs[clean(one), clean(other)]
        assert number == row["num_images"]
        assert f"{share} ({interval})" == percent_of(row, "share")
    for row in rows:
        one, other, number = (row[name] for name in ("class_name", "predicted", "num_images"))
        words = f"{one}, recognized" if one == other else f"{one}, taken for {other}"
        assert clean(f"{words}: {number} image{'' if number == '1' else 's'}") in text


def test_tested_images_have_the_probabilities_of_their_row(run, page):
    rows = {row["example"]: row for row in all_rows(run, "predictions.csv")}
    held_out = {
        row["example"]: [row["confidence"], row["probability"]]
        for row in all_rows(run, "mistakes.csv")
        if row["split"] == "validation"
    }
    assert not rows.keys() & held_out.keys()
    # Suspects have those of a probe.
    tested = re.sub(r'<section aria-labelledby="labels">.*?</section>', "", page, flags=re.DOTALL)
    items = re.findall(
        r'<span class="name">(\S+)</span>\s*<span class="truth">labeled (.*?)</span>\s*'
        r'<ol class="guesses">(.*?)</ol>',
        tested,
        re.DOTALL,
    )
    assert len(items) > 40
    assert held_out.keys() & {example for example, _, _ in items}
    for example, _, guesses in items:
        shown = held_out.get(example) or [rows[example][name] for name in NAMES]
        values = sorted(map(float, shown), reverse=True)
        found = re.findall(r"<b>(.*?)</b>", guesses)
        assert found == [percent(value) for value in values]


def test_findings_suspects_and_splits_are_counted(run, page, text):
    kinds = collections.Counter(row["kind"] for row in all_rows(run, "audit.csv"))
    assert kinds
    for kind, number in kinds.items():
        assert f"{kind.capitalize()}: {number} " in text
    issues = all_rows(run, "label_issues.csv")
    assert f"All {len(issues)}: label_issues.csv" in text
    for row in issues:
        assert percent(row["its_probability"]) in text
        assert percent(row["probability"]) in text
    counts = collections.Counter(
        (clean(row["class_name"]), row["split"]) for row in all_rows(run, "splits.csv")
    )
    (_, *splits), *rows, (_, *totals) = Reader(page).tables["splits"]
    for name, *numbers in rows:
        assert [int(number) for number in numbers] == [counts[clean(name), one] for one in splits]
    assert [int(one) for one in totals] == [
        sum(number for (_, split), number in counts.items() if split == one) for one in splits
    ]


def test_stages_and_settings_are_those_of_the_receipt(run, page):
    receipt = json.loads((run / "receipt.json").read_text("utf-8"))
    _, *stages = Reader(page).tables["stages"]
    assert [name for name, *_ in stages] == list(receipt["seconds"])
    for name, seconds, memory in stages:
        assert seconds == kerastl.progress.format_duration(receipt["seconds"][name])
        peak = receipt["peak_memory_bytes"].get(name)
        assert memory == (kerastl.progress.format_bytes(peak["process"]) if peak else "")
    for name, value, *_, origin in Reader(page).tables["settings"][1:]:
        assert value == str(receipt["flags"][name]["value"])
        assert origin == receipt["flags"][name]["from"]


def test_only_settings_that_differ_are_listed(run, page):
    assert [row[0] for row in Reader(page).tables["settings"][1:]] == ["dataset", "run_dir"]
    # The batch size is the default, and the bundled weights have their own network and size.
    config = kerastl.Config(dataset="digits", run_dir="x", weights="bundled", batch_size=64)
    recorded = config.explain() | {"overwrite": {"value": True, "from": "command line"}}
    contents = types.SimpleNamespace(config=config, receipt={"flags": recorded})
    names = [setting.name for setting in list_chosen(contents)]
    assert names == ["dataset", "weights", "run_dir", "overwrite"]


class Chart:
    """The values that a chart draws, read back by the numbers at its axes."""

    def __init__(self, page, title):
        svgs = re.findall(r"<svg .*?</svg>", page, re.DOTALL)
        (svg,) = [one for one in svgs if f"<title>{title}" in one]
        self._axes = next(
            one for one in ET.fromstring(svg).iter() if one.get("id", "").endswith("axes_1")
        )
        self._scales = [self._scale("xtick", 0), self._scale("ytick", 1)]

    def _scale(self, kind, place):
        """What turns a position into a value: a straight line through the first and last tick."""
        ticks = []
        for group in self._axes.iter():
            if f"{kind}_" in group.get("id", ""):
                path = next(one for one in group.iter() if one.tag.endswith("path"))
                label = next(one for one in group.iter() if one.tag.endswith("text"))
                start = re.findall(r"[\d.]+", path.get("d"))[place]
                ticks.append((float(start), float(label.text.replace("\N{MINUS SIGN}", "-"))))
        (low, first), *_, (high, last) = ticks
        return lambda position: first + (position - low) * (last - first) / (high - low)

    def _values(self, points):
        return np.array(
            [[self._scales[axis](float(one[axis])) for axis in (0, 1)] for one in points]
        )

    def _groups(self, kind):
        return [one for one in self._axes if re.search(rf"-{kind}_\d+$", one.get("id", ""))]

    def lines(self, color):
        """The lines of a color, each as its points (x, y)."""
        for group in self._groups("line2d"):
            for path in group:
                if path.tag.endswith("path") and f"stroke: var({color})" in path.get("style", ""):
                    yield self._values(re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", path.get("d")))

    def marks(self):
        """The marks that stand for single points, in their order."""
        for group in self._groups("line2d"):
            uses = [one for one in group.iter() if one.tag.endswith("use")]
            if uses:
                yield self._values([(one.get("x"), one.get("y")) for one in uses])

    def bars(self):
        """The bars as left, right and top."""
        for group in self._groups("patch"):
            for path in group:
                if "opacity" in path.get("style", ""):
                    points = re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", path.get("d"))
                    values = self._values(points)
                    yield values[:, 0].min(), values[:, 0].max(), values[:, 1].max()


@pytest.mark.parametrize("column", ["accuracy", "loss"])
def test_curves_are_the_history(run, page, column):
    rows, chart = all_rows(run, "history.csv"), Chart(page, f"{column} of validation")
    for name, color in ((f"val_{column}", "--accent"), (column, "--second")):
        (line,) = [one for one in chart.lines(color) if len(one) == len(rows)]
        expected = [(place + 1, float(row[name])) for place, row in enumerate(rows)]
        np.testing.assert_allclose(line, expected, **CLOSE)
    (chosen,) = chart.marks()
    np.testing.assert_allclose(chosen, [(5, float(rows[4][f"val_{column}"]))], **CLOSE)


def test_reliability_is_the_calibration(run, page):
    *bins, _ = rows_of(run, "calibration.csv")
    chart = Chart(page, "Accuracy at each confidence")
    names = ("confidence_from", "confidence_to", "accuracy")
    expected = [[float(row[name]) for name in names] for row in bins]
    drawn = [bar for bar in chart.bars() if bar[0] < 1]
    np.testing.assert_allclose(drawn[: len(bins)], expected, **CLOSE)
    (dots,) = chart.marks()
    expected = [[float(row[name]) for name in ("confidence", "accuracy")] for row in bins]
    np.testing.assert_allclose(dots, expected, **CLOSE)


def test_coverage_chart_is_the_table(run, page):
    rows = rows_of(run, "coverage.csv")
    chart = Chart(page, "Accuracy of the surest")
    expected = [[100 * float(row["coverage"]), float(row["accuracy"])] for row in rows]
    (line,) = [one for one in chart.lines("--accent") if len(one) == len(rows)]
    np.testing.assert_allclose(line, expected, rtol=0, atol=0.2)
    np.testing.assert_allclose(line[:, 1], [y for _, y in expected], **CLOSE)


NUMBER = re.compile(r"(?<![\w.#-])-?\d+(?:\.\d+)?(?:e-?\d+)?%?(?![\w#-])")
# Numbers of the page's own sentences: the level of intervals, chance, the best and the worst Brier
# score, F1, hashes in SHA-256, and bits of formats.
OF_WORDS = {"95%", "0.5", "0", "2", "8", "16"}


def values_of(run):
    """Every value in the files of a run, numbers as numbers."""
    leaves = [
        json.loads((run / name).read_text("utf-8")) for name in ("metrics.json", "receipt.json")
    ]
    while leaves:
        leaf = leaves.pop()
        if isinstance(leaf, dict | list):
            leaves += leaf.values() if isinstance(leaf, dict) else leaf
            yield len(leaf)
        else:
            yield leaf
    for path in run.glob("*.csv"):
        rows = all_rows(run, path.name)
        yield len(rows)
        for column in rows[0] if rows else ():
            # How many rows have a value: images of a split, findings of a kind.
            yield from collections.Counter(row[column] for row in rows).values()
        for row in rows:
            yield from row.values()
    yield from (run / "flags.txt").read_text("utf-8").split("\n")


def forms_of(value):
    """How the page may write a value."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        yield from NUMBER.findall(str(value))
        return
    yield from (f"{100 * number:.1f}%", f"{100 * number:.0f}%", f"{100 * number:.3g}%")
    yield from (f"{number:.4f}", f"{number:.2f}", f"{number:.1f}", f"{number:.1e}", f"{number:.4g}")
    yield from (str(value), f"{number:.0f}")


def derived_from(run):
    """What the page computes from them."""
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))["test"]
    yield metrics["loss"] - metrics["uncalibrated"]["loss"]
    rows = all_rows(run, "predictions.csv")
    yield sum(row["class_name"] != row["predicted"] for row in rows)
    receipt = json.loads((run / "receipt.json").read_text("utf-8"))
    for seconds in receipt["seconds"].values():
        yield kerastl.progress.format_duration(seconds)
    for peak in receipt["peak_memory_bytes"].values():
        yield kerastl.progress.format_bytes(peak["process"])
    # Images of a class and split, in the table of splits.
    counts = collections.Counter(
        (row["class_name"], row["split"]) for row in all_rows(run, "splits.csv")
    )
    yield from counts.values()


def unexplained(run, page):
    """The numbers in the words and tables of a page that no file of its run has."""
    text = re.sub(r"<(style|script|svg).*?</\1>", " ", page, flags=re.DOTALL)
    found = set(NUMBER.findall(" ".join(Reader(text).words)))
    given = {form for value in (*values_of(run), *derived_from(run)) for form in forms_of(value)}
    return found - given - OF_WORDS, found


def test_no_number_of_the_page_is_from_nowhere(run, page):
    strange, found = unexplained(run, page)
    assert strange == set()
    assert len(found) > 100
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))["test"]
    shown = percent(metrics["accuracy_low"])
    assert shown in found
    assert unexplained(run, page.replace(shown, "12.37%"))[0] == {"12.37%"}


@pytest.mark.parametrize(
    ("loss", "error", "worse"),
    [
        # Neither differs as it is shown: four decimals, and a tenth of a percent.
        (0.49999, 0.0268, []),
        (0.4, 0.0268, ["loss"]),
        (0.49999, 0.01, ["calibration error"]),
        (0.4, 0.01, ["loss and calibration error"]),
        (0.6, 0.5, []),
    ],
)
def test_temperature_is_doubted_where_a_reader_sees_why(tmp_path, loss, error, worse):
    run = write_run(tmp_path)
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    metrics["temperature"] = {"value": 1.1}
    metrics["test"] |= {"loss": 0.5, "calibration_error": 0.0271}
    metrics["test"]["uncalibrated"] = {"loss": loss, "calibration_error": error}
    (run / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    page = " ".join(kerastl.report(run).read_text("utf-8").split())
    assert re.findall("the temperature makes the (.*?) higher", page) == worse
