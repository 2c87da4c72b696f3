import dataclasses
import pathlib
import types

import pytest

import kerastl
from kerastl.config import Config
from kerastl.errors import KerastlError
from searches import HEAD, RATES, search

pytestmark = pytest.mark.usefixtures("small_forest")


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still; its time is the only item."""
    seconds = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: seconds[0])
    for module in ("api.tune", "tuning.board", "tuning.loop"):
        monkeypatch.setattr(f"kerastl.{module}.time", clock)
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


@pytest.mark.thorough
def test_a_search_that_goes_on_has_what_is_left_of_its_budget(config, source, now):
    lines = []

    class Timed(kerastl.Progress):
        """Each trial takes 400 s; the process ends after some."""

        def __init__(self, trials):
            super().__init__()
            self.trials = trials

        def line(self, text):
            lines.append(text)
            if text.startswith("trial "):
                self.trials -= 1
                if not self.trials:
                    raise KeyboardInterrupt
                now[0] += 400

    config = dataclasses.replace(config, budget="1000s")
    options = kerastl.SearchOptions(max_trials=9, final_run=False)
    with pytest.raises(KeyboardInterrupt):
        kerastl.tune(config, HEAD, options, source=source, progress=Timed(2))
    # The time between two processes does not count.
    now[0] += 5000
    found = kerastl.tune(config, HEAD, options, source=source, progress=Timed(9))
    assert "10 min of the budget are left." in lines
    assert "4 trials; the budget is used up." in lines
    assert len(found.trials) == 4
    # More time is for the whole search too.
    config = dataclasses.replace(config, budget="1200s")
    assert len(kerastl.tune(config, HEAD, options, source=source, progress=Timed(9)).trials) == 5


@pytest.mark.thorough
def test_damaged_clock_costs_no_search(config, source):
    options = kerastl.SearchOptions(max_trials=1, final_run=False)
    kerastl.tune(config, HEAD, options, source=source, progress=kerastl.Progress())
    clock = pathlib.Path(config.run_dir, "tuning/seconds.txt")
    clock.write_text("", "utf-8")
    with pytest.raises(KerastlError, match=r"seconds.txt: is damaged .* Remove it to go on"):
        kerastl.tune(config, HEAD, options, source=source, progress=kerastl.Progress())
    clock.unlink()
    found = kerastl.tune(config, HEAD, options, source=source, progress=kerastl.Progress())
    assert list(found.trials) == [0]
