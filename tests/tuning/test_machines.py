import dataclasses
import socket
import threading
import time

import pytest

from kerastl.errors import KerastlError, UsageError
from kerastl.tuning import machines, oracle
from kerastl.tuning.loop import run_trials
from kerastl.tuning.machines import find_role
from searches import FakeRunner, rows_of, search

RATES = {"head_learning_rate": "log(0.0001,1)", "dropout": "uniform(0,0.5)"}


@pytest.fixture
def address(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
    # Each client reads its own name when it is made.
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "a worker")
    return port


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(machines, "_SECONDS_BETWEEN_CALLS", 0.1)
    monkeypatch.setattr(machines, "_SECONDS_BETWEEN_LOOKS", 0.05)
    monkeypatch.setattr(machines, "_SECONDS_TO_SAY_GOODBYE", 0.1)
    monkeypatch.setattr(oracle, "SECONDS_UNTIL_LOST", 0.8)
    monkeypatch.setattr("kerastl.tuning.loop._SECONDS_BETWEEN_QUESTIONS", 0.05)


class Worker(threading.Thread):
    """A worker whose trials take a moment; one that is dead no longer calls or answers."""

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
        client = machines.connect(self.searched.oracle(board))
        try:
            run_trials(board, client, self.runner, self.role, max_epochs=10)
        except Exception as error:
            self.error = error


@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_workers_share_a_search_and_one_that_is_killed_costs_nothing(
    tuner, address, quick, tmp_path
):
    ranges = RATES if tuner == "random" else {"batch_size": "choice(8,16,32,64,128,256,512)"}

    def part():
        return search(tmp_path, ranges, None, tuner=tuner, max_trials=7)

    chief = part()
    board = chief.board()
    proposes = chief.oracle(board)
    workers = [Worker(part(), "first"), Worker(part(), "second", dies_at=0)]
    for worker in workers:
        worker.start()
    assert not machines.serve(proposes, board.look, board.has_time)
    board.look()
    for worker in workers:
        worker.join(timeout=10)
    assert type(workers[1].error).__name__ == "Killed"
    assert not hasattr(workers[0], "error")
    # Each once, by whom it may.
    asked = [settings(config) for worker in workers for config in worker.runner.asked]
    assert len(asked) == len(set(asked)) == 7
    assert sorted(board.trials) == list(range(7))
    assert {settings(trial.config) for trial in board.trials.values()} == set(asked)
    assert sum(line.startswith("trial ") for line in chief.lines) == 7
    assert len(rows_of(tmp_path)) == 7


def test_the_budget_of_a_chief_ends_its_search(address, quick, tmp_path):
    """What is running then ends, and its worker is told."""
    chief = search(tmp_path, RATES, None, max_trials=100)
    board = chief.board()
    proposes = chief.oracle(board)
    worker = Worker(search(tmp_path, RATES, None, max_trials=100), "first")
    worker.start()
    assert machines.serve(proposes, board.look, lambda: len(board.trials) < 2)
    board.look()
    worker.join(timeout=10)
    assert not worker.is_alive()
    assert not hasattr(worker, "error")
    assert 2 <= len(board.trials) == len(worker.runner.asked) < 10


def test_a_worker_leaves_the_files_to_the_chief(tmp_path):
    """It knows of others' trials only what it reads, and may write after the chief."""
    searched = search(tmp_path, RATES, lambda config: 0.9 - config.dropout, max_trials=4)
    workers = searched.board(are_kept=False)
    searched.run()
    rows = rows_of(tmp_path)
    assert len(rows) == 4
    best = searched.standings[0].trial
    worst = searched.standings[-1].trial
    searched.lines.clear()
    workers.add(dataclasses.replace(worst, number=4))
    assert rows_of(tmp_path) == rows
    assert f"best {best.scores['val_accuracy']:.4f} (trial {best.number})" in searched.lines[0]
    assert workers.num_added == 1
    # Failures that it alone has seen end no search.
    for number in range(3):
        (searched.trial_files / f"{number:04d}.json").unlink()
    others = searched.board(are_kept=False)
    (searched.trial_files / "0003.json").unlink()
    others.trials.clear()
    for number in range(3):
        others.add(dataclasses.replace(worst, number=number, status="failed", reason="x"))


def settings(config):
    return dataclasses.replace(config, run_dir="x", best_by="accuracy")


def test_a_worker_that_was_only_slow_does_not_end_a_trial_twice(tmp_path):
    searched = search(tmp_path, RATES, None, max_trials=2)
    proposes = searched.oracle(searched.board())
    slow = proposes.create_trial("slow")
    proposes._heard["slow"] -= 100
    assert proposes.release_lost() == ["slow"]
    quick = proposes.create_trial("quick")
    assert quick.trial_id == slow.trial_id
    for accuracy in (0.7, 0.2):
        proposes.update_trial("0000", {"val_accuracy": accuracy})
        quick.status = "COMPLETED"
        proposes.end_trial(quick)
    assert proposes.end_order == ["0000"]
    assert proposes.trials["0000"].score == 0.7
    assert proposes.create_trial("quick").trial_id == "0001"


def test_the_last_worker_waits_for_what_others_have_not_finished(tmp_path):
    searched = search(tmp_path, RATES, None, max_trials=1)
    proposes = searched.oracle(searched.board())
    assert proposes.create_trial("first").status == "RUNNING"
    assert proposes.create_trial("second").status == "IDLE"
    assert not proposes.is_over()
    proposes._heard["first"] -= 100
    proposes.release_lost()
    assert proposes.create_trial("second").trial_id == "0000"


def test_a_port_that_is_taken_is_one_line(address, tmp_path):
    searched = search(tmp_path, RATES, None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", address))
        taken.listen()
        with pytest.raises(KerastlError) as refused:
            machines.serve(searched.oracle(searched.board()), lambda: None, lambda: True)
    assert str(refused.value) == (
        f"KERASTUNER_ORACLE_PORT={address}: nothing can listen at 127.0.0.1:{address}. Choose "
        "another port or end what listens there."
    )


def test_roles_are_those_of_keras_tuners_variables():
    names = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")
    values = dict(zip(names, ("127.0.0.1", "8000", "chief"), strict=True))
    assert machines.is_chief(find_role(values))
    assert machines.is_worker(find_role(values | {names[2]: "tuner7"}))
    alone = find_role({})
    assert not machines.is_chief(alone)
    assert not machines.is_worker(alone)
    # The name alone, as keras-tuner takes it, is no search on several machines.
    assert find_role({names[2]: "chief"}) == alone
    for missing in names:
        if missing != names[2]:
            partial = {name: value for name, value in values.items() if name != missing}
            with pytest.raises(
                UsageError, match=f"^{missing}='': is not set, as KERASTUNER_ORACLE"
            ):
                find_role(partial)
    with pytest.raises(UsageError, match=r"^KERASTUNER_TUNER_ID='': is not set"):
        find_role({name: values[name] for name in names[:2]})
