import io
import json
import os

import numpy as np
import pytest

import fakes
import kerastl
from finished_runs import sure, write_run
from kerastl.comparison.files import compare_files
from kerastl.data.builtin import BUILT_IN
from kerastl.errors import KerastlError, UsageError
from kerastl.outputs.directories import RunFile
from kerastl.outputs.environments import compare_environments
from kerastl.outputs.run_directory import RunDirectory

ANSWERS = {"1.png": sure("cat", "cat"), "2.png": sure("dog", "cat")}


def differences(first, other):
    return {each.name: each.difference for each in compare_files(first, other) if each.difference}


@pytest.fixture
def two(tmp_path):
    return [write_run(tmp_path / name, ANSWERS) for name in "ab"]


def test_equal_files_are_identical_places_and_seconds_aside(two):
    for folder, seconds in zip(two, ("1.5", "2.5"), strict=True):
        (folder / "history.csv").write_text(f"phase,loss,seconds\nhead,0.5,{seconds}\n")
        card = {"fingerprint": seconds, "versions": {"keras": seconds}, "backbone": "x"}
        (folder / "model_card.json").write_text(json.dumps(card))
    compared = {each.name: str(each) for each in compare_files(*two)}
    assert compared == {
        "flags.txt": "identical, directories, exports, splits_from and fixes aside",
        "splits.csv": "identical",
        "history.csv": "identical, seconds aside",
        "metrics.json": "identical",
        "predictions.csv": "identical",
        "model_card.json": "identical, flags and versions aside",
    }


def test_each_file_of_a_run_but_those_of_times_is_compared(two):
    for folder in two:
        for name in RunFile:
            (folder / name).touch()
    compared = {each.name for each in compare_files(*two)}
    assert set(RunFile) - compared == {
        *(RunFile.RECEIPT, RunFile.REPORT, RunFile.TENSORBOARD),
        # Gone once the run is finished, and of a run that stopped before it trained.
        *(RunFile.CHECKPOINTS, RunFile.STOPPED_AUDIT),
    }


def rewritten(text, old, new):
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("name", "change", "difference"),
    [
        ("flags.txt", ("--seed=0", "--seed=1"), "--seed: 1, was 0"),
        ("metrics.json", ('"num_images": 2', '"num_images": 3'), "test.num_images: 3, was 2"),
        ("metrics.json", ('"num_images"', '"images"'), "test.num_images is missing"),
        (
            "predictions.csv",
            ("2.png,dog,cat,0.75", "2.png,dog,cat,0.7499"),
            "row 2 (2.png), cat: 0.7499, was 0.75",
        ),
        (
            "splits.csv",
            ("2.png,dog,test,hash of 2.png\n", ""),
            "row 2 is only in {first}/splits.csv",
        ),
        ("metrics.json", ("}}", ""), "one of the two cannot be read (Expecting ',' delimiter"),
    ],
)
def test_first_difference_is_told(two, name, change, difference):
    first, other = two
    (other / name).write_text(rewritten((other / name).read_text(), *change))
    found = differences(first, other)
    assert list(found) == [name]
    assert found[name].startswith(difference.format(first=first))


def test_what_is_missing_differs_and_what_is_added_does_not(two):
    first, other = two
    (other / "class_scores.csv").write_text("split\n")
    assert not differences(first, other)
    assert differences(other, first) == {"class_scores.csv": "it is missing"}


def test_models_differ_by_their_weights_alone(two, color_run):
    path = color_run.result.run_dir / "model.keras"
    changed = color_run.result.model
    for folder in two:
        changed.save(folder / "model.keras")
    assert not differences(*two)
    (two[0] / "model.keras").write_bytes(path.read_bytes())
    assert not differences(*two)
    kernel = changed.get_layer("logits").kernel
    before = kernel.numpy()
    kernel.assign(before + np.eye(*before.shape) * 2**-10)
    changed.save(two[1] / "model.keras")
    kernel.assign(before)
    words = differences(*two)["model.keras"]
    assert words.startswith("model.weights.h5/")
    assert words.endswith(": 3 of 24 values differ, by 0.00098 at most")


def test_environments_are_compared_as_far_as_both_tell():
    first = {"versions": {"keras": "3.14", "numpy": "2"}, "code": "a" * 64, "device": ["CPU"]}
    first |= {"variables": {"TF_NUM_A": "1"}}
    other = {"versions": {"keras": "3.15", "numpy": "2"}, "code": "b" * 64, "threads": {"a": 1}}
    # Another package is only told by one; a variable is only set in one.
    other["versions"] |= {"h5py": "3"}
    other |= {"seconds": {"all": 1}, "variables": {}}
    assert compare_environments(first, other) == {
        "versions.keras": ("3.14", "3.15"),
        "code": ("aaaaaaaaaaaa...", "bbbbbbbbbbbb..."),
        "variables.TF_NUM_A": ("1", "nothing"),
    }


def test_what_cannot_be_reproduced_is_refused_before_a_run(tmp_path, two):
    with pytest.raises(UsageError, match="holds no finished run"):
        kerastl.reproduce(tmp_path)
    with pytest.raises(UsageError, match=r"^run_dir=.*: is the run itself\."):
        kerastl.reproduce(two[0], run_dir=two[0])
    with pytest.raises(UsageError, match=r"^run_dir=.*b': holds a finished run\."):
        kerastl.reproduce(two[0], run_dir=two[1])
    config = kerastl.Config(dataset="python", run_dir=str(two[0]))
    (two[0] / "flags.txt").write_text("\n".join(config.to_flags()))
    with pytest.raises(UsageError, match=r"^dataset='python': needs a source"):
        kerastl.reproduce(two[0])
    assert not (tmp_path / "a-again").exists()


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.thorough
def test_a_run_is_reproduced_bit_for_bit_and_other_data_are_found(color_run, tmp_path, monkeypatch):
    fakes.install_tiny_net(monkeypatch)
    monkeypatch.setitem(BUILT_IN, "digits", lambda: color_run.source)
    run_dir, before = color_run.result.run_dir, snapshot(color_run.result.run_dir.parent)
    printed = io.StringIO()
    found = kerastl.reproduce(
        run_dir, run_dir=tmp_path / "again", progress=kerastl.Progress(printed)
    )
    assert found.different == ()
    assert found.environment == {}
    found.check()
    # Nothing of the run has changed, and nothing stored was used.
    assert snapshot(run_dir.parent) == before
    assert f"{len(color_run.source)} images inspected" in printed.getvalue()
    assert "0 in the store already" in printed.getvalue()
    names = os.listdir(tmp_path / "again")
    assert not [name for name in names if name.startswith(".")]
    assert list(found.lines())[-1] == f"Reproduced: all {len(found.files)} files are identical."
    other = fakes.color_source(noise=40.0)
    monkeypatch.setitem(BUILT_IN, "digits", lambda: other)
    found = kerastl.reproduce(run_dir, run_dir=tmp_path / "other", progress=kerastl.Progress())
    assert "data.fingerprint" in found.environment
    assert {"predictions.csv", "model.keras"} <= {each.name for each in found.different}
    with pytest.raises(KerastlError, match=r"was not reproduced: \d+ of \d+ files differ\. "):
        found.check()


@pytest.mark.thorough
def test_reproduction_that_is_cut_off_goes_on_with_what_it_has_computed(
    color_run, tmp_path, monkeypatch
):
    fakes.install_tiny_net(monkeypatch)
    monkeypatch.setitem(BUILT_IN, "digits", lambda: color_run.source)

    def stop(self, row):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "add_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            kerastl.reproduce(color_run.result.run_dir, run_dir=tmp_path / "again", progress=False)
    printed = io.StringIO()
    # Also if what is there is replaced.
    found = kerastl.reproduce(
        color_run.result.run_dir, run_dir=tmp_path / "again", overwrite=True, progress=printed
    )
    assert "0 images to compute" in printed.getvalue()
    assert found.different == ()
    assert not (tmp_path / "again" / ".reproduce").exists()
    # Killed after the run: what is left is to compare.
    (tmp_path / "again" / ".reproduce").mkdir()
    before, printed = snapshot(tmp_path / "again"), io.StringIO()
    found = kerastl.reproduce(
        color_run.result.run_dir, run_dir=tmp_path / "again", progress=printed
    )
    assert printed.getvalue() == (
        f"{tmp_path / 'again'} holds it already; --overwrite runs it once more.\n"
    )
    assert found.different == ()
    assert snapshot(tmp_path / "again") == before
    assert not (tmp_path / "again" / ".reproduce").exists()
