import dataclasses
import json
import math
import time
import types
import xml.etree.ElementTree as ET

import pytest

from command_line import config_from_flags
from kerastl.config import Config
from kerastl.errors import KerastlError
from kerastl.tuning import importance, search_files
from kerastl.tuning.search_options import TUNERS, SearchOptions
from kerastl.writing import hidden_beside
from searches import Killed, rows_of, search

RATES = {"head_learning_rate": "log(0.0001,1)", "dropout": "uniform(0,0.5)"}
SMALL = {"batch_size": "choice(16,32)", "optimizer": "choice(sgd,adamw)"}


@pytest.fixture(autouse=True)
def _small_forest(monkeypatch):
    monkeypatch.setattr(importance, "_TREES", 3)
    monkeypatch.setattr(importance, "_SHUFFLES", 1)


def by_rate(config):
    """Best at a rate of 0.03 and no dropout."""
    return 0.9 - 0.1 * abs(math.log10(config.head_learning_rate / 0.03)) - 0.2 * config.dropout


def settings(config):
    return dataclasses.replace(config, run_dir="x")


@pytest.mark.parametrize("tuner", TUNERS)
def test_the_first_trial_is_the_flags_as_given_and_the_best_is_never_worse(tuner, tmp_path):
    searched = search(tmp_path, RATES, by_rate, tuner=tuner, max_trials=7)
    asked = searched.run()
    assert asked[0] == searched.space.config
    assert len(asked) == len(searched.trials) == 7
    assert [trial.number for trial in searched.trials.values()] == list(range(7))
    accuracies = [by_rate(config) for config in asked]
    best = searched.standings[0].trial
    assert best.scores["val_accuracy"] == max(accuracies)
    # Every trial but the first is within the space.
    assert all(searched.space.has(config) for config in asked)
    assert (
        len({(config.head_learning_rate, config.dropout, config.head_epochs) for config in asked})
        == 7
    )


@pytest.mark.parametrize("tuner", TUNERS)
@pytest.mark.parametrize("batch_size", [16, 64])
def test_a_small_space_ends_a_search_before_its_limit(tuner, batch_size, tmp_path):
    config = Config(
        run_dir="x",
        dataset="digits",
        validation_fraction=0.3,
        batch_size=batch_size,
        head_epochs=10,
    )
    searched = search(tmp_path, SMALL, lambda _: 0.5, config, tuner=tuner, max_trials=20)
    asked = [settings(config) for config in searched.run()]
    # The flags as given are one of the four, or a fifth. Hyperband repeats the best with more
    # epochs.
    alike = {dataclasses.replace(config, head_epochs=10) for config in asked}
    assert len(alike) == (4 if batch_size == 16 else 5)
    assert len(set(asked)) == len(asked)
    assert not searched.timed_out


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_killed_search_goes_on_as_if_it_had_not_been(tuner, tmp_path):
    whole = search(tmp_path / "whole", RATES, by_rate, tuner=tuner, max_trials=6).run()
    asked = []
    for dies_at in (0, 3, 1, None):
        searched = search(tmp_path / "killed", RATES, by_rate, tuner=tuner, max_trials=6)
        if dies_at is None:
            asked += searched.run()
        else:
            with pytest.raises(Killed):
                searched.run(dies_at=dies_at)
            asked += [trial.config for trial in searched.board().trials.values()][len(asked) :]
    assert [settings(config) for config in asked] == [settings(config) for config in whole]
    # Nothing is left to do, and nothing is done.
    assert search(tmp_path / "killed", RATES, by_rate, tuner=tuner, max_trials=6).run() == []


@pytest.mark.parametrize("tuner", TUNERS)
@pytest.mark.parametrize("rate", [1e30, 1e-3])
def test_a_trial_that_is_not_a_number_fails_and_the_search_goes_on(tuner, rate, tmp_path):
    """Whether it is the first or another."""

    def accuracy(config):
        return math.nan if config.head_learning_rate == rate else 0.5

    searched = search(
        tmp_path,
        {"head_learning_rate": "choice(1e30,0.001,0.01)"},
        accuracy,
        Config(run_dir="x", dataset="digits", validation_fraction=0.3, head_learning_rate=0.001),
        tuner=tuner,
        max_trials=6,
    )
    searched.run()
    failed = [trial for trial in searched.trials.values() if trial.status == "failed"]
    assert failed
    assert {trial.reason for trial in failed} == {"its scores are not finite"}
    assert {trial.values["head_learning_rate"] for trial in failed} == {rate}
    assert searched.standings[0].trial.config.head_learning_rate != rate


def test_failures_are_told_and_only_a_start_of_nothing_else_ends_the_search(tmp_path):
    def fails_small(config):
        return f"image_size={config.image_size}: is below 32" if config.image_size < 32 else 0.5

    config = Config(run_dir="x", dataset="digits", validation_fraction=0.3, image_size=48)
    ranges = {"image_size": "choice(16,32,48,64)"}
    searched = search(tmp_path / "some", ranges, fails_small, config, tuner="grid", max_trials=9)
    searched.run()
    statuses = {trial.config.image_size: trial.status for trial in searched.trials.values()}
    assert statuses == {16: "failed", 32: "completed", 48: "completed", 64: "completed"}
    (line,) = (line for line in searched.lines if "failed" in line)
    assert line.endswith(" of 9 failed: image_size=16: is below 32  (image_size=16)")
    assert rows_of(tmp_path / "some")[-1]["reason"] == "image_size=16: is below 32"
    config = dataclasses.replace(config, image_size=18)
    ranges = {"image_size": "choice(16,20,24,28)"}
    searched = search(tmp_path / "all", ranges, fails_small, config, tuner="grid", max_trials=9)
    with pytest.raises(KerastlError) as stopped:
        searched.run()
    assert str(stopped.value) == (
        "The first 3 trials have all failed. Trial 0: image_size=18: is below 32"
    )
    assert len(searched.board().trials) == 3


def test_a_combination_that_cannot_be_is_a_failed_trial(tmp_path):
    ranges = {"head_epochs": "int(0,1)", "finetune_epochs": "int(0,1)"}
    searched = search(tmp_path, ranges, lambda _: 0.5, tuner="grid", max_trials=9)
    searched.run()
    failed = [trial for trial in searched.trials.values() if trial.status == "failed"]
    assert [trial.values for trial in failed] == [{"head_epochs": 0, "finetune_epochs": 0}]
    assert failed[0].reason.startswith("head_epochs=0: with finetune_epochs=0 trains nothing.")


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_a_damaged_trial_file_costs_that_trial(ending, tmp_path):
    first = search(tmp_path, RATES, by_rate, max_trials=5)
    asked = first.run()
    path = tmp_path / "tuning" / "trials" / f"0002{ending}"
    path.write_bytes(path.read_bytes()[:20])
    again = search(tmp_path, RATES, by_rate, max_trials=5).run()
    assert again == [asked[2]]


def test_a_damaged_log_is_named(tmp_path):
    search(tmp_path, RATES, by_rate, max_trials=2).run()
    path = tmp_path / "tuning/events.jsonl"
    path.write_text(path.read_text().replace("values", "valves"))
    with pytest.raises(KerastlError) as stopped:
        search(tmp_path, RATES, by_rate, max_trials=3).run()
    assert str(stopped.value).startswith(f"{path}: is damaged (")
    assert str(stopped.value).endswith("start anew with --overwrite.")


def test_a_line_that_was_never_finished_is_no_event(tmp_path):
    whole = search(tmp_path / "whole", RATES, by_rate, max_trials=4).run()
    asked = search(tmp_path / "cut", RATES, by_rate, max_trials=2).run()
    path = tmp_path / "cut/tuning/events.jsonl"
    path.write_bytes(path.read_bytes() + b'{"event": "begun", "numb')
    asked += search(tmp_path / "cut", RATES, by_rate, max_trials=4).run()
    assert [settings(config) for config in asked] == [settings(config) for config in whole]


def test_executions_have_other_seeds_and_their_mean_counts(tmp_path):
    searched = search(
        tmp_path,
        RATES,
        lambda config: 0.6 + 0.1 * config.seed,
        max_trials=2,
        executions_per_trial=3,
    )
    asked = searched.run()
    assert [config.seed for config in asked] == [0, 1, 2] * 2
    assert searched.trials[0].scores["val_accuracy"] == pytest.approx(0.7)
    assert searched.trials[0].predicted.shape == (3, len(searched.labels))
    assert searched.trials[0].config.seed == 0


def test_hyperband_gives_the_best_more_epochs(tmp_path):
    searched = search(tmp_path, RATES, by_rate, tuner="hyperband", max_trials=30)
    asked = searched.run()
    epochs = [config.head_epochs for config in asked]
    assert epochs[0] == 10
    assert set(epochs) == {2, 4, 10}
    assert epochs.count(2) > epochs.count(4)
    # What gets more epochs was tried with fewer.
    tried = {(config.head_learning_rate, config.head_epochs) for config in asked}
    assert any((rate, 2) in tried and (rate, 4) in tried for rate, _ in tried)


def test_hyperband_goes_on_until_there_are_as_many_trials_as_there_may_be(tmp_path):
    """One round of it is few trials where there are few epochs."""
    config = Config(run_dir="x", dataset="digits", validation_fraction=0.3, head_epochs=2)
    searched = search(tmp_path, RATES, by_rate, config, tuner="hyperband", max_trials=12)
    searched.max_epochs = 2
    assert len(searched.run()) == 12


def test_a_space_is_not_taken_for_exhausted_by_bad_luck(tmp_path):
    # Thirty, and the flags as given.
    ranges = {"batch_size": f"choice({','.join(map(str, range(8, 38)))})"}
    assert len(search(tmp_path, ranges, lambda _: 0.5, max_trials=100).run()) == 31


def test_fewer_trials_than_were_begun_begin_no_more(tmp_path):
    with pytest.raises(Killed):
        search(tmp_path, RATES, by_rate, max_trials=6).run(dies_at=3)
    assert search(tmp_path, RATES, by_rate, max_trials=2).run() == []
    assert len(search(tmp_path, RATES, by_rate, max_trials=5).run()) == 2


@pytest.mark.thorough
def test_bayesian_search_finds_better_settings_than_chance(tmp_path):
    """The mean of what it proposes once it has seen some."""
    means = {}
    for tuner in ("bayesian", "random"):
        searched = search(tmp_path / tuner, RATES, by_rate, tuner=tuner, max_trials=12)
        later = searched.run()[4:]
        means[tuner] = sum(map(by_rate, later)) / len(later)
    assert means["bayesian"] > means["random"] + 0.05


def test_a_first_trial_outside_the_space_does_not_mislead_the_model(tmp_path):
    config = Config(
        run_dir="x", dataset="digits", validation_fraction=0.3, optimizer="adamw", dropout=0.9
    )
    ranges = {"optimizer": "choice(sgd)", "dropout": "uniform(0,0.5)"}
    searched = search(
        tmp_path,
        ranges,
        lambda config: 0.9 - config.dropout,
        config,
        tuner="bayesian",
        max_trials=6,
    )
    asked = searched.run()
    assert asked[0].optimizer == "adamw"
    assert {config.optimizer for config in asked[1:]} == {"sgd"}


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_what_is_to_be_tried_first_comes_after_the_flags_as_given(tuner, tmp_path):
    searched = search(tmp_path, RATES, by_rate, tuner=tuner, max_trials=3)
    by_hand = {"head_learning_rate": 0.03, "dropout": 0.125}
    searched.space = dataclasses.replace(searched.space, first=(by_hand,))
    given, first, _ = searched.run()
    assert given == searched.space.config
    assert (first.head_learning_rate, first.dropout, first.head_epochs) == (0.03, 0.125, 10)


def test_a_budget_ends_a_search_between_trials(tmp_path):
    def slow(_):
        time.sleep(0.05)
        return 0.5

    searched = search(tmp_path, RATES, slow, max_trials=1000)
    searched.run(deadline=time.monotonic() + 1)
    assert searched.timed_out
    assert 3 < len(searched.trials) < 25


@pytest.mark.parametrize(("final_run", "count"), [(True, 2), (False, 4)])
def test_a_budget_leaves_time_for_what_follows_the_last_trial(
    final_run, count, tmp_path, monkeypatch
):
    """The final run trains the best settings, and its comparison the flags as given."""
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    for module in ("budget", "loop"):
        monkeypatch.setattr(f"kerastl.tuning.{module}.time", clock)

    def takes_time(config):
        is_given = config.head_learning_rate == Config.head_learning_rate
        now[0] += 100 if is_given else 300
        return 0.5 if is_given else 0.6

    searched = search(tmp_path, RATES, takes_time, final_run=final_run)
    assert len(searched.run(deadline=1050)) == count
    assert searched.timed_out


def test_disk_that_takes_no_table_ends_the_search(tmp_path, monkeypatch):
    def refuse(path, text, *, field):
        raise KerastlError(f"{field}: no space")

    monkeypatch.setattr(search_files, "replace_text", refuse)
    asked = []
    searched = search(tmp_path, RATES, lambda config: asked.append(config) or by_rate(config))
    with pytest.raises(KerastlError, match="run_dir: no space"):
        searched.run()
    # The table is written while the next trial trains.
    assert len(asked) == 2


def test_every_file_is_there_after_each_trial(tmp_path):
    seen = []

    def look(config):
        tuning = tmp_path / "tuning"
        seen.append({path.name for path in tuning.iterdir()} if seen else set())
        return by_rate(config)

    searched = search(tmp_path, RATES, look, max_trials=12)
    searched.run()
    files = {"trials.csv", "best.flags", "importance.csv", "trials.svg"}
    # Those of a trial are written while the next one trains.
    assert all(files <= names for names in seen[2:])
    rows = rows_of(tmp_path)
    assert [row["status"] for row in rows] == ["completed"] * 12
    accuracies = [float(row["val_accuracy"]) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    best = searched.standings[0].trial
    assert rows[0]["trial"] == str(best.number)
    assert (rows[0]["behind"], rows[0]["tie"]) == ("0", "1")
    assert {row["tie"] for row in rows} == {"0", "1"}
    assert float(rows[0]["head_learning_rate"]) == best.config.head_learning_rate
    assert float(rows[-1]["behind_low"]) > 0
    flags = config_from_flags([f"--flagfile={tmp_path}/tuning/best.flags"])
    assert flags == dataclasses.replace(best.config, run_dir=str(tmp_path / "best"))
    mattered = {row["setting"]: row for row in rows_of(tmp_path, "importance.csv")}
    assert set(mattered) == set(RATES)
    assert float(mattered["head_learning_rate"]["importance"]) > 0
    drawing = (tmp_path / "tuning/trials.svg").read_text(encoding="utf-8")
    assert ET.fromstring(drawing).tag.endswith("svg")
    assert sum(line.startswith("trial ") for line in searched.lines) == 12
    assert searched.lines[0].startswith(
        "trial 0 of 12: val_accuracy 0.8523, the best so far  the flags as given  "
    )


def test_a_directory_grows_by_short_paths_only(tmp_path):
    search(tmp_path, RATES, by_rate, max_trials=3).run()
    added = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    hidden = len(hidden_beside(tmp_path).name) - len(tmp_path.name)
    assert max(map(len, added)) + hidden <= 70
    assert not set("".join(added)) & set(':*?"<>|\\')


def test_a_trial_tells_all_of_itself(tmp_path):
    searched = search(tmp_path, RATES, by_rate, max_trials=2)
    searched.run()
    told = json.loads((tmp_path / "tuning/trials/0001.json").read_text(encoding="utf-8"))
    trial = searched.trials[1]
    assert told["values"] == trial.values
    assert Config(**told["config"]) == trial.config
    assert trial.config.best_by == "accuracy"


def test_the_objective_decides(tmp_path):
    searched = search(tmp_path, RATES, by_rate, max_trials=6, objective="val_loss")
    searched.run()
    losses = [standing.trial.scores["val_loss"] for standing in searched.standings]
    assert losses == sorted(losses)
    assert searched.trials[0].config.best_by == "loss"
    assert list(rows_of(tmp_path)[0])[3] == "val_loss"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tuner": "rand"}, "tuner='rand': is not one of its choices. Did you mean 'random'?"),
        ({"objective": "val_acc"}, "objective='val_acc': is not one of its choices. Did you mean"),
        (
            {"objective": "val_f1"},
            "Known: val_accuracy, val_loss, val_balanced_accuracy, val_macro",
        ),
        ({"max_trials": 0}, "max_trials=0: must be at least 1 and at most 10000."),
        ({"max_trials": 2.0}, "max_trials=2.0: is not a whole number."),
        ({"executions_per_trial": 0}, "executions_per_trial=0: must be at least 1"),
        ({"budget": 0}, "budget=0: is no time."),
    ],
)
def test_options_that_cannot_be_are_refused(values, message):
    with pytest.raises(KerastlError) as refused:
        SearchOptions(**values)
    assert message in str(refused.value)
