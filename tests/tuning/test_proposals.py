"""Proposals depend on the log alone, so that a search continues whatever was cut off, and where."""

import dataclasses
import math
import random

import pytest

from kerastl.config import Config
from kerastl.tuning.event_log import Begun, Ended, EventLog
from kerastl.tuning.proposals import Proposals
from kerastl.tuning.search_options import TUNERS, SearchOptions
from kerastl.tuning.space_parser import read_space
from searches import RATES, by_rate, search

pytestmark = pytest.mark.usefixtures("small_forest")


RANGES = {
    "head_learning_rate": "log(0.0001,1)",
    "dropout": "uniform(0,0.5)",
    "optimizer": "choice(sgd,adamw)",
    "momentum": "uniform(0.5,0.95)",
}


CONFIG = Config(run_dir="x", dataset="digits", validation_fraction=0.3, head_epochs=10)


def proposals(tuner, max_trials, config=CONFIG):
    options = SearchOptions(tuner=tuner, max_trials=max_trials)
    return Proposals(read_space(RANGES, config), options)


def score(number, values):
    """Every fourth trial fails."""
    if number % 4 == 3:
        return None
    by_rate = 0.1 * abs(math.log10(values["head_learning_rate"] / 0.03))
    return 0.9 - by_rate - 0.2 * values["dropout"]


def run(log, proposer, *, workers, until):
    """Runs a search of several workers, whose trials end in any order, until so many have begun.

    What happens next depends on the log alone.
    """
    while True:
        history = log.read()
        schedule = random.Random(len(history.events))
        running = history.unfinished
        if len(history.begun) == until and not running:
            return history
        if running and (
            len(running) == workers or len(history.begun) == until or schedule.random() < 0.5
        ):
            number = schedule.choice(running)
            log.append(Ended(number, score(number, history.begun[number])))
            continue
        values = proposer().propose(history)
        if values is None:
            if not running:
                return history
            number = running[0]
            log.append(Ended(number, score(number, history.begun[number])))
            continue
        log.append(Begun(len(history.begun), values, "worker"))


@pytest.mark.thorough
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("tuner", TUNERS)
def test_a_search_cut_off_at_any_trial_continues_with_the_same_proposals(tuner, workers, tmp_path):
    """Each is made of the log as it was then, read back from its file."""
    count = 8
    kept = proposals(tuner, count)
    whole = EventLog(tmp_path / "whole.jsonl")
    history = run(whole, lambda: kept, workers=workers, until=count)
    assert len(history.begun) == count
    for number in range(1, count):
        cut = EventLog(tmp_path / f"{number}.jsonl")
        cut_at = next(
            at
            for at, event in enumerate(history.events)
            if isinstance(event, Begun) and event.number == number
        )
        for event in history.events[:cut_at]:
            cut.append(event)
        again = proposals(tuner, count).propose(cut.read())
        assert again == history.begun[number]


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_hyperband_goes_on_until_there_are_as_many_trials_as_there_may_be(tmp_path):
    """One round of it is few trials where there are few epochs."""
    config = Config(run_dir="x", dataset="digits", validation_fraction=0.3, head_epochs=2)
    searched = search(tmp_path, RATES, by_rate, config, tuner="hyperband", max_trials=12)
    assert len(searched.run()) == 12


@pytest.mark.thorough
def test_a_space_is_not_taken_for_exhausted_by_bad_luck(tmp_path):
    # Thirty, and the baseline flags.
    ranges = {"batch_size": f"choice({','.join(map(str, range(8, 38)))})"}
    assert len(search(tmp_path, ranges, lambda _: 0.5, max_trials=100).run()) == 31


@pytest.mark.thorough
def test_bayesian_search_finds_better_settings_than_chance(tmp_path):
    """The mean of what it proposes once it has seen some, over three seeds."""
    means = dict.fromkeys(("bayesian", "random"), 0.0)
    for tuner in means:
        for seed in range(3):
            run_dir = tmp_path / f"{tuner}{seed}"
            config = Config(
                run_dir=str(run_dir), dataset="digits", validation_fraction=0.3, seed=seed
            )
            searched = search(run_dir, RATES, by_rate, config, tuner=tuner, max_trials=12)
            later = searched.run()[4:]
            means[tuner] += sum(map(by_rate, later)) / len(later) / 3
    assert means["bayesian"] > means["random"] + 0.02


@pytest.mark.thorough
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


@pytest.mark.parametrize(
    "tuner",
    [
        "random",
        pytest.param("bayesian", marks=pytest.mark.thorough),
        pytest.param("hyperband", marks=pytest.mark.thorough),
    ],
)
def test_what_is_to_be_tried_first_comes_after_the_flags_as_given(tuner, tmp_path):
    searched = search(tmp_path, RATES, by_rate, tuner=tuner, max_trials=3)
    by_hand = {"head_learning_rate": 0.03, "dropout": 0.125}
    searched.space = dataclasses.replace(searched.space, first=(by_hand,))
    given, first, _ = searched.run()
    assert given == searched.space.config
    assert (first.head_learning_rate, first.dropout, first.head_epochs) == (0.03, 0.125, 10)


def test_hyperband_gives_all_epochs_to_the_best_of_a_small_space(tmp_path):
    """Too small for its first round, after which it would give any of them more."""
    ranges = {"batch_size": "choice(8,16)", "optimizer": "choice(sgd,adamw)"}
    space = read_space(ranges, dataclasses.replace(CONFIG, batch_size=8, optimizer="sgd"))
    options = SearchOptions(tuner="hyperband", max_trials=99)
    log = EventLog(tmp_path / "events.jsonl")
    begun = []
    for number in range(12):
        values = Proposals(space, options).propose(log.read())
        if values is None:
            break
        log.append(Begun(number, values, "alone"))
        if "tuner/epochs" in values:
            # Its score decides what comes next, so others wait for it.
            waiting = Proposals(space, options).propose(log.read())
            assert waiting is None or "tuner/epochs" in waiting
        own = {name: values[name] for name in ranges}
        begun.append((tuple(own.values()), values.get("tuner/epochs")))
        # One that fails with all of its epochs is not tried again.
        log.append(Ended(number, None if number == 4 else 0.1 * number))
    short = [own for own, epochs in begun if epochs]
    whole = [own for own, epochs in begun if not epochs]
    assert len(set(short)) == len(short) == 3
    # The baseline has all already; of the others the best comes first.
    assert whole == [("8", "sgd"), *short[::-1]]
