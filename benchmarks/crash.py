"""Kills a small run at random moments, repeats its command until it ends, and compares the endings.

    python benchmarks/crash.py --kills=100

First the run is made once without a kill. Then runs are begun, each in an empty directory with an
empty cache, and killed by SIGKILL after a random time, up to three times in a row; the last command
is left to end. Weights, predictions, metrics, splits and the history, its seconds aside, must be
what they were without a kill, to the last bit. Prints a Markdown table: what the run was doing when
it was killed, how often, and how many of these runs ended in the same.

Flags behind `--` replace those of the run, as in `-- --finetune_epochs=0 --head=solved`. Every
command runs in a process of its own, split off from one that has imported TensorFlow and no more.
"""

import argparse
import collections
import contextlib
import csv
import hashlib
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import keras  # noqa: F401  see above
import tensorflow as tf  # noqa: F401

from kerastl.commands import train
from kerastl.commands.guard import guard

_FLAGS = (
    *("--dataset=digits", "--examples_per_class=10", "--test_fraction=0.05"),
    *("--validation_fraction=0.05", "--weights=bundled", "--batch_size=25", "--dropout=0.2"),
    *("--head_epochs=15", "--head_learning_rate=0.003", "--finetune_epochs=8"),
    *("--finetune_learning_rate=0.0005", "--unfreeze_from=block_13", "--optimizer=adamw"),
    *("--class_weights=balanced", "--parity_images=20"),
)
_FILES = ("metrics.json", "predictions.csv", "splits.csv")
# The last line that a stage has printed -> what comes after it.
_STAGES = (
    (r"^Done in", "the end"),
    (r"stored features and the whole|^Mirror|^Head fitted", "saving and export"),
    (r"^Best:|validation accuracy of the result|^Going on after", "evaluation"),
    (r"^finetune|finetune phase", "fine-tuning"),
    (r"^head|head phase|first loss", "the head"),
    (r"^Frozen part|^Computed", "the pass"),
    (r"", "start and audit"),
)
_MOST_IN_A_ROW = 3


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        flags = [*_FLAGS, *given.flags]
        seconds, expected = _reference(folder / "whole", flags)
        kills: collections.Counter[str] = collections.Counter()
        same: collections.Counter[str] = collections.Counter()
        runs = good = 0
        while kills.total() < given.kills:
            place = folder / f"run{runs}"
            stages: list[str] = []
            is_same = (
                _killed(place, flags, rng, seconds, stages) == 0 and _ending(place) == expected
            )
            runs, good = runs + 1, good + is_same
            kills.update(stages)
            same.update(stages * is_same)
            sys.stderr.write(f"{runs} runs, {good} the same: {', '.join(stages) or 'no kill'}\n")
            if is_same:
                shutil.rmtree(place)
            else:
                shutil.copytree(place, f"different{runs}")
    print(f"{kills.total()} kills of {runs} runs of {seconds:.0f} s: {good} ended in the same.\n")
    print("| killed in | kills | ended in the same |\n| :-- | --: | --: |")
    for stage in (name for _, name in reversed(_STAGES)):
        if kills[stage]:
            print(f"| {stage} | {kills[stage]} | {same[stage]} |")


def _reference(place: pathlib.Path, flags: Sequence[str]) -> tuple[float, tuple[str, ...]]:
    started = time.monotonic()
    if _run(place, flags) != 0:
        sys.exit((place / "log").read_text())
    return time.monotonic() - started, _ending(place)


def _killed(
    place: pathlib.Path,
    flags: Sequence[str],
    rng: random.Random,
    seconds: float,
    stages: list[str],
) -> int:
    """Begins a run, kills it once or more, and lets it end; returns its exit code.

    `stages` gets what it was doing at each kill.
    """
    for _ in range(rng.randint(1, _MOST_IN_A_ROW)):
        code = _run(place, flags, kill_after=rng.uniform(0, seconds))
        if code >= 0:
            return code
        last = (place / "log").read_text().strip().rpartition("\n")[2]
        stages.append(next(stage for pattern, stage in _STAGES if re.search(pattern, last)))
    return _run(place, flags)


def _run(place: pathlib.Path, flags: Sequence[str], *, kill_after: float | None = None) -> int:
    """Runs the command; returns its exit code, negative if it was killed."""
    place.mkdir(exist_ok=True)
    child = os.fork()
    if not child:
        os.setpgrp()
        log = os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        paths = [f"--{name}={place}/{name}" for name in ("run_dir", "cache_dir", "export_dir")]
        code = guard(
            lambda output: train.COMMAND.call(train.COMMAND.read([*flags, *paths]), output)
        )
        os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _ending(place: pathlib.Path) -> tuple[str, ...]:
    """Hashes all that a run ends in."""
    run_dir = place / "run_dir"
    with (run_dir / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    weights = hashlib.sha256()
    with (
        zipfile.ZipFile(run_dir / "model.keras") as archive,
        archive.open("model.weights.h5") as inner,
        h5py.File(inner) as values,
    ):
        values.visititems(
            lambda name, one: (
                weights.update(name.encode() + one[()].tobytes())
                if isinstance(one, h5py.Dataset)
                else None
            )
        )
    files = [hashlib.sha256((run_dir / name).read_bytes()).hexdigest() for name in _FILES]
    return (weights.hexdigest(), repr(rows), *files)


if __name__ == "__main__":
    main()
