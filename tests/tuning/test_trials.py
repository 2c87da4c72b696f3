import json

import pytest

from kerastl.config import Config
from searches import (
    RATES,
    by_rate,
    search,
)

pytestmark = pytest.mark.usefixtures("small_forest")


@pytest.mark.thorough
@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_a_damaged_trial_file_costs_that_trial(ending, tmp_path):
    first = search(tmp_path, RATES, by_rate, max_trials=5)
    asked = first.run()
    path = tmp_path / "tuning" / "trials" / f"0002{ending}"
    path.write_bytes(path.read_bytes()[:20])
    again = search(tmp_path, RATES, by_rate, max_trials=5).run()
    assert again == [asked[2]]


@pytest.mark.thorough
def test_a_trial_tells_all_of_itself(tmp_path):
    searched = search(tmp_path, RATES, by_rate, max_trials=2)
    searched.run()
    told = json.loads((tmp_path / "tuning/trials/0001.json").read_text(encoding="utf-8"))
    trial = searched.trials[1]
    assert told["values"] == trial.values
    assert Config(**told["config"]) == trial.config
    assert trial.config.best_by == "accuracy"
