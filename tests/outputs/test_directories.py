import errno
import json
import os
import pathlib
import socket

import numpy as np
import pytest

import kerastl
from kerastl.outputs.directories import (
    clear,
    make_writable,
    naming,
    open_run_directory,
    own_directory,
    read_findable,
)


def config_of(path, **changes):
    return kerastl.Config(dataset="digits", run_dir=str(path), recipe="manual", **changes)


def open_it(path, **changes):
    with open_run_directory(config_of(path, **changes)) as opened:
        return opened


def finish(run_dir):
    (run_dir / "checkpoints").mkdir(parents=True)
    (run_dir / "checkpoints" / "best.keras").write_text("weights")
    (run_dir / "metrics.json").write_text("{}")
    (run_dir / "model.keras").write_text("model")


def test_directory_is_made_with_its_parents_and_left_empty(tmp_path):
    deep = tmp_path / "a b" / "č" / "run"
    with open_run_directory(config_of(deep)):
        assert os.listdir(deep) == [".lock"]
    assert os.listdir(deep) == []


def test_second_run_in_a_directory_is_refused_and_told_of_the_first(tmp_path):
    with (
        open_run_directory(config_of(tmp_path / "run")),
        pytest.raises(kerastl.KerastlError) as caught,
    ):
        open_it(tmp_path / "run", overwrite=True)
    assert str(caught.value) == (
        f"run_dir={str(tmp_path / 'run')!r}: process {os.getpid()} on {socket.gethostname()} works "
        "there. Wait for it, or choose another directory."
    )
    open_it(tmp_path / "run")


@pytest.mark.parametrize("verb", [kerastl.run, kerastl.rank, kerastl.learning_curve, kerastl.tune])
def test_every_verb_is_kept_out_of_a_directory_that_another_works_in(tmp_path, verb):
    config = config_of(tmp_path / "run")
    owner = f"process {os.getpid()} on {socket.gethostname()} works there"
    with own_directory(tmp_path / "run"), pytest.raises(kerastl.KerastlError, match=owner):
        verb(config, progress=kerastl.Progress())
    assert os.listdir(tmp_path / "run") == []


def test_directory_of_a_search_is_not_for_another_run(tmp_path):
    (tmp_path / "tuning").mkdir()
    (tmp_path / "tuning" / "search.json").touch()
    words = "holds a search, which kerastl tune goes on with"
    with pytest.raises(kerastl.UsageError, match=words):
        open_it(tmp_path)
    # Nor is that in which its final run was cut off.
    (tmp_path / "flags.txt").write_text(config_of(tmp_path).to_flagfile())
    with pytest.raises(kerastl.UsageError, match=words):
        open_it(tmp_path)
    open_it(tmp_path, overwrite=True)


def test_new_directory_goes_again_where_nothing_came_of_it(tmp_path):
    def fail(write):
        with open_run_directory(config_of(tmp_path / "run")):
            if write:
                (tmp_path / "run" / "flags.txt").touch()
            raise kerastl.KerastlError("no weights")

    with pytest.raises(kerastl.KerastlError, match="no weights"):
        fail(write=False)
    assert os.listdir(tmp_path) == []
    with pytest.raises(kerastl.KerastlError, match="no weights"):
        fail(write=True)
    assert os.listdir(tmp_path / "run") == ["flags.txt"]
    (tmp_path / "run" / "flags.txt").unlink()
    with pytest.raises(kerastl.KerastlError, match="no weights"):
        fail(write=False)
    assert os.listdir(tmp_path) == ["run"]  # It was there before.


def test_interrupt_says_where_the_best_epoch_is_once_there_is_one(tmp_path):
    def stop():
        with open_run_directory(config_of(tmp_path / "run")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        stop()
    assert caught.value.args == ("Repeat the command to go on.",)
    checkpoint = tmp_path / "run" / "checkpoints" / "best.keras"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    (tmp_path / "run" / "flags.txt").write_text(config_of(tmp_path / "run").to_flagfile())
    with pytest.raises(KeyboardInterrupt) as caught:
        stop()
    assert caught.value.args == (
        f"Repeat the command to go on. The best finished epoch is in {checkpoint}.",
    )


def test_finished_run_is_refused_and_left(tmp_path):
    finish(tmp_path / "run")
    # Of a process that was killed when all but this was done.
    (tmp_path / "run" / ".writing-1").mkdir()
    (tmp_path / "run" / ".writing-1" / ".lock").touch()
    with pytest.raises(kerastl.UsageError) as caught:
        open_it(tmp_path / "run")
    assert str(caught.value) == (
        f"run_dir={str(tmp_path / 'run')!r}: holds a finished run. Choose another or add "
        "--overwrite."
    )
    assert set(os.listdir(tmp_path / "run")) == {"checkpoints", "metrics.json", "model.keras"}


def test_overwrite_opens_a_finished_run_without_a_loss(tmp_path):
    finish(tmp_path / "run")
    for name in ("flags.txt", "splits.csv"):
        (tmp_path / "run" / name).touch()
    before = set(os.listdir(tmp_path / "run"))
    open_it(tmp_path / "run", overwrite=True)
    assert set(os.listdir(tmp_path / "run")) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_that_no_run_wrote_are_refused_and_kept(tmp_path, overwrite):
    mine = tmp_path / "run" / "checkpoints" / "torch.ckpt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(kerastl.UsageError, match=r"holds checkpoints, which no run of kerastl"):
        open_it(tmp_path / "run", overwrite=overwrite)
    assert mine.read_text() == "mine"


def test_clear_takes_what_a_run_wrote_and_nothing_else(tmp_path):
    finish(tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    (tmp_path / "run" / "plots").mkdir()
    clear(tmp_path / "run")
    assert set(os.listdir(tmp_path / "run")) == {"notes.txt", "plots"}


def test_clear_takes_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "old.weights.h5").write_text("weights")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "disk")
    clear(tmp_path / "run")
    assert os.listdir(tmp_path / "run") == []
    assert os.listdir(tmp_path / "disk") == ["old.weights.h5"]


@pytest.mark.parametrize(
    ("below", "reason"),
    [
        ("file", "File exists"),
        ("file/deeper", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_a_directory_is_one_line(tmp_path, below, reason):
    (tmp_path / "file").write_text("mine")
    path = str(tmp_path / below)
    with pytest.raises(kerastl.KerastlError) as caught:
        open_it(path)
    assert str(caught.value) == (
        f"run_dir={path!r}: cannot be written ({reason}). Fix that and repeat the command, or "
        "choose another directory with --run_dir."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_read_only_directory_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(
        kerastl.KerastlError, match=r"^export_dir=.*cannot be written \(Permission denied\)"
    ):
        make_writable(tmp_path, field="export_dir")


def begin(run_dir):
    """An unfinished run: its flags, and a checkpoint."""
    (run_dir / "checkpoints").mkdir(parents=True)
    (run_dir / "checkpoints" / f"000001-{'0' * 64}.npz").write_text("weights")
    (run_dir / "flags.txt").write_text(config_of(run_dir).to_flagfile())


def test_checkpoints_without_the_flags_of_their_run_are_kept(tmp_path):
    run_dir = tmp_path / "run"
    begin(run_dir)
    assert open_it(run_dir).goes_on
    (run_dir / "flags.txt").unlink()
    with pytest.raises(kerastl.UsageError, match=r"whose flags\.txt is missing\. Restore it, c"):
        open_it(run_dir)
    assert len(list((run_dir / "checkpoints").iterdir())) == 1
    assert not open_it(run_dir, overwrite=True).goes_on


@pytest.mark.parametrize(
    "damage",
    [
        pathlib.Path.unlink,
        lambda path: path.write_text("--see"),
        # Of what the run was trained with, the file would say nothing.
        lambda path: path.write_text(path.read_text().replace("--seed=0", "--seed=1")),
    ],
)
def test_flags_that_are_damaged_are_put_back_from_their_copy(tmp_path, damage):
    run_dir = tmp_path / "run"
    begin(run_dir)
    flags = (run_dir / "flags.txt").read_text()
    (run_dir / "checkpoints" / "flags.txt").write_text(flags)
    damage(run_dir / "flags.txt")
    assert open_it(run_dir).goes_on
    assert (run_dir / "flags.txt").read_text() == flags
    # Of both, the first is reported.
    for name in ("flags.txt", "checkpoints/flags.txt"):
        (run_dir / name).write_text("--see")
    with pytest.raises(kerastl.UsageError, match=r"whose flags\.txt cannot be used \(.*--see"):
        open_it(run_dir)


def test_checkpoints_that_cannot_be_written_stop_a_run_before_it_goes_on(tmp_path, monkeypatch):
    begin(tmp_path / "run")
    touch = pathlib.Path.touch

    def refuse(path, *arguments, **options):
        if path.parent.name == "checkpoints":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        touch(path, *arguments, **options)

    monkeypatch.setattr(pathlib.Path, "touch", refuse)
    with pytest.raises(kerastl.KerastlError, match=r"cannot be written \(Operation not permitted"):
        open_it(tmp_path / "run")


def test_images_of_a_run_are_looked_for_where_it_was_made(tmp_path, monkeypatch):
    (tmp_path / "here" / "photos").mkdir(parents=True)
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    config = kerastl.Config(dataset="folder:photos", run_dir=str(run_dir))
    (run_dir / "flags.txt").write_text(config.to_flagfile())
    (run_dir / "receipt.json").write_text(json.dumps({"working_directory": f"{tmp_path}/here"}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kerastl.UsageError) as caught:
        read_findable(run_dir)
    assert str(caught.value) == (
        f"dataset='folder:photos': is not here: {run_dir} was made in {tmp_path}/here. Repeat the "
        "command there."
    )
    monkeypatch.chdir(tmp_path / "here")
    assert read_findable(run_dir) == config


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04cut off", b"something else"])
def test_arrays_that_are_missing_or_damaged_are_named(content, tmp_path):
    path = tmp_path / "known_images.npz"
    if content is not None:
        path.write_bytes(content)
    with (
        pytest.raises(kerastl.KerastlError, match=r"known_images.npz is missing or damaged \("),
        naming(tmp_path, path.name),
        path.open("rb") as file,
    ):
        np.load(file)
