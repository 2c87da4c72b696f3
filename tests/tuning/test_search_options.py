import pytest

from kerastl.errors import KerastlError
from kerastl.tuning.search_options import SearchOptions


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
    ],
)
def test_options_that_cannot_be_are_refused(values, message):
    with pytest.raises(KerastlError) as refused:
        SearchOptions(**values)
    assert message in str(refused.value)
