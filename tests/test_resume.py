"""Runs that are cut off, damaged and interrupted, and how they go on."""

import csv
import dataclasses
import json
import pathlib
import shutil
import time

import pytest

import fakes
import kerastl
from cuts import copies_of, find_copy, go_on_from
from endings import differences
from kerastl.checked_files import list_versions
from kerastl.disk_errors import cannot_write
from kerastl.outputs.run_directory import RunDirectory
from kerastl.training.pace import UNDECIDED, Pace
from kerastl.training.steps import NotFiniteError, TrainingSteps

SOURCE = fakes.color_source(noise=120.0)
# Dropout, the order and the changes of images are random, and the optimizer has a state.
FLAGS = {
    "dropout": 0.3,
    "augment": "flip,crop",
    "optimizer": "adamw",
    "head_epochs": 2,
    "finetune_epochs": 2,
    "finetune_learning_rate": 0.01,
}


def stages_of(run_dir):
    """Names the stages whose time and memory a receipt has."""
    receipt = json.loads(pathlib.Path(run_dir, "receipt.json").read_text())
    seconds = receipt["seconds"]
    assert seconds["all"] > sum(seconds[name] for name in ("preparation", "head", "finetune"))
    return list(seconds), list(receipt["peak_memory_bytes"])


@pytest.mark.thorough
def test_run_that_is_cut_off_anywhere_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    config = fakes.tiny_config(tmp_path, cache_dir=str(tmp_path / "cache"), **FLAGS)
    with monkeypatch.context() as patch:
        copies = copies_of(config.run_dir, tmp_path, patch)
        whole = fakes.finish_run(config, SOURCE)
    shutil.copytree(config.run_dir, tmp_path / "whole")
    assert list_versions(tmp_path / "whole" / "checkpoints") == []
    # Before any checkpoint and any epoch, after those of a phase, between the phases, in one, and
    # when only the export is left.
    for name, words in (
        ("splits.csv", None),
        ("000001-", "with epoch 1 of 2 of the head phase"),
        ("000003-", "at the end of the head phase"),
        ("000004-", "with epoch 1 of 2 of the finetune phase"),
        ("000005-", "with epoch 2 of 2 of the finetune phase"),
        ("metrics.json", "after the training, which is over"),
    ):
        again = go_on_from(find_copy(copies, name), config, SOURCE)
        assert differences(tmp_path / "whole", config.run_dir) == [], name
        assert ("Going on" in again.printed) == bool(words)
        assert (words or "") in again.printed
        assert again.result.metrics == whole.result.metrics
        assert stages_of(config.run_dir) == stages_of(tmp_path / "whole")


MANUAL = {"head_epochs": 2, "finetune_epochs": 2, "finetune_learning_rate": 0.01, "dropout": 0.3}
KINDS = {
    "recipe auto": {},
    "recipe head": {"recipe": "head"},
    "recipe fast": {"recipe": "fast"},
    "recipe best": {"recipe": "best", "budget": "2m"},
    "class weights": MANUAL | {"class_weights": "sqrt", "best_by": "macro_f1"},
    "mixed precision": MANUAL | {"precision": "mixed_bfloat16", "cache_dtype": "float16"},
    "changed images": MANUAL | {"augment": "randaugment"},
    "stored views": MANUAL | {"augment": "mirror", "average_mirrored": "yes"},
    "solved head": {"head": "solved", "refit": True, "class_weights": "balanced"},
    "from scratch": {"weights": "none", "head_epochs": 0, "finetune_epochs": 3},
    "no store": MANUAL | {"cache_dir": "", "optimizer": "adamw"},
}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_runs_of_every_kind_go_on(tmp_path, monkeypatch, kind):
    tiny = fakes.tiny_config(tmp_path)
    names = ("run_dir", "dataset", "backbone", "weights", "image_size", "batch_size")
    given = {name: getattr(tiny, name) for name in names}
    config = kerastl.Config(**given | {"cache_dir": str(tmp_path / "cache")} | KINDS[kind])
    with monkeypatch.context() as patch:
        copies = copies_of(config.run_dir, tmp_path, patch)
        fakes.finish_run(config, SOURCE)
    shutil.copytree(config.run_dir, tmp_path / "whole")
    # Nothing that is stored is needed.
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    again = go_on_from(find_copy(copies, "000002-"), config, SOURCE)
    assert "Going on" in again.printed
    assert differences(tmp_path / "whole", config.run_dir) == []


@pytest.mark.thorough
def test_budget_is_that_of_a_run_that_was_cut_off_too(tmp_path, monkeypatch):
    tiny = fakes.tiny_config(tmp_path)
    names = ("run_dir", "dataset", "backbone", "weights", "image_size", "batch_size")
    config = kerastl.Config(
        **{name: getattr(tiny, name) for name in names},
        cache_dir=str(tmp_path / "cache"),
        budget="2m",
    )
    ends = []

    def fit(pace, **_):
        ends.append(pace.end - time.monotonic())
        return 2

    monkeypatch.setattr(Pace, "fit", fit)
    with monkeypatch.context() as patch:
        copies = copies_of(config.run_dir, tmp_path, patch)
        fakes.finish_run(config, SOURCE)
    shutil.copytree(config.run_dir, tmp_path / "whole")
    flags = pathlib.Path(config.run_dir, "flags.txt")
    assert UNDECIDED not in flags.read_text()
    # Before the first checkpoint, with one, and when the number was written.
    for name, is_open in (("splits.csv", True), ("000002-", True), ("flags.txt", False)):
        found = [copy for path, copy in copies if path.name.startswith(name)]
        again = go_on_from(found[0 if is_open else -1], config, SOURCE)
        assert ("of the budget are left" in again.printed) == is_open
        assert UNDECIDED not in flags.read_text()
        assert differences(tmp_path / "whole", config.run_dir) == []
    # Decided once more where it was open.
    assert len(ends) == 3
    assert all(0 < end < 120 for end in ends)


def interrupted(config, patch, *, at, error=KeyboardInterrupt, then=None):
    """Runs with an error after some steps, counted over all phases; `then` are other such."""
    taken, run = [], TrainingSteps.run
    errors = {at: error} | (then or {})

    def run_and_fail(self, batches):
        result = run(self, batches)
        taken.append(self)
        if len(taken) in errors:
            raise errors[len(taken)]("x")
        return result

    with patch.context() as inner:
        inner.setattr(TrainingSteps, "run", run_and_fail)
        return fakes.finish_run(config, SOURCE)


@pytest.mark.thorough
def test_run_that_is_interrupted_within_epochs_goes_on_from_the_step(tmp_path, monkeypatch):
    whole = fakes.tiny_config(tmp_path / "whole", cache_dir=str(tmp_path / "cache"), **FLAGS)
    fakes.finish_run(whole, SOURCE)
    # Another place of the same run.
    config = fakes.tiny_config(tmp_path, **FLAGS | {"weights": whole.weights})
    config = dataclasses.replace(config, cache_dir=whole.cache_dir)
    # 6 steps an epoch: after 9, which is within one, 12, which is the end of one, and 19.
    for at in (9, 3, 7):
        with pytest.raises(KeyboardInterrupt, match=r"^x$"):
            interrupted(config, monkeypatch, at=at)
    printed = fakes.finish_run(config, SOURCE).printed
    assert "Going on in epoch 2 of 2 of the finetune phase." in printed
    assert "head 1/2" not in printed
    assert differences(whole.run_dir, config.run_dir) == []


@pytest.mark.thorough
def test_interrupt_whose_place_cannot_be_saved_says_so_and_loses_nothing(tmp_path, monkeypatch):
    config = fakes.tiny_config(tmp_path, cache_dir=str(tmp_path / "cache"), **FLAGS)
    fakes.finish_run(config, SOURCE)
    shutil.move(config.run_dir, tmp_path / "whole")
    save, saved = RunDirectory.save_checkpoint, []

    def fill_the_disk(self, *arguments, **named):
        saved.append(named)
        if len(saved) > 2:
            raise cannot_write("run_dir", self.path, "No space left on device")
        save(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "save_checkpoint", fill_the_disk)
        with pytest.raises(KeyboardInterrupt) as stopped:
            interrupted(config, patch, at=9)
    assert str(stopped.value) == (
        "The place could not be saved (No space left on device). Mend that and repeat the command "
        "to go on from the checkpoint before."
    )
    assert "with epoch 2 of 2 of the head phase" in fakes.finish_run(config, SOURCE).printed
    assert differences(tmp_path / "whole", config.run_dir) == []


@pytest.mark.thorough
def test_run_that_is_killed_within_epochs_goes_on_from_the_minutes_checkpoint(
    tmp_path, monkeypatch
):
    # A millisecond: after each step.
    config = fakes.tiny_config(
        tmp_path, cache_dir=str(tmp_path / "cache"), checkpoint_minutes=1e-5, **FLAGS
    )
    with monkeypatch.context() as patch:
        copies = copies_of(config.run_dir, tmp_path, patch)
        fakes.finish_run(config, SOURCE)
    shutil.copytree(config.run_dir, tmp_path / "whole")
    # Of each epoch: six steps within it, and its end. The first is that of the beginning.
    for number, words in (
        (5, "in epoch 1 of 2 of the head phase"),
        (12, "in epoch 2 of 2 of the head phase"),
        (20, "in epoch 1 of 2 of the finetune phase"),
        (26, "in epoch 2 of 2 of the finetune phase"),
    ):
        again = go_on_from(find_copy(copies, f"{number:06}-"), config, SOURCE)
        assert f"Going on {words}." in again.printed
        assert differences(tmp_path / "whole", config.run_dir) == [], number


@pytest.mark.thorough
def test_checkpoint_that_is_damaged_costs_no_file_and_no_finished_phase(tmp_path, monkeypatch):
    config = fakes.tiny_config(tmp_path, cache_dir=str(tmp_path / "cache"), **FLAGS)
    with monkeypatch.context() as patch:
        copies = copies_of(config.run_dir, tmp_path, patch)
        fakes.finish_run(config, SOURCE)
    shutil.copytree(config.run_dir, tmp_path / "whole")

    def damaged(name, count):
        """A copy whose newest checkpoints are damaged."""
        place = find_copy(copies, name)
        newest, *others = list_versions(place / "checkpoints")
        newest.write_bytes(b"")
        for version in others[:1] if count > 1 else ():
            version.write_bytes(version.read_bytes()[:-1] + b"X")
        # It was copied before the oldest was removed.
        for version in others[1:]:
            version.unlink()
        return place

    # The first and only one; that of the first epoch; the first of the next phase; both.
    for name, count, words in (
        ("000001-", 1, "There is none before it: training begins again."),
        ("000002-", 1, "Going on with epoch 1 of 2 of the head phase."),
        ("000005-", 1, "Going on with epoch 1 of 2 of the finetune phase."),
        ("000005-", 2, "There is none before it: training begins again."),
    ):
        with monkeypatch.context() as patch:
            before = damaged(name, count)
            files = {path.name for path in before.iterdir()} - hidden_in(before)
            seen = watch_files(before, files, config.run_dir, patch)
            again = go_on_from(before, config, SOURCE)
        assert again.printed.count("is damaged: it fails its checksum.") == count
        assert words in again.printed
        assert seen
        assert differences(tmp_path / "whole", config.run_dir) == [], name
    # Trained and evaluated: nothing of it is done again or replaced.
    results = damaged("metrics.json", 2)
    with pytest.raises(kerastl.KerastlError, match="kerastl export and kerastl report do what"):
        go_on_from(results, config, SOURCE)
    assert not hidden_in(config.run_dir)
    for path in results.rglob("*.*"):
        name = path.relative_to(results)
        if path.is_file() and name.parts[0] not in hidden_in(results):
            assert pathlib.Path(config.run_dir, name).read_bytes() == path.read_bytes()


def hidden_in(folder):
    """Names what a killed process held or was writing, which goes."""
    return {path.name for path in pathlib.Path(folder).glob(".*")}


def watch_files(before, files, run_dir, patch):
    """Checks at each epoch that no file of a run that goes on is missing; returns the epochs."""
    seen, add_epoch = [], RunDirectory.add_epoch

    def add_and_look(self, row):
        assert files <= {path.name for path in pathlib.Path(run_dir).iterdir()}
        seen.append(row)
        add_epoch(self, row)

    patch.setattr(RunDirectory, "add_epoch", add_and_look)
    return seen


@pytest.mark.thorough
def test_loss_that_is_not_finite_goes_back_to_the_last_good_epoch_once(tmp_path, monkeypatch):
    changes = {"cache_dir": str(tmp_path / "cache"), "head_epochs": 3, "schedule": "constant"}
    config = fakes.tiny_config(tmp_path, **changes)
    # In the second epoch; kept at the end of the first.
    printed = interrupted(config, monkeypatch, at=2, error=NotFiniteError).printed
    assert (
        "Loss: is not finite in x. Training goes on from the end of epoch 1 at a third of the rate."
    ) in printed
    with pathlib.Path(config.run_dir, "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.05, 0.05 / 3, 0.05 / 3])
    # Once in a run: neither in a later phase, nor after a stop.
    twice = {"at": 2, "error": NotFiniteError, "then": {5: NotFiniteError}}
    tuned = fakes.tiny_config(tmp_path / "tuned", finetune_epochs=1, **changes)
    with pytest.raises(kerastl.KerastlError, match=r"^loss: is not finite in x\."):
        interrupted(tuned, monkeypatch, **twice)
    stopped = fakes.tiny_config(tmp_path / "stopped", **changes)
    with pytest.raises(KeyboardInterrupt):
        interrupted(stopped, monkeypatch, **twice | {"then": {3: KeyboardInterrupt}})
    with pytest.raises(kerastl.KerastlError, match=r"^loss: is not finite in x\."):
        interrupted(stopped, monkeypatch, at=1, error=NotFiniteError)
    ended = fakes.tiny_config(tmp_path / "ended", **changes)
    for at, then in ((2, {3: NotFiniteError}), (1, {})):
        with pytest.raises(kerastl.KerastlError, match=r"^loss: is not finite in x\."):
            interrupted(ended, monkeypatch, at=at, error=NotFiniteError, then=then)
    stops = fakes.tiny_config(tmp_path / "stops", on_nan="stop", **changes)
    with pytest.raises(kerastl.KerastlError, match=r"^loss: is not finite in x\."):
        interrupted(stops, monkeypatch, at=2, error=NotFiniteError)
