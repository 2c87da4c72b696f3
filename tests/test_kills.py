"""Runs that are killed by SIGKILL, once or again and again, end as one that nobody kills."""

import json
import os
import subprocess
import sys

import pytest

import fakes
from command_line import REPOSITORY
from endings import differences

# What a run has printed -> a file that it then touches, at the how-maniest time it is killed. Each
# kill hits the run that the one before has left.
KILLS = [
    ("Layout", "pictures/", 20),  # the audit
    ("Layout", "cache_dir/", 3),
    ("Frozen part", "cache_dir/", 5),  # the pass
    ("head 1/3", r"checkpoints/.*\.npz", 1),
    ("head phase: 3", r"checkpoints/.*\.npz", 3),
    ("finetune 1/2", "history", 1),
    ("Best", "class_scores", 1),  # evaluation
    ("Check passed: stored", "export_dir", 20),
    ("Check passed: stored", "receipt", 3),  # after the export has been moved into place
    ("Exported", "report", 1),
]
FLAGS = [
    *("--backbone=TinyNet", f"--image_size={fakes.IMAGE_SIZE}", "--batch_size=8"),
    *("--head_epochs=3", "--finetune_epochs=2", "--finetune_learning_rate=0.01"),
    *("--test_fraction=0.2", "--dropout=0.3", "--optimizer=adamw"),
]

# Splits off a process for each command from one that has imported TensorFlow and not started it.
SCRIPT = """
import json, os, pathlib, re, sys
import pytest
import fakes, killing
from kerastl.commands import train
from kerastl.commands.guard import guard
import kerastl.run

patch = pytest.MonkeyPatch()
fakes.install_tiny_net(patch)
fakes.open_in_this_process(patch)
folder, flags, kills = pathlib.Path(sys.argv[1]), *map(json.loads, sys.argv[2:])

def run(place, printed="", file="", left=0):
    place.mkdir(exist_ok=True)
    log = place / "log"
    paths = [f"--{name}={place / name}" for name in ("run_dir", "cache_dir", "export_dir")]

    def see(event, path, is_change):
        nonlocal left
        if file and path != str(log) and re.search(file, path) and printed in log.read_text():
            left -= 1
            if not left:
                killing.kill(os.getpid(), with_children=False)

    def command():
        killing.watch_files(see)
        given = train.COMMAND.read([*flags, *paths])
        return guard(lambda output: train.COMMAND.call(given, output))

    code = killing.end_of(killing.split_off(command, log))
    print(json.dumps([code, log.read_text()]), flush=True)

run(folder / "whole")
for kill in kills:
    run(folder / "killed", *kill)
run(folder / "killed")
"""


def write_pictures(folder):
    source = fakes.color_source(noise=120.0)
    for index, label in enumerate(source.labels):
        path = folder / source.class_names[label] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read(index))


def environment():
    paths = (REPOSITORY, REPOSITORY / "tests", REPOSITORY / "benchmarks")
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}


@pytest.mark.thorough
def test_ten_runs_that_are_killed_at_random_end_as_one_that_nobody_kills(tmp_path):
    outcomes = tmp_path / "outcomes.jsonl"
    script = str(REPOSITORY / "benchmarks" / "crash.py")
    given = ("--endings=10", "--in_a_row=1", f"--outcomes={outcomes}")
    subprocess.run([sys.executable, script, *given], env=environment(), check=True)
    killed = [one for one in map(json.loads, outcomes.read_text().splitlines()) if one["kills"]]
    assert [(one["number"], one["different"]) for one in killed if one["different"]] == []
    assert len(killed) >= 10
    # All but what may be over first.
    assert {kill["wanted"] for one in killed for kill in one["kills"]} >= {
        *("start and audit", "the pass", "the head", "a checkpoint", "fine-tuning", "evaluation"),
        *("the other seed", "saving and export"),
    }


@pytest.mark.thorough
def test_run_that_is_killed_ten_times_in_a_row_ends_as_one_that_nobody_kills(tmp_path):
    write_pictures(tmp_path / "pictures")
    weights = fakes.write_tiny_weights(tmp_path / "tiny.weights.h5")
    flags = [f"--dataset=folder:{tmp_path}/pictures", f"--weights={weights}", *FLAGS]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), json.dumps(flags), json.dumps(KILLS)],
        env=environment() | {"KERAS_BACKEND": "tensorflow"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [code for code, _ in runs] == [0, *[-9] * len(KILLS), 0], runs
    assert differences(tmp_path / "whole" / "run_dir", tmp_path / "killed" / "run_dir") == []
    assert "Exported" in runs[-1][1]
