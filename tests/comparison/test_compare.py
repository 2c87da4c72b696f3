import csv
import dataclasses
import pathlib
import shlex

import numpy as np
import pytest
from scipy import stats

import kerastl
from command_line import config_from_flags, run_python
from finished_runs import loss_of, sure, write_csv, write_run
from kerastl.commands.table import run_command
from kerastl.comparison import paired
from kerastl.errors import KerastlError, UsageError

# 40 images; the first model errs on 4 of the cats, the other on one of those and on two dogs.
NAMES = [f"{number:02}.png" for number in range(40)]
LABELS = ["cat"] * 20 + ["dog"] * 20


def predictions(wrong):
    flipped = {"cat": "dog", "dog": "cat"}
    return {
        name: sure(label, flipped[label] if name in wrong else label)
        for name, label in zip(NAMES, LABELS, strict=True)
    }


FIRST = predictions({"00.png", "01.png", "02.png", "03.png"})
OTHER = predictions({"00.png", "20.png", "21.png"})


@pytest.fixture
def two(tmp_path):
    return (
        write_run(tmp_path / "a", FIRST, head_epochs=3),
        write_run(tmp_path / "b", dict(reversed(OTHER.items())), head_epochs=5, cache_dir="x"),
    )


def test_scores_are_paired_by_image_whatever_their_order(two):
    comparison = kerastl.compare(*two)
    (other,) = comparison.others
    assert comparison.num_images == 40
    scores = {score.name: score for score in other.scores}
    assert scores["accuracy"].first == 36 / 40
    assert scores["accuracy"].other == 37 / 40
    expected = [(36 * loss_of(0.75) + 4 * loss_of(0.25)) / 40]
    expected += [(37 * loss_of(0.75) + 3 * loss_of(0.25)) / 40]
    np.testing.assert_allclose([scores["loss"].first, scores["loss"].other], expected, rtol=1e-6)
    recalls = {each.name: (each.first, each.other, each.num_images) for each in other.recalls}
    assert recalls == {"cat": (16 / 20, 19 / 20, 20), "dog": (1.0, 18 / 20, 20)}
    assert [each.example for each in other.lost] == ["20.png", "21.png"]
    assert [each.example for each in other.won] == ["01.png", "02.png", "03.png"]
    assert other.p_value == stats.binomtest(3, 5).pvalue == 1.0
    assert other.flags == {"head_epochs": ("3", "5")}
    fixed = dataclasses.replace(other, flags={"fixes": ("", "fixes.csv")})
    assert "flags: --fixes=fixes.csv, was empty" in list(fixed.lines())


def test_equal_runs_do_not_differ_and_the_same_comparison_is_repeated(tmp_path, two):
    again = write_run(tmp_path / "c", FIRST, head_epochs=3)
    comparison = kerastl.compare(two[0], again, two[1])
    same, other = comparison.others
    assert kerastl.compare(two[0], two[1]).others == (other,)
    assert all(score.low == score.difference == score.high == 0 for score in same.scores)
    assert (same.p_value, same.lost, same.flags) == (1.0, (), {})
    lines = list(comparison.lines())
    assert "  flags: the same" in lines
    assert "  Both models predict the same class for every image." in lines
    assert lines[-1].startswith("Of 2 comparisons one in 20 shows a difference by chance: trust p")


def test_interval_is_that_of_paired_differences():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    wrong = (labels + 1) % 3
    # Both err on nearly the same images: an interval of two unpaired accuracies is 5 times wider.
    hard = rng.random(400) < 0.4
    one = np.where(hard, wrong, labels)
    two = np.where(hard & (rng.random(400) < 0.9), wrong, labels)
    zeros = np.zeros(400)
    found = paired.compare_scores(
        labels, paired.Scored(one, zeros), paired.Scored(two, zeros), seed=1
    )
    gained = (two == labels).astype(float) - (one == labels)
    half = 1.96 * gained.std() / np.sqrt(400)
    accuracy = found[0]
    assert accuracy.is_clear
    np.testing.assert_allclose(accuracy.low, gained.mean() - half, atol=0.004)
    np.testing.assert_allclose(accuracy.high, gained.mean() + half, atol=0.004)


def test_mcnemars_test_is_exact():
    # The table of the test's documentation in R and statsmodels, 5 and 15 unlike pairs.
    assert paired.mcnemar(5, 15) == pytest.approx(0.04138947, abs=1e-8)
    assert paired.mcnemar(0, 0) == 1.0


def test_many_classes_are_compared_by_the_file_with_the_first_answers(tmp_path):
    folders = [write_run(tmp_path / name, FIRST) for name in "ab"]
    header = ("example", "class_name", "predicted", "probability")
    header += ("predicted_2", "probability_2", "loss")
    for folder, loss in zip(folders, (0.5, 2.0), strict=True):
        rows = [(name, label, "dog", 0.6, "cat", 0.4, loss) for name, (label, _) in FIRST.items()]
        write_csv(folder / "predictions.csv", [header, *rows])
    (other,) = kerastl.compare(*folders).others
    assert [score.difference for score in other.scores] == [0, 0, 0, 1.5]


def hash_of_renamed(name):
    """The hash of an image that is named with a y before the name in the first run."""
    return f"hash of {name.removeprefix('y')}"


def lines_of(tmp_path, monkeypatch, first, other):
    """Compares two runs that are written with these arguments."""
    monkeypatch.chdir(tmp_path)
    for name, (answers, settings) in {"a": first, "b": other}.items():
        write_run(pathlib.Path(name), answers, **settings)
    comparison = kerastl.compare("a", "b")
    return comparison.others[0], list(comparison.lines())


def test_images_of_both_with_the_same_class_are_compared(tmp_path, monkeypatch):
    relabeled = FIRST | {"05.png": sure("dog", "dog"), "06.png": sure("dog", "cat")}
    fewer = {name: relabeled[name] for name in NAMES[:38]}
    found, lines = lines_of(tmp_path, monkeypatch, (FIRST, {}), (fewer, {"fixes": "b/fixes.csv"}))
    assert lines[0] == (
        "b compared with a, on the 36 test images that both have with the same class, of 40 in the "
        "first and 38 in this; 2 others have another class:"
    )
    assert lines[1] == (
        "  To compare on all 38, train the first again: kerastl train --flagfile=a/flags.txt "
        "--splits_from=b/splits.csv --fixes=b/fixes.csv --run_dir=a-on-the-same"
    )
    assert {score.num_images for score in found.scores} == {36}
    assert (found.lost, found.won) == ((), ())
    assert next(score.first for score in found.scores) == 32 / 36


def test_one_image_of_another_class_is_one(tmp_path, monkeypatch):
    relabeled = FIRST | {"05.png": sure("dog", "dog")}
    _, lines = lines_of(tmp_path, monkeypatch, (FIRST, {}), (relabeled, {}))
    assert lines[0].endswith("in this; 1 other has another class:")


def test_run_that_is_trained_to_be_compared_is_not_exported(tmp_path, monkeypatch):
    fewer = {name: FIRST[name] for name in NAMES[:38]}
    _, lines = lines_of(tmp_path, monkeypatch, (FIRST, {"export_dir": "served"}), (fewer, {}))
    assert lines[1].endswith("--run_dir=a-on-the-same --export_dir=")


def test_run_on_another_kind_of_data_set_gets_its_flags_to_compare_on_all(tmp_path, monkeypatch):
    """Those of a table would stop a run on a folder."""
    table = {"dataset": "csv:photos.csv", "label_column": "kind", "split_column": "fold"}
    table["split_values"] = "4=test"
    folder = {"dataset": "folder:photos", "leave_out": "old"}
    fewer = {name: FIRST[name] for name in NAMES[:38]}
    _, lines = lines_of(tmp_path, monkeypatch, (FIRST, table), (fewer, folder))
    _, _, command = lines[1].partition("kerastl ")
    config = config_from_flags(shlex.split(command)[1:])
    assert (config.dataset, config.leave_out) == ("folder:photos", "old")
    assert (config.label_column, config.split_column, config.split_values) == ("", "", "")


def test_fixes_that_only_the_first_has_are_left_out_to_compare_on_all(tmp_path, monkeypatch):
    relabeled = FIRST | {"05.png": sure("dog", "dog")}
    _, lines = lines_of(tmp_path, monkeypatch, (relabeled, {"fixes": "x.csv"}), (FIRST, {}))
    assert "--splits_from=b/splits.csv --fixes= --run_dir=a-on-the-same" in lines[1]


def test_images_are_known_by_their_content_and_not_by_their_names(tmp_path, monkeypatch):
    moved = {f"new/{name}": answer for name, answer in OTHER.items()}
    change = {"hash_of": lambda name: f"hash of {name.removeprefix('new/')}"}
    found, lines = lines_of(tmp_path, monkeypatch, (FIRST, {}), (moved, change))
    assert lines[0] == "b compared with a, on the same 40 test images:"
    assert [one.example for one in found.lost] == ["20.png", "21.png"]

    # Another picture behind the same name is another image.
    changed = {"hash_of": lambda name: f"hash of {name}" + " now" * (name < "05")}
    write_run(tmp_path / "c", OTHER, **changed)
    (found,) = kerastl.compare("a", "c").others
    assert (len(found.shared), found.shared.num_relabeled) == (35, 0)


def test_copies_of_one_content_are_paired_one_by_one(tmp_path, monkeypatch):
    same = {"hash_of": lambda name: "one content"}
    few = {name: FIRST[name] for name in NAMES[:30]}
    found, _ = lines_of(tmp_path, monkeypatch, (FIRST, same), (few, same))
    assert (len(found.shared), found.shared.num_relabeled) == (30, 0)


def test_runs_of_earlier_versions_are_compared_by_name(tmp_path, monkeypatch):
    few = {name: OTHER[name] for name in NAMES[:30]}
    found, lines = lines_of(tmp_path, monkeypatch, (FIRST, {"hash_of": None}), (few, {}))
    assert "on the 30 test images that both have" in lines[0]
    assert [one.example for one in found.won] == ["01.png", "02.png", "03.png"]


@pytest.mark.parametrize(
    ("other", "settings", "message"),
    [
        (
            {f"z{name}": answer for name, answer in FIRST.items()},
            {"training": NAMES},
            r"^run='b': was tested on none of the test images of 'a'\. Train the first on its "
            r"splits, and compare that: kerastl train --flagfile=a/flags\.txt "
            r"--splits_from=b/splits\.csv --run_dir=a-on-the-same\.$",
        ),
        (
            # The images of the first have other names there.
            {f"z{name}": answer for name, answer in FIRST.items()},
            {"training": [f"y{name}" for name in NAMES], "hash_of": hash_of_renamed},
            r"^run='b': was tested on none .* Train the first on its splits, and compare that: ",
        ),
        (
            {f"z{name}": answer for name, answer in FIRST.items()},
            {},
            r"^run='b': was tested on none .*\. Compare runs on the same data set\.$",
        ),
        (
            FIRST,
            {"hash_of": "now {}".format},
            r"^run='b': was tested on files that have the names of those of 'a' and other contents "
            r"or classes\. Train both again on the data as they are now, and compare those: "
            r"kerastl train --flagfile=a/flags\.txt --run_dir=a-again && "
            r"kerastl train --flagfile=b/flags\.txt --splits_from=a-again/splits\.csv "
            r"--run_dir=b-again\.$",
        ),
        (
            FIRST,
            {"hash_of": None, "receipt": {"splits": {"test": "2"}}},
            "^run='b': was tested on files that have the names of those of 'a' and other contents",
        ),
    ],
)
def test_runs_that_share_no_image_get_the_command_that_makes_them(
    tmp_path, monkeypatch, other, settings, message
):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "a", FIRST, receipt={"splits": {"test": "1"}})
    write_run(tmp_path / "b", other, **settings)
    with pytest.raises(UsageError, match=message):
        kerastl.compare("a", "b")


@pytest.mark.parametrize(("num_won", "words"), [(1, ""), (2, ""), (5, ""), (6, "better")])
def test_few_images_make_no_verdict(tmp_path, monkeypatch, num_won, words):
    names = NAMES[:num_won]
    first = {name: sure("cat", "dog") for name in names}
    other = {name: sure("cat", "cat") for name in names}
    found, lines = lines_of(tmp_path, monkeypatch, (first, {}), (other, {}))
    rows = {line.split()[0]: line for line in lines if line.startswith("    ")}
    assert {score.is_clear for score in found.scores} == {bool(words)}
    assert rows["accuracy"].endswith(words if words else "too few images")
    (verdict,) = (line for line in lines if "Right in only one" in line)
    few = " no clear difference, which takes 6 such images or more."
    assert verdict.endswith(" clear difference." if words else few)
    # The same among many others that do not differ.
    write_run(pathlib.Path("many"), predictions(names))
    write_run(pathlib.Path("more"), predictions(()))
    (found,) = kerastl.compare("many", "more").others
    assert found.scores[0].is_clear == bool(words)


def test_of_many_classes_none_differs_clearly_by_chance():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(50), 40)
    clear = 0
    for seed in range(4):
        models = []
        for _ in range(2):
            predicted = np.where(rng.random(2000) < 0.3, (labels + 1) % 50, labels)
            models.append(paired.Scored(predicted, np.zeros(2000)))
        names = tuple(map(str, range(50)))
        clear += any(
            one.is_clear for one in paired.compare_recalls(labels, *models, names, seed=seed)
        )
    assert clear <= 1


def test_what_is_no_finished_run_is_named(tmp_path, two):
    with pytest.raises(UsageError, match="is not two runs"):
        kerastl.compare(two[0])
    with pytest.raises(UsageError, match="is given twice"):
        kerastl.compare(two[0], two[1], two[0] / ".." / "a")
    with pytest.raises(UsageError, match="holds no finished run"):
        kerastl.compare(two[0], tmp_path)
    lines = (two[1] / "predictions.csv").read_text().splitlines(keepends=True)
    (two[1] / "predictions.csv").write_text("".join(lines[:-1]))
    with pytest.raises(
        KerastlError, match=r"predictions\.csv is missing or damaged \(39 images, 4"
    ):
        kerastl.compare(*two)
    (two[1] / "predictions.csv").write_text("")
    with pytest.raises(KerastlError, match=r"b': predictions\.csv is missing or damaged \("):
        kerastl.compare(*two)


def test_command_prints_the_table_and_writes_the_images(tmp_path, two, capsys):
    path = tmp_path / "changed.csv"
    assert run_command("compare", [*map(str, two), f"--changed={path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{two[1]} compared with {two[0]}, on the same 40 test images:"
    assert lines[1] == "  flags: --head_epochs=5, was 3"
    assert [line.split()[:5] for line in lines if line.split()[0] == "accuracy"] == [
        ["accuracy", "40", "0.9000", "0.9250", "+0.0250"]
    ]
    assert "  right, now wrong: 20.png (dog, now cat), 21.png (dog, now cat)" in lines
    assert lines[-1] == f"5 images in {path}."
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "run": str(two[1]),
        "change": "right, now wrong",
        "example": "20.png",
        "class_name": "dog",
        "first": "dog",
        "other": "cat",
    }


@pytest.mark.thorough
def test_runs_are_compared_without_tensorflow(two):
    done = run_python("-m", "kerastl", "compare", *map(str, two))
    assert (done.code, done.stderr) == (0, "")
    assert not done.imported & {"tensorflow", "keras"}
