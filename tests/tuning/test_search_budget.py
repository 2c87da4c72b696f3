import types

import pytest

from kerastl.config import Config
from searches import RATES, search

pytestmark = pytest.mark.usefixtures("small_forest")


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still; its time is the only item."""
    seconds = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: seconds[0])
    for module in ("board", "loop"):
        monkeypatch.setattr(f"kerastl.tuning.{module}.time", clock)
    return seconds


@pytest.mark.thorough
def test_a_budget_ends_a_search_between_trials(now, tmp_path):
    def slow(_):
        now[0] += 100
        return 0.5

    searched = search(tmp_path, RATES, slow, max_trials=1000, final_run=False)
    # The tenth would end too late.
    assert len(searched.run(deadline=1000)) == 9
    assert searched.timed_out


@pytest.mark.thorough
@pytest.mark.parametrize(("final_run", "count"), [(True, 2), (False, 4)])
def test_a_budget_leaves_time_for_what_follows_the_last_trial(final_run, count, now, tmp_path):
    """The final run trains the best settings, and its comparison your flags."""

    def takes_time(config):
        is_given = config.head_learning_rate == Config.head_learning_rate
        now[0] += 100 if is_given else 300
        return 0.5 if is_given else 0.6

    searched = search(tmp_path, RATES, takes_time, final_run=final_run)
    assert len(searched.run(deadline=1050)) == count
    assert searched.timed_out
