import dataclasses

import numpy as np
import pytest

from kerastl.config import Config
from kerastl.tuning.importance import FEWEST, SHARE, measure_importance
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space_parser import read_space
from kerastl.tuning.trials import FAILED, Trial

RANGES = {
    "head_learning_rate": "log(1e-4,1)",
    "dropout": "uniform(0,0.5)",
    "optimizer": "choice(sgd,adamw)",
    "momentum": "uniform(0,0.9)",
    "schedule": "choice(cosine)",
}


def trials(count, space, score):
    rng = np.random.default_rng(0)
    for number in range(count):
        drawn = {
            "head_learning_rate": float(10 ** rng.uniform(-4, 0)),
            "dropout": float(rng.uniform(0, 0.5)),
            "optimizer": str(rng.choice(["sgd", "adamw"])),
            "momentum": float(rng.uniform(0, 0.9)),
            "schedule": "cosine",
        }
        config = space.config_for(drawn)
        yield Trial(
            number=number,
            status="completed",
            values=space.values_of(config),
            config=config,
            scores={"val_accuracy": score(config) + rng.normal(0, 0.002)},
        )


def test_what_decides_comes_first_and_what_does_not_is_near_zero():
    space = read_space(RANGES, Config(run_dir="x", dataset="digits"))

    def score(config):
        by_rate = -0.1 * abs(np.log10(config.head_learning_rate) + 2)
        return 0.8 + by_rate - 0.05 * (config.optimizer == "sgd")

    found = measure_importance(list(trials(60, space, score)), space, SearchOptions())
    values = {importance.name: importance.value for importance in found}
    # What has one value cannot matter.
    assert list(values)[:2] == ["head_learning_rate", "optimizer"]
    assert set(values) == set(RANGES) - {"schedule"}
    assert values["head_learning_rate"] > 5 * abs(values["dropout"])
    assert abs(values["dropout"]) < 0.005
    assert all(importance.deviation > 0 for importance in found)


@pytest.mark.thorough
def test_what_epochs_did_is_not_taken_for_what_a_setting_did():
    """Hyperband trains the same settings again, and those with more dropout for longer here."""
    space = read_space(RANGES, Config(run_dir="x", dataset="digits", head_epochs=9))
    given = []
    for trial in trials(40, space, lambda config: 0.5):
        for epochs in (1, 9) if trial.values["dropout"] > 0.25 else (1,):
            config = dataclasses.replace(trial.config, head_epochs=epochs)
            scores = {"val_accuracy": trial.scores["val_accuracy"] + epochs / 30}
            changes = {"number": len(given), "config": config, "scores": scores}
            given.append(dataclasses.replace(trial, epochs_requested=9, **changes))
    found = measure_importance(given, space, SearchOptions())
    values = {importance.name: importance.value for importance in found}
    assert found[0].name == SHARE
    assert values[SHARE] > 0.1
    assert all(abs(value) < 0.01 for name, value in values.items() if name != SHARE)
    # Of one pair of settings nothing can be held out; of one budget its share is no column.
    assert measure_importance([given[0]] * FEWEST, space, SearchOptions()) == []
    assert SHARE not in {
        importance.name
        for importance in measure_importance(
            list(trials(FEWEST, space, lambda config: 0.5)), space, SearchOptions()
        )
    }


def test_few_trials_say_nothing_and_failed_ones_do_not_count():
    space = read_space(RANGES, Config(run_dir="x", dataset="digits"))
    few = list(trials(FEWEST - 1, space, lambda config: config.dropout))
    failed = Trial(number=99, status=FAILED, values={"dropout": 0.1}, config=space.config)
    assert measure_importance([], space, SearchOptions()) == []
    assert measure_importance([*few, failed], space, SearchOptions()) == []
