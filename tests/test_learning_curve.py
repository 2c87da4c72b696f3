import csv
import dataclasses
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.commands.table import run_command

COLORS = {"red & <blue>": (120, 80, 120), "green": (80, 120, 80), "grey": (100, 100, 100)}


@pytest.fixture
def source():
    return fakes.color_source(per_class=40, noise=90.0, colors=COLORS, width=16)


@pytest.fixture
def command(tiny_net, use_source, source, tmp_path, capsys, monkeypatch):
    use_source(source)
    monkeypatch.setattr("kerastl.selection.curve.REPEATS", 5)

    def run(*arguments):
        code = run_command("learning_curve", [*flags(tmp_path), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def flags(tmp_path):
    weights = fakes.write_tiny_weights(tmp_path / "tiny.weights.h5")
    return [
        "--dataset=digits",
        f"--run_dir={tmp_path}/curve",
        f"--cache_dir={tmp_path}/cache",
        "--backbone=TinyNet",
        f"--weights={weights}",
        "--image_size=16",
    ]


@pytest.mark.thorough
def test_curve_is_written_and_said_in_a_sentence(command, source, tmp_path):
    code, out, err = command()
    assert (code, err) == (0, "")
    *_, check, done, sentence = out.splitlines()
    assert check.startswith("Check: extrapolated from half the images, ")
    assert done.endswith(f"all files in {tmp_path}/curve.")
    assert sentence.startswith("Twice the images: about 0.")
    with open(tmp_path / "curve" / "learning_curve.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class_name"] for row in rows[::8]] == ["", *source.class_names]
    of_all = rows[:8]
    assert [row["kind"] for row in of_all] == ["measured"] * 5 + ["expected"] * 3
    assert [float(row["times"]) for row in of_all] == [0.05, 0.1, 0.25, 0.5, 1, 1, 2, 4]
    assert [int(row["images"]) for row in of_all[5:]] == [96, 192, 384]
    assert float(of_all[4]["accuracy"]) > 0.6
    for row in rows:
        low, value, high = (
            float(row[name]) for name in ("accuracy_low", "accuracy", "accuracy_high")
        )
        assert 0 <= low <= high <= 1
        assert 0 <= value <= 1
    low, high = (f"{float(of_all[6][name]):.2f}" for name in ("accuracy_low", "accuracy_high"))
    assert f"about {low} to {high}" in sentence
    chart = ET.parse(tmp_path / "curve" / "learning_curve.svg")
    texts = {text.text for text in chart.iterfind(".//{*}text")}
    assert {*source.class_names, f"2x: {low}-{high}"} <= texts
    assert not list(tmp_path.rglob(".writing-*"))
    # A later run has the features; nothing but training images decided the curve.
    said = io.StringIO()
    config = kerastl.Config(
        **dict(flag[2:].split("=") for flag in flags(tmp_path)[:-1])
        | {"run_dir": f"{tmp_path}/run", "image_size": 16, "head_epochs": 1}
    )
    kerastl.run(config, progress=kerastl.Progress(said))
    assert " 0 images to compute, 120 in the store already." in said.getvalue()


@pytest.mark.thorough
def test_only_training_labels_decide(command, source, use_source, tmp_path):
    curves = []
    split = np.array((["train"] * 4 + ["validation", "test"]) * 20)
    source.given_splits[:] = "train"
    for change in (np.zeros(120, bool), split != "train", split == "train"):
        labels = np.where(change, (source.labels + np.arange(120)) % 3, source.labels)
        use_source(dataclasses.replace(source, labels=labels, given_splits=split))
        assert command("--overwrite")[0] == 0
        curves.append((tmp_path / "curve" / "learning_curve.csv").read_text())
    assert curves[0] == curves[1] != curves[2]


@pytest.mark.thorough
def test_finished_curve_stays_unless_it_may_be_replaced(command, tmp_path):
    assert command()[0] == 0
    before = (tmp_path / "curve" / "learning_curve.csv").read_text()
    code, out, err = command("--seed=1")
    assert (code, out) == (2, "")
    assert "holds a finished learning curve (learning_curve.csv). Choose another or add" in err
    assert command("--seed=1", "--overwrite")[0] == 0
    assert (tmp_path / "curve" / "learning_curve.csv").read_text() != before


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--weights=none", "weights='none': head_epochs=10 would train a head on a frozen"),
        ("--weights=gone.h5", "weights='gone.h5': is not a file."),
        ("--backbone=TinyNett", "backbone='TinyNett': is not a backbone of keras.applications."),
        ("--backbone=small", "backbone='small': is not a backbone of keras.applications."),
        ("--backbone=TinyNet,TinyNet", "backbone='TinyNet,TinyNet': is not a backbone"),
        ("--cache_dir=", "cache_dir='': turns off the feature store, which is needed here."),
        ("--backbones=A", "--backbones: is not a flag. Did you mean --backbone?"),
    ],
)
def test_wrong_flags_are_one_line_and_leave_nothing(command, tmp_path, flag, message):
    code, out, err = command(flag)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / "curve").exists()


def test_help_says_what_comes(capsys):
    assert run_command("learning_curve", ["--help"]) == 0
    assert "twice and four times the training images" in capsys.readouterr().out
