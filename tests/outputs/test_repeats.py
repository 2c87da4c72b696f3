"""Trainings with other seeds, and how often the test split is read for them."""

import csv
import dataclasses
import importlib
import json
import pathlib
import shutil

import keras
import pytest

import fakes
import kerastl
from endings import differences
from kerastl.data.opening import open_data
from kerastl.errors import KerastlError, UsageError
from kerastl.outputs.further_trainings import FurtherRecorder
from kerastl.outputs.test_readings import Readings
from kerastl.result import repeats_lines
from kerastl.training.repeats import SCORES, Repeats, summarize
from kerastl.training.steps import NotFiniteError

# `kerastl.run` is the function of that name.
RUN = importlib.import_module("kerastl.run")
SOURCE = fakes.color_source(noise=120.0)
FLAGS = {
    "dropout": 0.3,
    "augment": "mirror",
    "head_epochs": 2,
    "finetune_epochs": 2,
    "finetune_learning_rate": 0.01,
    "seed": 7,
}


def config_of(folder, tmp_path, **changes):
    cache = {"cache_dir": str(tmp_path / "cache")}
    return fakes.tiny_config(tmp_path / folder, **cache | FLAGS | changes)


def receipt_of(config):
    return json.loads(pathlib.Path(config.run_dir, "receipt.json").read_text("utf-8"))


@pytest.mark.thorough
def test_each_seed_is_what_a_run_of_that_seed_gets(tmp_path, monkeypatch):
    alone = fakes.finish_run(config_of("alone", tmp_path), SOURCE)
    several = fakes.finish_run(config_of("several", tmp_path, repeats=3), SOURCE)
    metrics = dict(several.result.metrics)
    repeats = metrics.pop("repeats")
    # The model that is delivered, and all its numbers, are as without repeats.
    assert metrics == alone.result.metrics
    weights = [
        [weight.numpy().tobytes() for weight in keras.saving.load_model(path).weights]
        for path in (run.result.run_dir / "model.keras" for run in (alone, several))
    ]
    assert weights[0] == weights[1]
    scores = {7: metrics}
    # The same splits, which the seed would change.
    monkeypatch.setattr(RUN, "open_data", lambda _, *rest: open_data(alone.config, *rest))
    for seed in (8, 9):
        config = config_of(f"seed{seed}", tmp_path, seed=seed)
        scores[seed] = fakes.finish_run(config, SOURCE).result.metrics
    assert len({scores[seed]["validation"]["loss"] for seed in scores}) == 3
    with (several.result.run_dir / "repeats.csv").open(encoding="utf-8", newline="") as file:
        rows = {(int(row["seed"]), row["split"]): row for row in csv.DictReader(file)}
    assert rows.keys() == {(seed, split) for seed in scores for split in ("test", "validation")}
    for (seed, split), row in rows.items():
        for name in SCORES:
            assert float(row[name]) == scores[seed][split][name]
    assert repeats["seeds"] == [7, 8, 9]
    assert repeats["failed"] == []
    assert repeats["differs"] == ["the order of the training images", "what dropout leaves out"]
    accuracies = sorted(one["test"]["accuracy"] for one in scores.values())
    assert list(repeats["test"]["accuracy"].values()) == accuracies
    # Both were scored on it: alone 1, several 3, and the two others.
    assert receipt_of(several.config)["test_readings"] == {"by_this_run": 3, "in_all": 4}
    assert receipt_of(alone.config)["test_readings"] == {"by_this_run": 1, "in_all": 1}


@pytest.mark.thorough
def test_run_that_is_stopped_between_seeds_does_not_repeat_them(tmp_path, monkeypatch):
    config = config_of("stopped", tmp_path, repeats=4)
    whole = fakes.finish_run(config, SOURCE).result.metrics
    shutil.rmtree(config.run_dir)
    trained, train = [], Repeats.train

    def train_some(self, seed, *rest):
        if len(trained) == 2:
            raise KeyboardInterrupt("x")
        trained.append(seed)
        return train(self, seed, *rest)

    monkeypatch.setattr(Repeats, "train", train_some)
    with pytest.raises(KeyboardInterrupt):
        fakes.finish_run(config, SOURCE)
    assert trained == [8, 9]
    scores = pathlib.Path(config.run_dir, "repeats.csv")
    content = scores.read_text()
    scores.write_text(content.replace("9,", "nine,"))
    with pytest.raises(KerastlError, match=r"repeats\.csv is missing or damaged .* Restore it"):
        fakes.finish_run(config, SOURCE)
    scores.write_text(content)
    trained[:] = []
    again = fakes.finish_run(config, SOURCE)
    assert trained == [10]
    assert again.result.metrics == whole
    assert "seed 9 (3 of 4): validation accuracy" in again.printed
    assert ", trained before." in again.printed
    # Four models of a run that went on, and of the one before.
    assert receipt_of(config)["test_readings"] == {"by_this_run": 4, "in_all": 8}


class Killed(BaseException):
    """Ends a run at once: nothing is saved for it."""


@pytest.mark.thorough
def test_seed_that_is_killed_goes_on(tmp_path, monkeypatch):
    config = config_of("killed", tmp_path, repeats=3)
    saved, save = [], FurtherRecorder.save_checkpoint

    def save_and_stop(self, checkpoint, *, num_epochs):
        save(self, checkpoint, num_epochs=num_epochs)
        saved.append((checkpoint.state["phase"], num_epochs))
        if len(saved) in stops:
            raise Killed

    stops = ()
    monkeypatch.setattr(FurtherRecorder, "save_checkpoint", save_and_stop)
    whole = fakes.finish_run(config, SOURCE).result
    of_seed = [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (2, 4)]
    assert saved == 2 * of_seed
    before = whole.run_dir.rename(tmp_path / "whole")
    saved, stops = [], (2, 4, 12)
    for _ in stops:
        with pytest.raises(Killed):
            fakes.finish_run(config, SOURCE)
    again = fakes.finish_run(config, SOURCE)
    # Each epoch of each seed was trained once.
    assert saved == 2 * of_seed
    assert "seed 9 (3 of 3): going on from its last checkpoint.\n" in again.printed
    assert again.printed.count("going on from") == 1
    assert differences(before, again.result.run_dir) == []
    assert again.result.metrics == whole.metrics
    # Where the first seed's checkpoints are damaged, only its training begins again; where the
    # receipt is too, nothing is known to be of the same run.
    for gone in (2, 0):
        saved, stops = [], (2,)
        shutil.rmtree(config.run_dir)
        with pytest.raises(Killed):
            fakes.finish_run(config, SOURCE)
        run_dir = pathlib.Path(config.run_dir)
        for path in (run_dir / "checkpoints").glob("*.npz"):
            path.write_bytes(b"")
        if not gone:
            (run_dir / "receipt.json").unlink()
        saved, stops = [], ()
        begun = fakes.finish_run(config, SOURCE)
        assert "training begins again" in begun.printed
        assert saved == (2 * of_seed)[gone:]
        assert differences(before, begun.result.run_dir) == []


@pytest.mark.thorough
def test_seed_that_fails_leaves_the_others(tmp_path, monkeypatch):
    train = Repeats.train

    def train_or_fail(self, seed, *rest):
        if seed == 8:
            raise NotFiniteError("the head phase")
        return train(self, seed, *rest)

    monkeypatch.setattr(Repeats, "train", train_or_fail)
    run = fakes.finish_run(config_of("fails", tmp_path, repeats=3), SOURCE)
    repeats = run.result.metrics["repeats"]
    assert (repeats["seeds"], repeats["failed"]) == ([7, 9], [8])
    assert "seed 8 (2 of 3): failed. loss: is not finite in the head phase" in run.printed


@pytest.mark.thorough
def test_recipe_trains_each_seed(tmp_path):
    tiny = config_of("recipe", tmp_path)
    names = ("run_dir", "dataset", "backbone", "weights", "image_size", "cache_dir")
    given = {name: getattr(tiny, name) for name in names}
    run = fakes.finish_run(kerastl.Config(**given, repeats=2, budget="2m"), SOURCE)
    assert run.result.metrics["repeats"]["seeds"] == [0, 1]
    assert "with each of 2 seeds" in run.printed


@pytest.mark.thorough
def test_solved_head_of_many_images_has_nothing_to_repeat(tmp_path, monkeypatch):
    # As if they were many.
    monkeypatch.setattr("kerastl.training.repeats.chooses_by_folds", lambda _: False)
    solved = {"head": "solved", "finetune_epochs": 0, "dropout": 0.0, "repeats": 3}
    run = fakes.finish_run(config_of("solved", tmp_path, **solved), SOURCE)
    assert "repeats" not in run.result.metrics
    assert "Repeats: left out, as nothing is random in a head that is solved for" in run.printed
    assert receipt_of(run.config)["test_readings"]["by_this_run"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"cache_dir": ""},
        {"head_epochs": 0},
        {"augment": "flip"},
        {"augment": "flip", "augment_views": 2},
        {"weights": "none", "head_epochs": 0},
    ],
)
def test_without_the_same_stored_features_it_is_refused(tmp_path, changes):
    flags = {**FLAGS, "cache_dir": str(tmp_path), "weights": "bundled", **changes}
    words = r"^repeats=2: needs stored features of a frozen network, [^\n]*\.$"
    with pytest.raises(UsageError, match=words):
        kerastl.Config(run_dir=str(tmp_path / "run"), dataset="digits", repeats=2, **flags)


@pytest.mark.parametrize("repeats", [0, 101])
def test_number_of_seeds_has_limits(tmp_path, repeats):
    with pytest.raises(UsageError, match=f"^repeats={repeats}: must be at least 1 and at most 100"):
        kerastl.Config(run_dir=str(tmp_path / "run"), dataset="digits", repeats=repeats)


def test_seeds_follow_that_of_the_run_and_stay_seeds(tmp_path):
    config = kerastl.Config(run_dir=str(tmp_path), dataset="digits", repeats=3)
    assert Repeats(config, None).seeds == [0, 1, 2]
    last = dataclasses.replace(config, seed=2**32 - 2)
    assert Repeats(last, None).seeds == [2**32 - 2, 2**32 - 1, 0]


def test_least_median_and_highest_are_of_each_score():
    def one(value):
        return dict.fromkeys(("test", "validation"), dict.fromkeys(SCORES, value))

    found = summarize({0: one(0.5), 4: one(0.25), 2: one(1.0), 3: one(0.75)})
    assert found["test"]["loss"] == {"min": 0.25, "median": 0.625, "max": 1.0}
    repeats = {"seeds": [0, 4, 2, 3], "differs": ["a", "b"], "same": ["c", "d"], **found}
    assert [*repeats_lines({"repeats": repeats})] == [
        "Over 4 seeds: test accuracy 0.2500 to 1.0000, median 0.6250. A seed decides a and b; "
        "c and d are the same. The model is that of seed 0."
    ]
    assert [*repeats_lines({})] == []


def test_same_model_is_counted_once_and_each_test_split_by_itself(tmp_path):
    first = Readings(tmp_path, "aa", "run1")
    first.add("0", "a/b")
    first.add("0", "a/b")
    assert first.describe() == {"by_this_run": 1, "in_all": 1}
    # The same run goes on in another process.
    on = Readings(tmp_path, "aa", "run1")
    on.add("1", "a/b")
    other = Readings(tmp_path, "aa", "run2")
    other.add("0", "a/c")
    assert on.describe() == {"by_this_run": 2, "in_all": 3}
    assert other.describe() == {"by_this_run": 1, "in_all": 3}
    elsewhere = Readings(tmp_path, "bb", "run3")
    assert elsewhere.describe() == {"by_this_run": 0, "in_all": None}
    elsewhere.add("0", "a/d")
    assert elsewhere.describe() == {"by_this_run": 1, "in_all": 1}


@pytest.mark.parametrize("kind", ["none", "file"])
def test_cache_that_cannot_be_used_leaves_the_count_open(tmp_path, kind):
    cache = None
    if kind == "file":
        cache = tmp_path / "cache"
        cache.write_text("")
    readings = Readings(cache, "aa", "run1")
    readings.add("0", "a/b")
    assert readings.describe() == {"by_this_run": 1, "in_all": None}
