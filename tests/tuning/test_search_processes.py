"""Searches as their users start them, some of whose processes are killed."""

import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import pytest

pytestmark = pytest.mark.slow

WEIGHTS, SPACE = "mobilenet.weights.h5", "space.flags"
PACKAGE_PARENT = pathlib.Path(__file__).parents[2]
FLAGS = (
    "--dataset=digits",
    "--examples_per_class=6",
    "--backbone=MobileNet",
    "--image_size=32",
    "--batch_size=4",
    "--head_epochs=20",
    "--nofinal_run",
    "--max_trials=4",
)


class Search:
    """A command in a process of its own, whose output goes to a file."""

    def __init__(self, folder, name, **variables):
        self.tuning = folder / "run" / "tuning"
        self._output = folder / f"{name}.txt"
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), **variables}
        with self._output.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "kerastl.tune", *FLAGS),
                    f"--run_dir={folder / 'run'}",
                    f"--cache_dir={folder / 'cache'}",
                    f"--weights={folder / WEIGHTS}",
                    f"--search_space={folder / SPACE}",
                ],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def printed(self):
        return self._output.read_text(encoding="utf-8")

    def kill(self):
        """Kills it; returns the processes that it had started."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return children

    def finish(self):
        assert self.process.wait(timeout=400) == 0, self.printed
        return self.printed


@pytest.fixture
def start(tmp_path):
    network = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(32, 32, 3), name="mobilenet"
    )
    network.save_weights(tmp_path / WEIGHTS)
    (tmp_path / SPACE).write_text("--head_learning_rate=log(0.001,0.1)\n", encoding="utf-8")
    searches = []

    def start(name, **variables):
        searches.append(Search(tmp_path, name, **variables))
        return searches[-1]

    yield start
    for search in searches:
        search.process.kill()
        search.process.wait()


def wait_for(is_so, *searches):
    for _ in range(4000):
        if is_so():
            return
        for search in searches:
            assert search.process.poll() is None, search.printed
        time.sleep(0.05)
    raise AssertionError([search.printed for search in searches])


def events_of(tuning, kind):
    path = tuning / "events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def rows_of(tuning):
    with open(tuning / "trials.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_that_is_killed_in_its_second_trial_goes_on(start):
    first = start("first")
    trials = first.tuning / "trials"
    wait_for((trials / "0001.log").exists, first)
    children = first.kill()
    assert not (trials / "0001.json").exists()
    # What trained does not outlive the search.
    assert children
    wait_for(lambda: not any(pathlib.Path("/proc", pid).exists() for pid in children))
    begun = events_of(first.tuning, "begun")[1]
    kept = (trials / "0000.json").read_bytes()
    again = start("again")
    printed = again.finish()
    assert f"1 trial found in {again.tuning}, 3 left. --overwrite starts over." in printed
    assert (trials / "0000.json").read_bytes() == kept
    lines = [line for line in printed.splitlines() if line.startswith("trial ")]
    assert [line.split()[1] for line in lines] == ["1", "2", "3"]
    rows = {row["trial"]: row for row in rows_of(again.tuning)}
    assert sorted(rows) == ["0", "1", "2", "3"]
    rate = begun["values"]["head_learning_rate"]
    assert float(rows["1"]["head_learning_rate"]) == pytest.approx(rate, rel=1e-3)
    # And once more there is nothing to do.
    assert "4 trials found in" in start("third").finish()
    for name in ("Traceback", "Warning", "Running Trial"):
        assert name not in first.printed + printed


def test_a_chief_and_two_workers_of_which_one_is_killed(start):
    def part(name):
        return start(
            name,
            KERASTUNER_ORACLE_IP="127.0.0.1",
            KERASTUNER_ORACLE_PORT="8000",
            KERASTUNER_TUNER_ID=name,
        )

    chief = part("chief")
    wait_for(lambda: "Waiting for workers" in chief.printed, chief)
    worker, victim = part("worker"), part("victim")
    trials = victim.tuning / "trials"

    def running():
        ended = {event["number"] for event in events_of(victim.tuning, "ended")}
        return [
            event["number"]
            for event in events_of(victim.tuning, "begun")
            if event["worker"] == "victim" and event["number"] not in ended
        ]

    wait_for(
        lambda: any((trials / f"{number:04d}.log").exists() for number in running()),
        *(chief, worker, victim),
    )
    victim.kill()
    (number,) = running()
    assert not (trials / f"{number:04d}.json").exists()
    printed, reported = worker.finish(), chief.finish()
    others = sum(line.startswith("trial ") for line in victim.printed.splitlines())
    assert f"worker has run {4 - others} trial" in printed
    lines = [line.split()[1] for line in reported.splitlines() if line.startswith("trial ")]
    assert sorted(lines) == ["0", "1", "2", "3"]
    assert sorted(row["trial"] for row in rows_of(chief.tuning)) == ["0", "1", "2", "3"]
    assert {row["status"] for row in rows_of(chief.tuning)} == {"completed"}
    for name in ("Traceback", "Warning", "Running Trial"):
        assert name not in reported + printed + victim.printed
