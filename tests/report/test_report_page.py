import csv
import dataclasses
import html
import html.parser
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import browser
import kerastl
from command_line import run_python
from kerastl.commands.table import run_command
from kerastl.data.fixes_file import Fix, Fixed, read_fixes
from kerastl.data.source import Finding, Source
from kerastl.data.splits import make_splits
from kerastl.errors import UsageError
from kerastl.outputs.heat_maps import list_heat_maps
from kerastl.outputs.metrics import add_intervals, build_metrics, scored_splits
from kerastl.outputs.run_directory import RunDirectory
from kerastl.outputs.unfinished import Opened
from kerastl.report.contents import read_contents
from kerastl.report.finished import failure_reported, report_finished
from kerastl.report.thumbnails import Thumbnails
from kerastl.selection.label_issues import HEADER as LABEL_ISSUES
from kerastl.selection.misleading import HEADER as MISLEADING
from kerastl.training.best import EpochRow
from kerastl.training.checks import Check
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluation import Evaluation
from kerastl.training.set_coverage import measure_sets
from kerastl.training.slices import Slice

SCRIPT = "<script>alert(1)</script>"
NAMES = (SCRIPT, "cat & dog", "a name " * 20)
LEFT_OUT = {"known": 0.25, "known_low": 0.2, "known_high": 0.31, "num_images": 60, "num_parts": 3}
SPLITS = np.repeat(["train", "validation", "test"], 60)


def pictures(folder):
    """Writes noise as image files, sixty for each split."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    paths = [folder / f"{number:03}.png" for number in range(len(SPLITS))]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8)).save(path)
    return paths


def made_up(labels, seed=1):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(len(NAMES)), len(labels))
    shares[np.arange(len(labels)), labels] += 1
    shares = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    shares[:13] = np.roll(shares[:13], 1, axis=1)
    return Evaluation(labels, shares, -np.log(shares[np.arange(len(labels)), labels]))


def epoch_rows():
    for phase, count in (("head", 2), ("finetune", 3)):
        for epoch in range(1, count + 1):
            yield EpochRow(phase, epoch, 0.01, 1 / epoch, 0.5, 0.9 / epoch, 0.6, 1.0, 0.6, 0.6)


BORDER = ("border", NAMES[0], 20, 0.875, 0.75, 0.9375, 0.991, 0.96, None)


def write_run(folder):
    """Writes the files of a run as a run does, without training."""
    paths = pictures(folder / "photos")
    source = Source.from_files(
        paths, np.arange(len(SPLITS)) % 3, class_names=NAMES, splits=SPLITS, name="photos"
    )
    examples = source.examples
    hashes = [row.tobytes().hex() for row in source.hashes]
    # A pair of files, and one of the same bytes.
    findings = (
        Finding(examples[0], "same image twice", "train", examples[1], *hashes[:2]),
        Finding(examples[2], "same image twice", "train", examples[3], hashes[2], hashes[2]),
    )
    fixed = Fixed((Fix(hashes[1], "relabel", NAMES[0], examples[1]),), 1, 0, (), frozenset(), ())
    source = dataclasses.replace(source, findings=findings, fixed=fixed)
    run_dir = folder / "run"
    run_dir.mkdir()
    # Where the page finds the files again.
    config = kerastl.Config(dataset=f"folder:{folder / 'photos'}", run_dir=str(run_dir))
    splits, record = make_splits(source, config), RunDirectory(run_dir)
    opened = Opened(config, notes=("given: --seed=3", "64 px: as the images are small"))
    record.begin(opened, splits, "", started=0.0, progress=kerastl.Progress())
    for row in epoch_rows():
        record.add_epoch(row)
    record.write_misleading(
        MISLEADING, [BORDER, ("size", NAMES[1], 9, 0.5, 0.4, 0.6, 0.8, 0.7, 0.9)]
    )
    record.write_slices(
        [
            Slice(
                "group",
                "camera 7",
                25,
                NAMES[1:],
                0.36,
                0.8,
                -0.6,
                -0.25,
                examples[2:4],
            ),
            Slice("cluster", "", 30, NAMES[:1], 0.7, 0.8, -0.2, 0.1, examples[:1]),
        ]
    )
    suspect = splits.train[0]
    issue = (examples[suspect], NAMES[source.labels[suspect]], "0.01", NAMES[1], "0.97")
    record.write_label_issues(LABEL_ISSUES, [(*issue, hashes[suspect], "train")])
    test = made_up(source.labels[splits.test])
    test = dataclasses.replace(test, uncalibrated=made_up(test.labels, seed=2))
    scored = scored_splits(splits, test=test, validation=made_up(source.labels[splits.validation]))
    record.write_scores(scored, NAMES)
    record.write_predictions(splits, test)
    record.write_mistakes(splits, scored)
    maps = list_heat_maps(splits, test, lambda places, _: np.ones((len(places), 2, 3)))
    record.write_heat_maps(maps)
    record.add_check(Check("first loss 1.0986, ln(3) is 1.0986", passed=True))
    metrics = build_metrics(
        splits,
        scored,
        best=row,
        accuracies={"head": 0.6},
        decided={
            "temperature": {"value": 1.5},
            "class_sets": {"level": 0.95, "min_probability": 0.125},
            "known": {"coverage": 0.9, "max_distance": 12.34, "left_out": LEFT_OUT},
        },
    )
    for name, evaluation in scored:
        add_intervals(metrics[name], evaluation, seed=0)
    metrics["test"]["known"] = {"coverage": 0.875, "coverage_low": 0.5, "coverage_high": 0.99}
    metrics["test"]["class_sets"] = measure_sets(ClassSets(0.95, 0.125, 60), test, seed=0)
    record.write_metrics(metrics)
    record.write_receipt()
    return run_dir


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(original):
    return kerastl.report(original).read_text("utf-8")


@pytest.fixture
def run(original, tmp_path):
    """A copy to damage."""
    return shutil.copytree(original, tmp_path / "copy")


class Reader(html.parser.HTMLParser):
    """Reads the text of a page and the cells of its tables, by the headings above them."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.words, self.headings = {}, [], []
        self._section = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "h2":
            self._section = dict(attributes)["id"]
            self.headings.append(self._section)
        elif tag == "tr":
            self.tables.setdefault(self._section, []).append([])
        elif tag in ("th", "td"):
            self.tables[self._section][-1].append("")

    def handle_data(self, data):
        self.words.append(data)
        rows = self.tables.get(self._section)
        if rows and rows[-1] and data.strip():
            rows[-1][-1] = f"{rows[-1][-1]} {data.strip()}".strip()


def rows_of(run, name, split="test"):
    with (run / name).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def percent(value):
    return f"{100 * float(value):.1f}%"


def percent_of(row, name):
    return f"{percent(row[name])} ({percent(row[f'{name}_low'])} to {percent(row[f'{name}_high'])})"


def clean(name):
    return " ".join(name.split())


def decimals_of(row, name):
    return f"{row[name]:.4f} ({row[f'{name}_low']:.4f} to {row[f'{name}_high']:.4f})"


def test_every_number_of_the_page_is_in_the_files(page, original):
    read = Reader(page)
    text = " ".join(" ".join(read.words).split())
    values = json.loads((original / "metrics.json").read_text("utf-8"))["test"]
    before, sets = values["uncalibrated"], values["class_sets"]
    change = values["loss"] - before["loss"]
    for shown in (
        f"{percent(values['accuracy'])} test accuracy",
        f"95% interval {percent(values['accuracy_low'])} to {percent(values['accuracy_high'])}",
        f"gets {percent(values['baseline_accuracy'])}",
        f"Balanced accuracy {percent_of(values, 'balanced_accuracy')}, macro F1 "
        f"{percent_of(values, 'macro_f1')}, loss {decimals_of(values, 'loss')}",
        f"Expected calibration error {percent_of(values, 'calibration_error')}, Brier score "
        f"{decimals_of(values, 'brier_score')}: 0",
        "divided by a temperature of 1.5,",
        f"Without it the calibration error is {percent_of(before, 'calibration_error')}, the Brier "
        f"score {decimals_of(before, 'brier_score')} and the loss {decimals_of(before, 'loss')}, "
        f"{values['loss']:.4f} with it",
        f"The loss changes by {change:.4f} ({before['loss_change_low']:.4f} to "
        f"{before['loss_change_high']:.4f}), which may be chance",
        "of at least 12.5% is meant to hold the true class of 95% of images",
        "at most 12.34 from those of the nearest class, which 90% of images are meant to be. "
        f"{percent(values['known']['coverage'])} of the test images are (50.0% to 99.0%). With "
        "each of 3 parts of the classes left out of the distances in turn, 25.0% (20.0% to 31.0%) "
        "of the 60 validation images would still count as known",
        "The network was fine-tuned with these classes",
        "have is_known, except for LiteRT files of 8 or 16 bits",
        f"It does for {percent(sets['coverage'])} of the test images "
        f"({percent(sets['coverage_low'])} to {percent(sets['coverage_high'])}), with "
        f"{sets['mean_size']:.2f} classes on average ({sets['mean_size_low']:.2f} to "
        f"{sets['mean_size_high']:.2f})",
    ):
        assert shown in text
    scores = {row["class_name"].strip(): row for row in rows_of(original, "class_scores.csv")}
    _, *shown = read.tables["classes"]
    assert len(shown) == len(scores) == 3
    for name, recall, interval, precision, f1, tested, trained, _ in shown:
        row = scores[name]
        low, high = percent(row["recall_low"]), percent(row["recall_high"])
        assert (recall, interval) == (percent(row["recall"]), f"{low} to {high}")
        assert f"{precision})" == percent_of(row, "precision").replace("(", "")
        assert f"{f1})" == percent_of(row, "f1").replace("(", "")
        assert (tested, trained) == (row["num_images"], "20")
    *bins, whole = rows_of(original, "calibration.csv")
    assert read.tables["calibration"][1:] == [
        [
            f"{row['confidence_from']} to {row['confidence_to']}",
            row["num_images"],
            percent(row["confidence"]),
            *percent_of(row, "accuracy").removesuffix(")").split(" ("),
        ]
        for row in bins
    ]
    assert read.tables["coverage"][1:] == [
        [
            percent(row["coverage"]),
            f"{float(row['min_confidence']):.4f}",
            percent(row["accuracy"]),
            f"{percent(row['accuracy_low'])} to {percent(row['accuracy_high'])}",
            row["num_images"],
        ]
        for row in rows_of(original, "coverage.csv")
    ]
    assert float(whole["calibration_error"]) == values["calibration_error"]
    pairs = {
        (row["class_name"].strip(), row["predicted"].strip()): row["num_images"]
        for row in rows_of(original, "confusion.csv")
    }
    names = [name.strip() for name in NAMES]
    assert read.tables["matrix"] == [
        ["Labeled", *names],
        *(
            [one, *(pairs.get((one, other), "0" if one == other else "") for other in names)]
            for one in names
        ),
    ]
    assert {(one, other): number for one, other, number, *_ in read.tables["pairs"][1:]} == {
        pair: number for pair, number in pairs.items() if pair[0] != pair[1]
    }


def test_parts_are_in_order_and_say_what_the_run_says(page):
    read = Reader(page)
    expected = "next again verified reasons curves classes matrix pairs mistakes evidence "
    expected += (
        "calibration coverage misleading audit labels fixes splits stages settings receipt cells"
    )
    assert read.headings == expected.split()
    text = " ".join(" ".join(read.words).split())
    assert "64 px: as the images are small" in text
    assert "given:" not in text
    assert "Passed: first loss 1.0986" in text
    assert "The model is that of finetune epoch 3" in text
    assert ["All classes", "60", "60", "60"] in read.tables["splits"]
    assert "kerastl reproduce" in text


def test_what_may_mislead_is_shown_with_its_numbers(page):
    read = Reader(page)
    border, (*cells, last) = read.tables["misleading"][1:]
    assert border == ["border", SCRIPT, "87.5% (75.0% to 93.8%)", "0.99", "20"]
    assert cells == ["size", clean(NAMES[1]), "50.0% (40.0% to 60.0%)", "0.80 (0.70 to 0.90)"]
    assert last.startswith("9 In these slices")
    text = " ".join(" ".join(read.words).split())
    assert "Group camera 7, 25 images: accuracy 36.0%, elsewhere 80.0% Mostly cat & dog, " in text
    assert "The interval of the difference is -60.0% to -25.0%." in text
    assert "Cluster of 30" not in text
    assert "All 2: slices.csv." in text


def test_mistakes_and_right_images_have_their_evidence_beside_them(page, original):
    with (original / "heat_maps.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shown = re.findall(
        r'alt="Where the evidence for (.*?) is in it"></span>\s*<span class="name">(.*?)<', page
    )
    # Right ones in the order of their names.
    assert [(html.unescape(name), example) for name, example in shown] == [
        (row["class_name"], row["example"])
        for row in (*rows[:12], *sorted(rows[12:], key=lambda row: row["example"]))
    ]
    assert len(rows) == 12 + 3
    assert len(re.findall('id="evidence"', page)) == 1


def test_a_run_without_heat_maps_says_so(page, run):
    assert "There are no heat maps." not in page
    (run / "heat_maps.csv").unlink()
    text = kerastl.report(run).read_text(encoding="utf-8")
    assert "There are no heat maps." in text
    assert "heat_maps.csv" not in text


def test_what_a_model_without_mistakes_looks_at_is_shown(original, tmp_path):
    run = shutil.copytree(original, tmp_path / "run")
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class_name"] == row["predicted"]]
    with (run / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    # Those of the validation images are still there.
    assert 'id="mistakes"' in kerastl.report(run).read_text(encoding="utf-8")
    (run / "mistakes.csv").unlink()
    page = kerastl.report(run).read_text(encoding="utf-8")
    assert 'id="mistakes"' not in page
    assert 'id="evidence"' in page
    assert page.count("Where the evidence for") == 3


def test_names_stay_text_and_links_lead_to_their_place(page):
    assert page.count("<script>") == page.count("</script>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'<a href="#([^"]*)"', page)) <= set(ids)
    assert "http:" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)


def test_each_landmark_has_a_name_of_its_own(page):
    headings = re.findall(r'<h2 id="[^"]*">(.*?)</h2>', page)
    regions = re.findall(r'role="region" aria-label="(.*?)"', page)
    assert len({*headings, *regions}) == len(headings) + len(regions) > 10


@pytest.mark.thorough
def test_page_is_the_same_again(page, original):
    assert kerastl.report(original).read_text("utf-8") == page


@pytest.mark.thorough
def test_images_that_are_gone_leave_their_names(original, page, run):
    assert page.count("<img ") > 20
    assert "no picture" not in page
    photos = original.parent / "photos"
    photos.rename(photos.with_name("away"))
    try:
        gone = kerastl.report(run).read_text("utf-8")
    finally:
        photos.with_name("away").rename(photos)
    # Without the picture there is none of its evidence either.
    evidence = page.count("Where the evidence for")
    assert gone.count(">no picture<") == page.count("<img ") - evidence
    assert gone.count(".png") == page.count(".png")


@pytest.mark.parametrize(
    ("dataset", "problem"),
    [
        ("folder:elsewhere", "does not exist here"),
        ("csv:gone.csv", "does not exist here"),
        ("arrays:gone.npz", "cannot be read"),
        ("tfds:cifar10", "is opened by runs alone. Repeat the run."),
        ("python", "is opened by runs alone. Give the source to kerastl.report."),
    ],
)
def test_page_without_pictures_says_why(run, dataset, problem):
    flags = run / "flags.txt"
    flags.write_text(re.sub("(?m)^--dataset=.*$", f"--dataset={dataset}", flags.read_text()))
    said = io.StringIO()
    page = kerastl.report(run, progress=kerastl.Progress(said)).read_text("utf-8")
    assert "no picture" in page
    assert "<img " not in page
    words = f"There are no pictures on this page. dataset='{dataset}': {problem}"
    assert words in " ".join(Reader(page).words)
    assert words in said.getvalue()


@pytest.mark.thorough
def test_run_that_was_stopped_has_a_page_of_what_there_is(run):
    for name in ("metrics.json", "predictions.csv", "class_scores.csv", "label_issues.csv"):
        (run / name).unlink()
    read = Reader(kerastl.report(run).read_text("utf-8"))
    text = " ".join(" ".join(read.words).split())
    assert "This run is not finished" in text
    assert "After 5 epochs, validation accuracy was 60.0%." in text
    assert f"finished epochs: kerastl train --flagfile={run / 'flags.txt'}" in text
    assert "Passed: first loss 1.0986" in text
    assert "are checked as soon as they are there" in text
    assert "missing" not in text
    expected = "next verified reasons curves misleading audit fixes splits stages settings receipt"
    assert read.headings == expected.split()


def test_run_that_was_killed_before_its_first_check_says_so(run):
    for name in ("metrics.json", "receipt.json"):
        (run / name).unlink()
    text = " ".join(Reader(kerastl.report(run).read_text("utf-8")).words)
    assert "Nothing yet: the run stopped before its first check." in text


def test_run_that_stopped_at_its_data_has_a_page(tmp_path):
    (tmp_path / "audit.csv").write_text("file,kind,detail,other\na.jpg,unusable,is empty,\n")
    read = Reader(kerastl.report(tmp_path).read_text("utf-8"))
    assert read.headings == ["next", "audit"]


DAMAGED = ["receipt.json", "splits.csv", "history.csv", "predictions.csv", "metrics.json"]


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe\x00", b'a,"b\n1,2,3\n', None])
def test_damaged_file_is_named(run, name, content):
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(content)
    problems = read_contents(run).problems
    # Without metrics.json a run is not finished; a receipt that says nothing is one.
    if (name, content) in (("metrics.json", None), ("receipt.json", b"{}")):
        assert problems == ()
    else:
        (problem,) = problems
        assert re.match(rf"{name} (is missing|cannot be read: .+)\.$", problem)


@pytest.mark.thorough
def test_page_says_what_it_lacks_and_shows_the_rest(run):
    for name in DAMAGED[:-1]:
        (run / name).write_text("[]")
    read = Reader(kerastl.report(run).read_text("utf-8"))
    expected = "next again reasons misleading audit labels fixes settings"
    assert read.headings == expected.split()
    text = " ".join(read.words)
    assert all(f"{name} cannot be read" in text for name in DAMAGED[:-1])


@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_directory_of_no_run_is_refused(tmp_path, folder):
    with pytest.raises(
        UsageError, match=r"run='.*: (holds no run|does not exist)\. Give the run_dir"
    ):
        kerastl.report(tmp_path / folder)


def test_page_that_cannot_be_written_is_a_line(run):
    (run / "report.html").unlink(missing_ok=True)
    (run / "report.html").mkdir()
    lines = io.StringIO()
    source = Source.from_arrays(np.zeros((2, 4, 4, 3), np.uint8), [0, 1])
    report_finished(run, source, kerastl.Progress(lines))
    assert lines.getvalue().startswith("Report: not written (run=")
    assert lines.getvalue().count("\n") == 1
    assert not list(run.glob(".writing*"))


def test_page_of_a_run_that_fails_after_its_test_has_the_failure(run):
    class Record:
        def add_check(self, check):
            receipt = json.loads((run / "receipt.json").read_text("utf-8"))
            receipt["checks"] = [*receipt.get("checks", []), dataclasses.asdict(check)]
            (run / "receipt.json").write_text(json.dumps(receipt), "utf-8")

    with (
        pytest.raises(kerastl.KerastlError, match="differs"),
        failure_reported(run, Record(), None, kerastl.Progress()),
    ):
        raise kerastl.KerastlError("export: differs. Do this.")
    words = " ".join(Reader((run / "report.html").read_text("utf-8")).words)
    assert "Failed: export: differs. Do this." in words


@pytest.mark.thorough
def test_page_has_room_for_so_many_pictures():
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    thumbnails = Thumbnails(lambda _: file.getvalue())
    made = [thumbnails.of(str(number)) for number in range(800)]
    made = [picture for picture in made if picture]
    assert 50 < len(made) < 800
    assert sum(len(picture.address) for picture in made) < 3_000_000


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK"])
def test_every_kind_of_image_has_a_picture(mode):
    file = io.BytesIO()
    Image.new(mode, (40, 8)).save(file, "JPEG" if mode == "CMYK" else "PNG")
    picture = Thumbnails(lambda _: file.getvalue()).of("a")
    assert picture.address.startswith("data:image/jpeg;base64,")
    assert (picture.width, picture.height) == (40, 8)


def test_an_image_that_is_none_has_no_picture():
    assert Thumbnails(lambda _: b"GIF89a and no more").of("a") is None
    assert Thumbnails(None).of("a") is None


@pytest.mark.thorough
def test_page_needs_no_tensorflow(run):
    (run / "report.html").unlink(missing_ok=True)
    code = f"import sys, kerastl; print(kerastl.report({str(run)!r}), *sys.modules)"
    finished = run_python("-c", code)
    assert (finished.code, finished.stderr) == (0, "")
    line, modules = finished.stdout.splitlines()
    path, *modules = modules.split()
    assert (line, path) == (f"Report: {path}", str(run / "report.html"))
    assert "jinja2" in modules
    assert not {"tensorflow", "keras"} & set(modules)


@pytest.mark.thorough
def test_command_prints_one_line(run, capsys):
    assert run_command("report", [str(run)]) == 0
    assert capsys.readouterr().out == f"Report: {run / 'report.html'}\n"


# What an accessibility checker looks for: names of what can be reached, headings in steps, headers
# with their scope, and no text that is as dark as its ground.
UNNAMED = """
[...document.querySelectorAll("a, button, img, svg, [role=region], nav")].filter((element) =>
  !(element.textContent.trim() || element.getAttribute("aria-label") || element.alt)).length
"""
SKIPPED = """
[...document.querySelectorAll("h1, h2, h3")].map((one) => +one.tagName[1])
  .filter((level, place, all) => place && level > all[place - 1] + 1).length
"""
SCOPES = "[...document.querySelectorAll('th')].filter((one) => !one.scope).length"
STARTS = """
new Set([...document.querySelectorAll(".spans .range")].map(
  (bar) => bar.getBoundingClientRect().x)).size
"""
FIRST = "document.querySelector('table.sortable tbody th').textContent"


@pytest.mark.thorough
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_browser_shows_the_page(page, original, scheme, width):
    with browser.open_tab() as tab:
        tab.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=800, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        url = (original / "report.html").as_uri()
        tab.open(url)
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert [tab.value(each) for each in (UNNAMED, SKIPPED, SCOPES)] == [0, 0, 0]
        assert tab.value("getComputedStyle(document.body).color") == (
            "rgb(31, 41, 51)" if scheme == "light" else "rgb(236, 238, 242)"
        )
        # Bars are compared with each other.
        assert tab.value(STARTS) == 1
        first = tab.value(FIRST)
        tab.value("document.querySelector('table.sortable th[aria-sort] button').click()")
        assert tab.value(FIRST) != first
        assert tab.value("document.querySelector('[aria-sort]').ariaSort") == "descending"
        assert tab.complaints() == []
        assert {each.split(":")[0] for each in tab.requested()} <= {"file", "data"}


# What a person does with the choice below an image.
CHOOSE = """
(([name, value]) => {
  const select = document.querySelector(`select[aria-label="${name}"]`);
  select.value = value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
})
"""


def choose(tab, name, value):
    tab.value(f"{CHOOSE}({json.dumps([name, value])})")


@pytest.fixture
def marking(page, original, tmp_path):
    """The page in a browser that keeps downloads in `tmp_path`."""
    with browser.open_tab() as tab:
        tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        tab.open((original / "report.html").as_uri())
        yield tab


STATUS = "document.querySelector('#fixing [role=status]').textContent"


@pytest.mark.thorough
def test_marks_become_a_file_that_the_next_run_reads(marking, original, tmp_path):
    pictures = sorted((original.parent / "photos").iterdir())
    examples = [str(path) for path in pictures]
    hashes = [
        Source.from_files([p], [0], class_names=["a", "b"]).hashes[0].tobytes().hex()
        for p in pictures
    ]
    # That of the run's own fixes is there already.
    assert marking.value(STATUS) == "1 to relabel, 0 to drop, 0 to keep."
    assert marking.value("document.querySelectorAll('#audit ~ * [data-copies]').length") == 2
    choose(marking, f"Fix {examples[0]}", "drop")
    choose(marking, f"Fix {examples[2]}", "relabel")
    assert marking.value(STATUS) == (
        "1 to relabel, 1 to drop, 0 to keep; 1 to relabel without a class, left out."
    )
    choose(marking, f"New class of {examples[2]}", NAMES[2])
    assert marking.value(STATUS) == "2 to relabel, 1 to drop, 0 to keep."
    marking.value("document.querySelector('#download').click()")
    path = tmp_path / "fixes.csv"
    browser.wait_for(path.exists)
    assert marking.complaints() == []
    assert read_fixes(str(path)) == (
        Fix(hashes[1], "relabel", SCRIPT, examples[1]),
        Fix(hashes[0], "drop", "", examples[0]),
        Fix(hashes[2], "relabel", NAMES[2].strip(), examples[2]),
    )


@pytest.mark.thorough
def test_one_of_two_copies_is_kept_and_a_mistake_is_marked_by_content(marking, original, tmp_path):
    with (original / "audit.csv").open(encoding="utf-8", newline="") as file:
        copy = next(row for row in csv.DictReader(file) if row["sha256"] == row["other_sha256"])
    choose(marking, f"Fix {copy['other']}", "keep_one")
    note = "document.querySelector(`[data-example='${0}'] .fix span`).textContent"
    assert marking.value(note.replace("${0}", copy["file"])) == f"dropped: {copy['other']} is kept"
    assert marking.value(note.replace("${0}", copy["other"])) == ""
    mistakes = {}
    for split in ("test", "validation"):
        mistakes[split] = rows_of(original, "mistakes.csv", split)[0]
        choose(marking, f"Fix {mistakes[split]['example']}", "relabel")
    # The class that the model names is proposed.
    assert marking.value(STATUS) == "3 to relabel, 0 to drop, 0 to keep, 1 to keep one copy."
    marking.value("document.querySelector('#download').click()")
    path = tmp_path / "fixes.csv"
    browser.wait_for(path.exists)
    found = {fix.sha256: fix for fix in read_fixes(str(path))}
    assert found[copy["sha256"]] == Fix(copy["sha256"], "keep_one", "", copy["other"])
    for row in mistakes.values():
        fix = Fix(row["sha256"], "relabel", row["predicted"].strip(), row["example"])
        assert found[row["sha256"]] == fix


def test_mistakes_are_those_of_the_predictions_the_surest_first(page, original):
    names = {}
    for split in ("test", "validation"):
        rows = rows_of(original, "mistakes.csv", split)
        assert [row["class_name"] != row["predicted"] for row in rows] == [True] * len(rows)
        confidence = [float(row["confidence"]) for row in rows]
        assert confidence == sorted(confidence, reverse=True)
        names[split] = [row["example"] for row in rows]
        for row in rows[:12]:
            assert f'data-sha256="{row["sha256"]}" data-example="{row["example"]}"' in page
    with (original / "predictions.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert set(names["test"]) == {row[0] for row in rows if row[1] != row[2]}
    assert (
        f"{min(12, len(names['validation']))} of {len(names['validation'])}; mistakes.csv" in page
    )
    assert "the accuracy gets too high" in page


@pytest.mark.thorough
def test_suspect_is_marked_by_keyboard_and_its_likelier_class_is_proposed(marking, original):
    with (original / "label_issues.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    name = json.dumps(f"Fix {row['example']}")
    marking.value(
        f"document.querySelector(`select[aria-label=${{JSON.stringify({name})}}]`).focus()"
    )
    for letter in "rel":
        marking.call("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter)
        marking.call("Input.dispatchKeyEvent", type="keyUp", key=letter)
    assert marking.value("document.activeElement.value") == "relabel"
    assert marking.value(STATUS) == "2 to relabel, 0 to drop, 0 to keep."
    chosen = "document.activeElement.parentElement.lastElementChild.value"
    assert marking.value(chosen) == row["likelier"]


@pytest.mark.parametrize("fix", ["keep,", "relabel,cat & dog"])
def test_what_a_person_has_reviewed_is_no_suspect_any_more(run, fix):
    with (run / "label_issues.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    (run / "fixes.csv").write_text(
        f"sha256,fix,new_class,example\n{row['sha256']},{fix},{row['example']}\n"
    )
    text = " ".join(Reader(kerastl.report(run).read_text("utf-8")).words)
    assert "None was found but the 1 that fixes.csv keeps or relabels." in text


def test_findings_of_which_all_images_are_kept_are_left_out(run):
    header = "file,kind,detail,other,sha256,other_sha256\n"
    pairs = "".join(f"a{n}.png,same image twice,cat,b{n}.png,a{n},b{n}\n" for n in range(3))
    (run / "audit.csv").write_text(header + pairs)
    kept = ("a0", "b0", "a1")
    (run / "fixes.csv").write_text(
        "sha256,fix,new_class,example\n" + "".join(f"{name},keep,,x\n" for name in kept)
    )
    page = kerastl.report(run).read_text("utf-8")
    assert "Same image twice: 2" in page
    assert "a0.png" not in page


def test_class_that_is_never_recognized_has_a_zero(run):
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    one, other = header.index(NAMES[1]), header.index(NAMES[0])
    for row in rows:
        # What was found to be of the class is now of another.
        if float(row[one]) == max(map(float, row[-len(NAMES) :])):
            row[one], row[other] = row[other], row[one]
            row[header.index("predicted")] = NAMES[0]
    with (run / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    _, *matrix = Reader(kerastl.report(run).read_text("utf-8")).tables["matrix"]
    assert [row[1 + place] for place, row in enumerate(matrix)][1] == "0"
    assert "" in matrix[0] + matrix[2]


def test_page_names_the_files_with_hashes_that_the_run_has(run):
    hashed = "audit.csv and label_issues.csv have the hashes"
    assert hashed in kerastl.report(run).read_text("utf-8")
    (run / "label_issues.csv").unlink()
    page = kerastl.report(run).read_text("utf-8")
    assert "; audit.csv has the hashes" in page


def test_only_a_damaged_file_is_marked_as_one_that_no_run_reads(run):
    (run / "audit.csv").write_text(
        "file,kind,detail,other,sha256\n"
        f"a.jpg,unusable,is empty,,{'a' * 32}\nb.jpg,imbalance,few,,{'b' * 32}\n"
    )
    places = [
        line for line in kerastl.report(run).read_text("utf-8").split("<") if "data-ex" in line
    ]
    assert [" data-damaged" in line for line in places if ".jpg" in line] == [True, False]


def test_page_of_a_run_before_there_were_hashes_has_nothing_to_mark(run):
    (run / "fixes.csv").unlink()
    (run / "mistakes.csv").unlink()
    (run / "audit.csv").write_text("file,kind,detail,other\na.jpg,unusable,is empty,\n")
    (run / "label_issues.csv").write_text(
        "example,class_name,probability,likelier,its_probability\na,b,0.1,c,0.9\n"
    )
    page = kerastl.report(run).read_text("utf-8")
    assert "fixes" not in Reader(page).headings
    assert " data-sha256=" not in page
