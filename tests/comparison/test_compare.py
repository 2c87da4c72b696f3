import csv

import numpy as np
import pytest
from scipy import stats

import kerastl
from command_line import run_python
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


def renamed(change):
    return {change(name): answer for name, answer in FIRST.items()}


@pytest.mark.parametrize(
    ("other", "settings", "message"),
    [
        (
            dict(list(FIRST.items())[:30]),
            {"training": NAMES[30:]},
            r"^run='b': was tested on 30 images and 'a' on 40, of which 30 are the same\. Train it "
            r"with the splits of the other, and compare that: kerastl train "
            r"--flagfile=b/flags\.txt --splits_from=a/splits\.csv --run_dir=b-on-the-same\.$",
        ),
        (
            renamed(lambda name: f"z{name}"),
            {},
            r"^run='b': .* of which 0 are the same\. Compare runs on the same data set\.$",
        ),
        (
            FIRST | {"05.png": sure("dog", "dog")},
            {},
            r"^run='b': has 05\.png in class 'dog', and 'a' in 'cat'\. Test both on the same label",
        ),
        (
            FIRST,
            {"receipt": {"splits": {"test": "2"}}},
            "^run='b': was tested on images with the names of those of 'a' and other contents or",
        ),
    ],
)
def test_other_test_images_are_refused(tmp_path, monkeypatch, other, settings, message):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "a", FIRST, receipt={"splits": {"test": "1"}})
    write_run(tmp_path / "b", other, **settings)
    with pytest.raises(UsageError, match=message):
        kerastl.compare("a", "b")


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
