import keras_tuner
import pytest

from kerastl.config import Config
from kerastl.tuning.hyperparameters import as_drawn, declare, given_epochs, max_epochs
from kerastl.tuning.space_parser import read_space

CONFIG = Config(run_dir="x", dataset="digits", head_epochs=6, dropout=0.2)
SPACE = read_space(
    {
        "optimizer": "choice(sgd,adamw)",
        "momentum": "uniform(0.5,0.9)",
        "dropout": "choice(0.0,0.2)",
        "finetune_epochs": "int(1,4)",
    },
    CONFIG,
)


def test_a_setting_is_declared_only_where_it_has_an_effect():
    declared = keras_tuner.HyperParameters()
    declare(declared, SPACE)
    assert declared.values == {
        "finetune_epochs": 1,
        "optimizer": "sgd",
        "momentum": CONFIG.momentum,
        "dropout": "0.2",
    }
    declared.values["optimizer"] = "adamw"
    assert not declared.is_active("momentum")


def test_choices_are_texts_to_keras_tuner():
    assert as_drawn(SPACE, {"dropout": 0.2, "finetune_epochs": 2}) == {
        "dropout": "0.2",
        "finetune_epochs": 2,
    }


@pytest.mark.parametrize(
    ("added", "epochs"),
    [({}, (6, 4)), ({"tuner/epochs": 5}, (3, 2)), ({"tuner/epochs": 1}, (1, 1))],
)
def test_hyperband_shortens_both_phases_alike(added, epochs):
    assert max_epochs(SPACE) == 10
    given = given_epochs({"head_epochs": 6, "finetune_epochs": 4}, added, SPACE)
    assert tuple(given.values()) == epochs
