import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl import export


@pytest.fixture
def same_data(colour_run, use_source, tiny_net):
    use_source(colour_run.source)


def command(capsys, *arguments):
    code = export.main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def serve(path, content):
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    return signature(image_bytes=tf.constant([content]))["probabilities"].numpy()


def test_finished_run_is_exported_again(colour_run, same_data, tmp_path, capsys):
    run_dir = colour_run.result.run_dir
    code, out, err = command(capsys, str(run_dir), f"--export_dir={tmp_path}/again")
    assert (code, err) == (0, "")
    assert f"Exported {tmp_path}/again/1; reloaded in a fresh process, its largest" in out
    content = colour_run.source.load(3)
    np.testing.assert_array_equal(
        serve(tmp_path / "again/1", content), serve(colour_run.result.export_path, content)
    )


def test_data_that_have_changed_are_refused(colour_run, use_source, tiny_net, tmp_path, capsys):
    use_source(fakes.colour_source(seed=1))
    code, _, err = command(capsys, str(colour_run.result.run_dir), f"--export_dir={tmp_path}/x")
    assert code == 1
    assert "dataset='digits': is not what it was when " in err
    assert not os.path.exists(tmp_path / "x")


def test_what_is_no_finished_run_is_refused(colour_run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([str(tmp_path / "none")], "does not exist. Give the run_dir of one that has ended well."),
        ([str(tmp_path / "empty")], "holds no finished run. Give"),
        ([], "run='': is not one run directory. Give one, as in runs/first."),
        (["a", "b"], "run='a b': is not one run directory."),
        (["a", "--exportdir=x"], "--exportdir: is not a flag. Did you mean --export_dir?"),
    ):
        code, _, err = command(capsys, *arguments)
        assert code == 2
        assert message in err


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--dataset=python", "was made from data in Python, which this command cannot read."),
        ("--export_dir=", "export_dir='': is required, as the run has none."),
    ],
)
def test_run_that_lacks_something_is_refused(colour_run, tmp_path, capsys, flag, message):
    run_dir = tmp_path / "run"
    shutil.copytree(colour_run.result.run_dir, run_dir)
    with open(run_dir / "flags.txt", "a", encoding="utf-8") as file:
        file.write(f"{flag}\n")
    code, _, err = command(capsys, str(run_dir))
    assert code == 2
    assert message in err


def test_receipt_of_a_run_names_its_data(colour_run):
    receipt = json.loads((colour_run.result.run_dir / "receipt.json").read_text())
    assert len(receipt["data"]["fingerprint"]) == 64
