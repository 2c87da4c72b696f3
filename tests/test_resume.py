"""Runs that are cut off: what a kill leaves is a copy of the directory at that moment."""

import csv
import dataclasses
import json
import os
import pathlib
import shutil

import keras
import pytest

import fakes
import kerastl
from kerastl.checked_files import list_versions
from kerastl.training import course
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


def ending(run_dir):
    """All that has to be the same, however often a run was cut off."""
    run_dir = pathlib.Path(run_dir)
    with (run_dir / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = [{**row, "seconds": None} for row in csv.DictReader(file)]
    texts = [(run_dir / name).read_text() for name in ("metrics.json", "predictions.csv")]
    checks = json.loads((run_dir / "receipt.json").read_text())["checks"]
    weights = keras.saving.load_model(run_dir / "model.keras").weights
    return rows, texts, checks, [(weight.numpy().tobytes(), weight.trainable) for weight in weights]


def copies_of(run_dir, folder, monkeypatch):
    """Copies the directory of a run after each file that appears in it; returns the copies."""
    made, replace = [], os.replace

    def replace_and_copy(source, target):
        replace(source, target)
        if pathlib.Path(target).is_relative_to(run_dir):
            made.append((pathlib.Path(target), folder / f"copy{len(made)}"))
            shutil.copytree(run_dir, made[-1][1])

    monkeypatch.setattr(os, "replace", replace_and_copy)
    return made


def go_on_from(copy, config):
    shutil.rmtree(config.run_dir)
    shutil.copytree(copy, config.run_dir)
    return fakes.finish_run(config, SOURCE)


@pytest.mark.thorough
def test_run_that_is_cut_off_anywhere_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    config = fakes.tiny_config(tmp_path, cache_dir=str(tmp_path / "cache"), **FLAGS)
    monkeypatch.setattr(course, "SHARE_OF_TIME", 1e9)
    with monkeypatch.context() as patch:
        copies = copies_of(config.run_dir, tmp_path, patch)
        whole = fakes.finish_run(config, SOURCE)
    expected = ending(config.run_dir)
    assert list_versions(pathlib.Path(config.run_dir, "checkpoints")) == []
    names = [path.name for path, _ in copies]
    # Before any checkpoint, between the phases, in one, and when only the export is left.
    for name, words in (
        ("splits.csv", None),
        ("000003-", "with epoch 1 of 2 of the finetune phase"),
        ("000004-", "with epoch 2 of 2 of the finetune phase"),
        ("metrics.json", "after the training, which is over"),
    ):
        (place,) = [n for n, one in enumerate(names) if one.startswith(name)][:1]
        again = go_on_from(copies[place][1], config)
        assert ending(config.run_dir) == expected, name
        assert ("Going on" in again.printed) == bool(words)
        assert (words or "") in again.printed
        assert again.result.metrics == whole.result.metrics


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
    monkeypatch.setattr(course, "SHARE_OF_TIME", 1e9)
    with monkeypatch.context() as patch:
        copies = copies_of(config.run_dir, tmp_path, patch)
        fakes.finish_run(config, SOURCE)
    expected = ending(config.run_dir)
    copy = next(copy for path, copy in copies if path.name.startswith("000001-"))
    # Nothing that is stored is needed.
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    again = go_on_from(copy, config)
    assert "Going on" in again.printed
    assert ending(config.run_dir) == expected


def interrupted(config, patch, *, at, error=KeyboardInterrupt):
    """Runs with an error after some steps, counted over all phases."""
    taken, run = [], TrainingSteps.run

    def run_and_fail(self, batches):
        result = run(self, batches)
        taken.append(self)
        if len(taken) == at:
            raise error("x")
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
    assert ending(config.run_dir) == ending(whole.run_dir)


@pytest.mark.thorough
def test_loss_that_is_not_finite_goes_back_to_the_last_good_epoch_once(tmp_path, monkeypatch):
    changes = {"cache_dir": str(tmp_path / "cache"), "head_epochs": 3, "schedule": "constant"}
    config = fakes.tiny_config(tmp_path, **changes)
    # In the second epoch; kept at the end of the first.
    printed = interrupted(config, monkeypatch, at=2, error=NotFiniteError).printed
    assert (
        "Loss: is not finite in x. Training goes on from the end of epoch 1 at a third of the rate."
    ) in printed
    rows = ending(config.run_dir)[0]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.05, 0.05 / 3, 0.05 / 3])
    stops = fakes.tiny_config(tmp_path / "stops", on_nan="stop", **changes)
    with pytest.raises(kerastl.KerastlError, match=r"^loss: is not finite in x\."):
        interrupted(stops, monkeypatch, at=2, error=NotFiniteError)
