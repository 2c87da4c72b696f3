import dataclasses
import math

import pytest

from kerastl.config import Config
from kerastl.tuning.search_options import TUNERS
from searches import (
    RATES,
    Killed,
    by_rate,
    search,
    settings,
)

pytestmark = pytest.mark.usefixtures("small_forest")


# One tuner in the default run, all by scripts/check.
EACH_TUNER = [
    tuner if tuner == "grid" else pytest.param(tuner, marks=pytest.mark.thorough)
    for tuner in TUNERS
]
SMALL = {"batch_size": "choice(16,32)", "optimizer": "choice(sgd,adamw)"}


@pytest.mark.parametrize("tuner", EACH_TUNER)
def test_the_first_trial_is_the_flags_as_given_and_the_best_is_never_worse(tuner, tmp_path):
    searched = search(tmp_path, RATES, by_rate, tuner=tuner, max_trials=7)
    asked = searched.run()
    assert asked[0] == searched.space.config
    assert len(asked) == len(searched.trials) == 7
    assert [trial.number for trial in searched.trials.values()] == list(range(7))
    accuracies = [by_rate(config) for config in asked]
    best = searched.ranking[0].trial
    assert best.scores["val_accuracy"] == max(accuracies)
    # Every trial but the first is within the space.
    assert all(searched.space.has(config) for config in asked)
    assert (
        len({(config.head_learning_rate, config.dropout, config.head_epochs) for config in asked})
        == 7
    )


@pytest.mark.thorough
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
    # The baseline flags are one of the four, or a fifth. Hyperband repeats the best with more
    # epochs.
    alike = {dataclasses.replace(config, head_epochs=10) for config in asked}
    assert len(alike) == (4 if batch_size == 16 else 5)
    assert len(set(asked)) == len(asked)
    assert not searched.timed_out


@pytest.mark.thorough
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


@pytest.mark.parametrize("tuner", EACH_TUNER)
@pytest.mark.parametrize("rate", [pytest.param(1e30, marks=pytest.mark.thorough), 1e-3])
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
    assert searched.ranking[0].trial.config.head_learning_rate != rate


def test_a_combination_that_cannot_be_is_a_failed_trial(tmp_path):
    ranges = {"head_epochs": "int(0,1)", "finetune_epochs": "int(0,1)"}
    searched = search(tmp_path, ranges, lambda _: 0.5, tuner="grid", max_trials=9)
    searched.run()
    failed = [trial for trial in searched.trials.values() if trial.status == "failed"]
    assert [trial.values for trial in failed] == [{"head_epochs": 0, "finetune_epochs": 0}]
    assert failed[0].reason.startswith("head_epochs=0: with finetune_epochs=0 trains nothing.")


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


@pytest.mark.thorough
def test_fewer_trials_than_were_begun_begin_no_more(tmp_path):
    with pytest.raises(Killed):
        search(tmp_path, RATES, by_rate, max_trials=6).run(dies_at=3)
    assert search(tmp_path, RATES, by_rate, max_trials=2).run() == []
    assert len(search(tmp_path, RATES, by_rate, max_trials=5).run()) == 2
