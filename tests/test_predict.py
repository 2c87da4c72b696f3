import csv
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import fakes
from command_line import REPOSITORY, run_python
from kerastl.commands.table import run_command
from picture_files import file_bytes, solid

NAMES = list(fakes.COLORS)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two pictures of each color in folders of their names, and two files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, color in fakes.COLORS.items():
        (folder / name).mkdir()
        for number, form in enumerate(("PNG", "JPEG")):
            (folder / name / f"{number}.{form.lower()}").write_bytes(
                file_bytes(solid(color), form, **({"quality": 95} if form == "JPEG" else {}))
            )
    (folder / "green" / "text.png").write_text("no image")
    (folder / "red" / "zero.jpg").touch()
    return folder


def command(capsys, *arguments):
    code = run_command("predict", [str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("of", ["run", "export"])
def test_rows_come_in_order_and_bad_files_say_why(color_run, pictures, capsys, of):
    model = color_run.result.run_dir if of == "run" else color_run.result.export_path
    code, out, err = command(capsys, model, pictures, pictures / "none.png")
    assert code == 1
    assert err == (
        "error: paths: 3 of 9 files could not be used. See the errors in their rows; the others "
        "were classified.\n"
    )
    rows = rows_of(out)
    names = ("blue/0.png", "blue/1.jpeg", "green/0.png", "green/1.jpeg", "green/text.png")
    names += ("red/0.png", "red/1.jpeg", "red/zero.jpg", "none.png")
    assert [row["image"] for row in rows] == [str(pictures / name) for name in names]
    assert [row["error"] for row in rows] == [
        *([""] * 4),
        "is text, not an image",
        "",
        "",
        "is empty",
        "No such file or directory",
    ]
    for row, name in zip(rows, names, strict=True):
        assert row["class_name"] == ("" if row["error"] else name.split("/")[0])
        assert (row["confidence"] == "") == bool(row["error"])


def test_good_files_alone_give_0_and_the_numbers_of_the_model(color_run, pictures, capsys):
    code, out, err = command(capsys, color_run.result.run_dir, pictures / "blue", "--top_k=3")
    assert (code, err) == (0, "")
    images = np.stack([np.full((16, 16, 3), fakes.COLORS["blue"], np.float32)])
    logits = color_run.result.model.predict(images, verbose=0)[0].astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum()
    row = rows_of(out)[0]
    order = np.argsort(-expected)
    assert [row[f"class_name{rank}"] for rank in ("", "_2", "_3")] == [NAMES[i] for i in order]
    given = [float(row[f"confidence{rank}"]) for rank in ("", "_2", "_3")]
    np.testing.assert_allclose(given, expected[order], rtol=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_file_holds_the_same_rows_by_its_ending(color_run, pictures, tmp_path, capsys, ending):
    model = color_run.result.export_path
    plain = rows_of(command(capsys, model, pictures, "--top_k=2")[1])
    output = tmp_path / "deep" / f"rows{ending}"
    code, out, _ = command(capsys, model, pictures, "--top_k=2", f"--output={output}")
    assert code == 1
    assert out == f"Classified 6 images: blue 2, green 2, red 2. Rows in {output}.\n"
    if ending == ".csv":
        rows = rows_of(output.read_text("utf-8"))
    elif ending == ".jsonl":
        rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        rows = parquet.read_table(output).to_pylist()
    assert list(rows[0]) == list(plain[0])
    for row, expected in zip(rows, plain, strict=True):
        assert [row["image"], row["class_name"] or "", row["error"] or ""] == [
            expected["image"],
            expected["class_name"],
            expected["error"],
        ]
        if not expected["error"]:
            # Two predictions, in batches of the files that were ready, differ in rounding.
            np.testing.assert_allclose(
                np.float32(row["confidence_2"]), np.float32(expected["confidence_2"]), rtol=1e-6
            )


def test_folders_give_accuracy_and_confusion_matrix(color_run, pictures, capsys):
    _, out, err = command(capsys, color_run.result.run_dir, pictures, "--labels_from=folder")
    assert "Accuracy" not in out
    assert "Accuracy 1.0000 (0.6097-1.0000) on 6 images\nConfusion matrix (rows: " in err
    assert "blue      2      0    0\n" in err


@pytest.mark.thorough
def test_paths_may_come_on_standard_input(color_run, pictures, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{pictures}/red/0.png\n{pictures}/blue/0.png\n"))
    _, out, _ = command(capsys, color_run.result.export_path, "-")
    assert [row["class_name"] for row in rows_of(out)] == ["red", "blue"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "paths='': are required, and a model first. Give both, as in kerastl predict runs/"),
        (["m"], "paths='': are required after the model."),
        (["m", "p", "--top_k=0"], "top_k=0: must be at least 1"),
        (["m", "p", "--top_k=x"], "top_k='x': is not a whole number. Give a whole number."),
        (["m", "p", "--top_q=1"], "--top_q: is not a flag. Did you mean --top_k?"),
        (
            ["m", "p", "--labels_from=name"],
            "labels_from='name': is not one of its choices. Known: folder.",
        ),
        (["m", "p", "--output=x.txt"], "output='x.txt': has an unknown ending. Use one "),
        (["no/model", "p"], "model='no/model': does not exist. Give a run, an export or a model "),
    ],
)
def test_wrong_use_is_one_line(capsys, arguments, message):
    code, out, err = command(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["empty", "*.gif", "bad.csv"])
def test_wrong_path_is_reported_before_the_first_image(
    color_run, pictures, tmp_path, capsys, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.csv").write_text("x\n1\n")
    code, out, err = command(capsys, color_run.result.export_path, pictures, name)
    assert (code, out) == (2, "")
    assert f"paths={name!r}: " in err


@pytest.mark.thorough
def test_nobody_reading_ends_it(color_run, pictures, tmp_path):
    """An endless list of files, whose reader has gone, as with `| head`."""
    image = pictures / "red/0.png"
    command = f"yes {image} | {sys.executable} -m kerastl.predict {{}} - | head -2"
    finished = subprocess.run(
        ["bash", "-c", command.format(color_run.result.export_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert finished.stdout.count("\n") == 2
    assert "error: stdout: was closed (Broken pipe) after " in finished.stderr


@pytest.mark.thorough
def test_row_of_a_table_without_a_path_is_not_lost(color_run, pictures, capsys):
    table = pictures / "list.csv"
    table.write_text("path,label\nred/0.png,x\n,y\nblue/0.png,z\n")
    code, out, _ = command(capsys, color_run.result.export_path, table)
    assert code == 1
    assert [bool(row["error"]) for row in rows_of(out)] == [False, True, False]


def test_more_classes_than_the_model_has_are_refused(color_run, capsys):
    code, _, err = command(capsys, color_run.result.export_path, "p", "--top_k=4")
    assert code == 2
    assert "top_k=4: is more than the model's 3 classes. Use 3 or fewer." in err


def test_stopped_command_leaves_no_half_written_file(color_run, pictures, tmp_path, capsys):
    output = tmp_path / "rows.csv"
    code, _, err = command(
        capsys, color_run.result.export_path, pictures, tmp_path / "none.csv", f"--output={output}"
    )
    assert code == 2
    assert "none.csv" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_moved_export_is_all_that_it_takes(color_run, pictures, tmp_path):
    """In another process and place, with nothing of the run or its data."""
    shutil.copytree(color_run.result.export_path, tmp_path / "1")
    finished = run_python("-m", "kerastl.predict", str(tmp_path), str(pictures / "red/0.png"))
    assert finished.code == 0, finished.stderr
    assert finished.stderr == ""
    assert rows_of(finished.stdout)[0]["class_name"] == "red"
