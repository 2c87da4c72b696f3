import dataclasses
import math
import threading
import time

import pytest

from kerastl.errors import KerastlError
from kerastl.tuning import loop
from kerastl.tuning.assignments import NoTrial
from kerastl.tuning.loop import run_trials, wait_for_chief, watch_trials
from searches import RATES, FakeRunner, Killed, rows_of, search, settings


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CLAIMS", 0.05)


class Worker(threading.Thread):
    """A worker whose trials take a moment; one that is killed reports nothing."""

    def __init__(self, searched, name, *, dies_at=None):
        super().__init__(daemon=True)
        self.searched = searched
        self.role = name
        self.runner = FakeRunner(self._accuracy, searched.labels, dies_at=dies_at)

    def _accuracy(self, config):
        time.sleep(0.1)
        return 0.9 - config.dropout

    def run(self):
        board = self.searched.board(are_kept=False)
        assignments = self.searched.assignments()
        try:
            wait_for_chief(assignments.is_open, run_dir="x")
            trial_runner = self.searched.trial_runner(self.runner)
            run_trials(board, assignments, trial_runner, name=self.role)
        except Exception as error:
            self.error = error


@pytest.mark.parametrize("tuner", [pytest.param("random", marks=pytest.mark.thorough), "grid"])
def test_workers_share_a_search_and_one_that_is_killed_costs_nothing(tuner, quick, tmp_path):
    ranges = RATES if tuner == "random" else {"batch_size": "choice(8,16,32,64,128,256,512)"}

    def part():
        return search(tmp_path, ranges, None, tuner=tuner, max_trials=7)

    chief = part()
    board, assignments = chief.board(), chief.assignments()
    workers = [Worker(part(), "first"), Worker(part(), "second", dies_at=0)]
    for worker in workers:
        worker.start()
    assignments.open()
    assert not watch_trials(board, assignments)
    for worker in workers:
        worker.join(timeout=10)
    assert type(workers[1].error) is Killed
    assert not hasattr(workers[0], "error")
    # Each once, by whichever may.
    trained = [settings(config) for worker in workers for config in worker.runner.trained]
    assert len(trained) == len(set(trained)) == 7
    assert sorted(board.trials) == list(range(7))
    assert {settings(trial.config) for trial in board.trials.values()} == set(trained)
    assert sum(line.startswith("trial ") for line in chief.lines) == 7
    board.finish()
    assert len(rows_of(tmp_path)) == 7


def test_the_budget_of_a_chief_ends_its_search(quick, tmp_path):
    """What is running then ends, and its worker stops."""
    chief = search(tmp_path, RATES, None, max_trials=100)
    board, assignments = chief.board(), chief.assignments()
    board.has_time = lambda: len(board.trials) < 2
    worker = Worker(search(tmp_path, RATES, None, max_trials=100), "first")
    assignments.open()
    worker.start()
    assert watch_trials(board, assignments)
    worker.join(timeout=10)
    assert not worker.is_alive()
    assert not hasattr(worker, "error")
    assert 2 <= len(board.trials) == len(worker.runner.trained) < 10


@pytest.mark.thorough
def test_a_worker_leaves_the_files_to_the_chief(tmp_path):
    """It knows of others' trials only what it reads, and may write after the chief."""
    searched = search(tmp_path, RATES, lambda config: 0.9 - config.dropout, max_trials=4)
    workers = searched.board(are_kept=False)
    searched.run()
    rows = rows_of(tmp_path)
    assert len(rows) == 4
    best = searched.ranking[0].trial
    worst = searched.ranking[-1].trial
    searched.lines.clear()
    workers.add(dataclasses.replace(worst, number=4))
    assert rows_of(tmp_path) == rows
    assert f"best {best.scores['val_accuracy']:.4f} (trial {best.number})" in searched.lines[0]
    # Failures that it alone has seen end no search.
    for number in range(3):
        (searched.trial_files / f"{number:04d}.json").unlink()
    others = searched.board(are_kept=False)
    (searched.trial_files / "0003.json").unlink()
    others.trials.clear()
    for number in range(3):
        others.add(dataclasses.replace(worst, number=number, status="failed", reason="x"))


def test_the_last_worker_waits_for_what_others_have_not_finished(tmp_path):
    first, second = (search(tmp_path, RATES, None, max_trials=1).assignments() for _ in range(2))
    first.open()
    assigned = first.claim("first")
    assert second.claim("second") is NoTrial.FOR_NOW
    assert not second.is_over()
    # Its process is killed, which frees what it holds.
    assigned.lock.release()
    assert not second.is_over()
    again = second.claim("second")
    assert (again.number, dict(again.values)) == (assigned.number, dict(assigned.values))


def test_a_trial_whose_files_were_written_is_not_repeated(tmp_path):
    """Whoever ran it was killed before the log had its end."""
    searched = search(tmp_path, RATES, lambda config: 0.9 - config.dropout, max_trials=2)
    assignments = searched.assignments()
    assignments.open()
    runner = FakeRunner(searched.accuracy, searched.labels)
    assigned = assignments.claim("first")
    trial = searched.trial_runner(runner).run(assigned)
    searched.trial_runner(runner).files.write(trial)
    assigned.lock.release()
    assert assignments.claim("second").number == 1


def test_a_trial_of_a_search_that_started_anew_is_not_counted(tmp_path):
    searched = search(tmp_path, RATES, lambda config: 0.9 - config.dropout, max_trials=9)
    assignments = searched.assignments()
    assignments.open()
    runner = searched.trial_runner(FakeRunner(searched.accuracy, searched.labels))
    slow = runner.run(assignments.claim("slow"))
    (tmp_path / "tuning/events.jsonl").unlink()
    assignments.finish(slow)
    assert not (tmp_path / "tuning/events.jsonl").exists()


def test_a_worker_without_a_chief_gives_up(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_TO_WAIT_FOR_CHIEF", -math.inf)
    assignments = search(tmp_path, RATES, None).assignments()
    with pytest.raises(KerastlError) as refused:
        wait_for_chief(assignments.is_open, run_dir="x")
    assert str(refused.value) == (
        "run_dir='x': no search is open here. Start the same command with "
        "KERASTUNER_TUNER_ID=chief; it continues the search."
    )
