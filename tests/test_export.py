import json
import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl.commands.table import run_command
from kerastl.errors import UsageError
from kerastl.outputs.opening import open_artifact


@pytest.fixture
def same_data(color_run, use_source, tiny_net):
    use_source(color_run.source)


def command(capsys, *arguments):
    code = run_command("export", arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def serve(path, content):
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    return signature(image_bytes=tf.constant([content]))["probabilities"].numpy()


@pytest.mark.thorough
@pytest.mark.parametrize(
    "where", ["in_this_process", pytest.param("in_a_fresh_one", marks=pytest.mark.slow)]
)
def test_finished_run_is_exported_again_in_every_format(
    color_run, same_data, tmp_path, capfd, request, where
):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("onnxruntime")
    if where == "in_this_process":
        request.getfixturevalue(where)
    run_dir = color_run.result.run_dir
    formats = "savedmodel,keras,litert,litert_int8,onnx"
    code, out, err = command(
        capfd, str(run_dir), f"--export_dir={tmp_path}/x", f"--format={formats}"
    )
    assert (code, err) == (0, "")
    version = tmp_path / "x" / "1"
    assert (
        f"Exported {version}. Each format was opened in a fresh process and compared on 12 test"
        in out
    )
    content = color_run.source.load(3)
    np.testing.assert_array_equal(
        serve(version, content), serve(color_run.result.export_path, content)
    )
    results = json.loads((version / "export.json").read_text("utf-8"))
    assert list(results) == formats.split(",")
    assert json.loads((version / "model_card.json").read_text("utf-8"))["exports"] == results
    assert (version / "assets/model_card.json").read_text() == (
        version / "model_card.json"
    ).read_text()
    for name, result in results.items():
        assert result["accuracy"] == result["agreement"] == 1
        assert result["largest_difference"] < (0.1 if name == "litert_int8" else 1e-4)
        assert min(result["milliseconds"].values()) > 0
        assert re.search(rf"^  {name} +\d+", out, re.MULTILINE)
        # Each opens where it lies, and classifies whole files.
        artifact = open_artifact(str(version / result["file"]))
        assert (
            artifact.predict([content])[0]["probabilities"].argmax() == color_run.source.labels[3]
        )
    assert results["litert_int8"]["bytes"] < results["litert"]["bytes"]


def test_data_that_have_changed_are_refused(color_run, use_source, tiny_net, tmp_path, capsys):
    use_source(fakes.color_source(seed=1))
    code, _, err = command(capsys, str(color_run.result.run_dir), f"--export_dir={tmp_path}/x")
    assert code == 1
    assert "dataset='digits': is not what it was when " in err
    assert not os.path.exists(tmp_path / "x")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("receipt.json", 400),
        ("metrics.json", 400),
        ("splits.csv", 400),
        ("splits.csv", None),
        ("predictions.csv", 400),
        ("predictions.csv", None),
        ("model.keras", 400),
        ("model.keras", None),
    ],
)
def test_damaged_run_is_one_line_that_names_the_file(
    color_run, same_data, tmp_path, capsys, name, damage
):
    run_dir = tmp_path / "run"
    shutil.copytree(color_run.result.run_dir, run_dir)
    if damage:
        (run_dir / name).write_bytes((run_dir / name).read_bytes()[:damage])
    else:
        (run_dir / name).unlink()
    code, _, err = command(capsys, str(run_dir), f"--export_dir={tmp_path}/x")
    assert code == 1
    assert err.count("\n") == 1
    assert f"run='{run_dir}': {name} is missing or damaged (" in err
    assert not os.path.exists(tmp_path / "x")


def test_flags_that_were_cut_off_are_named(color_run, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(color_run.result.run_dir, run_dir)
    flags = (run_dir / "flags.txt").read_text()
    (run_dir / "flags.txt").write_text(flags[: flags.index("--finetune_epochs") + 7])
    code, _, err = command(capsys, str(run_dir))
    assert code == 2
    assert f"run='{run_dir}': flags.txt: '--finet' is not a flag of a run." in err


def test_what_is_no_finished_run_is_refused(color_run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([str(tmp_path / "none")], "does not exist. Give the run_dir of a finished run."),
        ([str(tmp_path / "empty")], "holds no finished run. Give"),
        ([], "run='': is missing. Give one, as in kerastl export runs/first."),
        (["a", "b"], "run='a b': is 2 arguments, not one."),
        (["a", "--exportdir=x"], "--exportdir: is not a flag. Did you mean --export_dir?"),
    ):
        code, _, err = command(capsys, *arguments)
        assert code == 2
        assert message in err


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--dataset=python", "was made from data in Python, which cannot be read again."),
        ("--export_dir=", "export_dir='': is required, as the run has none."),
    ],
)
def test_run_that_lacks_something_is_refused(color_run, tmp_path, capsys, flag, message):
    run_dir = tmp_path / "run"
    shutil.copytree(color_run.result.run_dir, run_dir)
    with open(run_dir / "flags.txt", "a", encoding="utf-8") as file:
        file.write(f"{flag}\n")
    code, _, err = command(capsys, str(run_dir))
    assert code == 2
    assert message in err


def test_receipt_of_a_run_names_its_data(color_run):
    receipt = json.loads((color_run.result.run_dir / "receipt.json").read_text())
    assert len(receipt["data"]["fingerprint"]) == 64


def test_an_export_changes_nothing_but_what_is_written(color_run):
    with pytest.raises(UsageError, match=r"^changes='batch_size': is not a setting that an export"):
        kerastl.export(color_run.result.run_dir, batch_size=3)
