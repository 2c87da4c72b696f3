from kerastl.config import Config
from kerastl.tuning.hyperparameters import next_combination
from kerastl.tuning.space_parser import read_space


def test_every_combination_that_matters_comes_once_from_the_baseline_on():
    ranges = {"optimizer": "choice(sgd,adamw)", "momentum": "choice(0.5,0.9)"}
    config = Config(run_dir="x", dataset="digits", optimizer="sgd", momentum=0.9)
    tried = []
    while combination := next_combination(read_space(ranges, config), tried):
        tried.append(combination)
    assert tried == [
        {"optimizer": "sgd", "momentum": "0.9"},
        {"optimizer": "sgd", "momentum": "0.5"},
        {"optimizer": "adamw"},
    ]
