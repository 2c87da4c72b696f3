"""Proposals depend on the log alone, so that a search continues whatever was cut off, and where."""

import math
import random

import pytest

from kerastl.config import Config
from kerastl.tuning.event_log import Begun, Ended, EventLog, Opened, Repeated
from kerastl.tuning.proposals import Proposals
from kerastl.tuning.search_options import TUNERS, SearchOptions
from kerastl.tuning.space import read_space

RANGES = {
    "head_learning_rate": "log(0.0001,1)",
    "dropout": "uniform(0,0.5)",
    "optimizer": "choice(sgd,adamw)",
    "momentum": "uniform(0.5,0.95)",
}
CONFIG = Config(run_dir="x", dataset="digits", validation_fraction=0.3, head_epochs=10)


def proposals(tuner, max_trials, config=CONFIG):
    options = SearchOptions(tuner=tuner, max_trials=max_trials)
    return Proposals(read_space(RANGES, config), options, max_epochs=10)


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


def test_the_log_knows_what_happened(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    assert log.read().begun == {}
    assert not log.read().is_open
    for event in (
        Opened(True),
        Begun(0, {"dropout": 0.1}, "first"),
        Begun(1, {"dropout": 0.2}, "second"),
        Ended(1, 0.5),
        Ended(0, None),
        Repeated(1),
    ):
        log.append(event)
    history = log.read()
    assert history.is_open
    assert history.begun == {0: {"dropout": 0.1}, 1: {"dropout": 0.2}}
    assert history.unfinished == [1]
    # An oracle hears of the first end only.
    log.append(Ended(1, 0.7))
    assert log.read().events[-2:] == [Ended(1, 0.5), Ended(0, None)]
    assert log.read().unfinished == []
