import pytest

from kerastl.errors import KerastlError
from kerastl.tuning.event_log import Begun, Ended, EventLog, Opened, Repeated
from searches import (
    RATES,
    by_rate,
    search,
    settings,
)

pytestmark = pytest.mark.usefixtures("small_forest")


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


def test_a_damaged_log_is_named(tmp_path):
    search(tmp_path, RATES, by_rate, max_trials=2).run()
    path = tmp_path / "tuning/events.jsonl"
    path.write_text(path.read_text().replace("values", "valves"))
    with pytest.raises(KerastlError) as stopped:
        search(tmp_path, RATES, by_rate, max_trials=3).run()
    assert str(stopped.value).startswith(f"{path}: is damaged (")
    assert str(stopped.value).endswith("start over with --overwrite.")


@pytest.mark.thorough
def test_a_line_that_was_never_finished_is_no_event(tmp_path):
    whole = search(tmp_path / "whole", RATES, by_rate, max_trials=4).run()
    asked = search(tmp_path / "cut", RATES, by_rate, max_trials=2).run()
    path = tmp_path / "cut/tuning/events.jsonl"
    path.write_bytes(path.read_bytes() + b'{"event": "begun", "numb')
    asked += search(tmp_path / "cut", RATES, by_rate, max_trials=4).run()
    assert [settings(config) for config in asked] == [settings(config) for config in whole]
