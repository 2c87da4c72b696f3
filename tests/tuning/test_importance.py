import numpy as np

from kerastl.config import Config
from kerastl.tuning.importance import FEWEST, measure_importance
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


def test_few_trials_say_nothing_and_failed_ones_do_not_count():
    space = read_space(RANGES, Config(run_dir="x", dataset="digits"))
    few = list(trials(FEWEST - 1, space, lambda config: config.dropout))
    failed = Trial(number=99, status=FAILED, values={"dropout": 0.1}, config=space.config)
    assert measure_importance([], space, SearchOptions()) == []
    assert measure_importance([*few, failed], space, SearchOptions()) == []
