"""Kills small runs at random points, repeats their command until each ends, compares the endings.

    python benchmarks/crash.py --endings=100 --outcomes=crash.jsonl

First the run is made once without a kill. Then runs are begun, each in an empty directory with an
empty cache, and killed by SIGKILL: three of four runs once, the others up to ten times in a row
(`--in_a_row`). The last command is left to end. What is counted is such endings:
`tests/endings.py` compares each with that of the run that nobody killed, to the last bit. A run
that ended before its first kill does not count.

As many runs as there are cores are tried at a time (`--processes`). Each run is killed in one of
its stages, which take turns, and where it is killed more often in others by chance. A kill hits its
stage in one of two ways: at one of the files that the stage makes, moves or removes, just before
the system would do it; or after a part of the time that the stage takes. So a stage of a few
milliseconds is hit as often as a long one. Half of the kills hit the processes that the run has
started, too.

A line for each ending reports what happened and how long the rest may take. Every outcome is added
to a file of JSON lines, from which the same command goes on. Flags behind `--` replace those of the
run, as in `-- --finetune_epochs=0 --head=solved`. Every command runs in a process of its own, split
off from one that has only imported modules. The network is that of the tests, of eight layers, so
that most of a run is kerastl's own work.
"""

import argparse
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
import keras  # noqa: F401  see above
import killing
import pytest
import tensorflow as tf
from pages import publish

import endings
import fakes
import kerastl.run
from kerastl.commands import train
from kerastl.commands.guard import guard
from kerastl.data.builtin import read_digits
from kerastl.outputs.receipt import device_names
from kerastl.resources import usable_cores
from kerastl.version import VERSION

_FLAGS = (
    *("--validation_fraction=0.2", "--test_fraction=0.2", "--backbone=TinyNet", "--image_size=16"),
    *("--head_epochs=5", "--head_learning_rate=0.05", "--finetune_epochs=4", "--batch_size=25"),
    *("--finetune_learning_rate=0.02", "--unfreeze_from=block2", "--optimizer=adamw"),
    *("--dropout=0.2", "--class_weights=balanced", "--repeats=2"),
)
_NUM_IMAGES = 250
# The last line that a stage has printed -> what comes after it.
_STAGES = (
    (r"^Report", "the end"),
    (r"^Exported", "the end"),
    (r"^seed .* validation accuracy", "saving and export"),
    (r"^Repeats|^seed .* going on", "the other seed"),
    (r"^Best:|^Going on after|validation accuracy of the result", "evaluation"),
    (r"^finetune|^Going on .* finetune", "fine-tuning"),
    (r"^head|^Class weights|first loss|^Going on .* head|head epochs on", "the head"),
    (r"^Computed|all in the store|^Frozen part", "the pass"),
    (r"", "start and audit"),
)
_CHECKPOINT = "a checkpoint"
# In which a run goes through them; most checkpoints are written from the fourth on.
_ORDER = (
    *("start and audit", "the pass", "the head", _CHECKPOINT, "fine-tuning", "evaluation"),
    *("the other seed", "saving and export", "the end"),
)
_ONCE = 3 / 4
# Every so many runs, the first included, open their exports in a fresh process, as users' do.
_FRESH = 4
_SECONDS_BETWEEN_LOOKS = 0.01
# A kill at a file comes so much after its change began, half of the time: a write takes as long.
_SECONDS_OF_WRITE = 0.01
_DIRECTORIES = ("run_dir", "cache_dir", "export_dir")


@dataclasses.dataclass(frozen=True)
class _Run:
    """A run: where, of which flags, and whether a fresh process opens its exports."""

    place: pathlib.Path
    flags: Sequence[str]
    is_fresh: bool = True


@dataclasses.dataclass(frozen=True)
class _Kill:
    """When to kill: at a change of a file of a stage, or a share of the way through it.

    Attributes:
        stage: The stage.
        at_file: Which change of a file in it; None for a time.
        share: Of the stage's time, or of `_SECONDS_OF_WRITE` after the change.
        with_children: Whether the processes that the run has started are killed too.
    """

    stage: str
    at_file: int | None
    share: float
    with_children: bool


@dataclasses.dataclass(frozen=True)
class _Reference:
    """The run without a kill: its directory; what each stage takes, and how many changes."""

    run_dir: pathlib.Path
    seconds: dict[str, float]
    changes: dict[str, int]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--endings", type=int, default=100, help="of runs that were killed")
    parser.add_argument("--processes", type=int, default=usable_cores(), help="runs at a time")
    parser.add_argument("--in_a_row", type=int, default=10, help="most kills of a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--outcomes", type=pathlib.Path, default=pathlib.Path("crash.jsonl"))
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        _write_pictures(folder / "pictures")
        flags = [
            *(f"--dataset=folder:{folder}/pictures", f"--weights={folder}/tiny.weights.h5"),
            *(*_FLAGS, *given.flags),
        ]
        fakes.install_tiny_net(pytest.MonkeyPatch())
        # In another process: one that has computed something cannot be split.
        weights = functools.partial(fakes.write_tiny_weights, folder / "tiny.weights.h5")
        killing.end_of(killing.split_off(lambda: not weights(), folder / "log"))
        reference = _make_reference(folder / "whole", flags)
        _in_processes(
            given.processes, lambda first: _try_runs(first, given, folder, flags, reference)
        )
    print(_table(_read(given.outcomes), sum(reference.seconds.values())))


def _in_processes(count: int, work: Callable[[int], None]) -> None:
    """Calls a function with 0, 1 and so on, each in a process of its own, and waits for all."""
    processes = []
    for number in range(count):
        processes.append(os.fork())
        if not processes[-1]:
            try:
                work(number)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            # What else is to be done at the end is for the first process.
            os._exit(0)
    codes = [killing.end_of(process) for process in processes]
    if any(codes):
        sys.exit("A process failed; the same command goes on.")


def _try_runs(
    first: int,
    given: argparse.Namespace,
    folder: pathlib.Path,
    flags: Sequence[str],
    reference: _Reference,
) -> None:
    """Tries runs until there are enough endings; other processes try runs of other numbers."""
    began, before = time.monotonic(), len(_endings(_read(given.outcomes)))
    while len(_endings(outcomes := _read(given.outcomes))) < given.endings:
        tried = {outcome["number"] for outcome in outcomes}
        number = next(n for n in itertools.count(first, given.processes) if n not in tried)
        run = _Run(folder / f"run{number}", flags, is_fresh=number % _FRESH == 0)
        rng = random.Random(f"{given.seed}/{number}")
        stages = _choose_stages(number, rng, in_a_row=given.in_a_row)
        outcome = {"number": number, **_try_run(run, stages, rng, reference)}
        with given.outcomes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome) + "\n")
        if outcome["same"]:
            shutil.rmtree(run.place)
        else:
            shutil.copytree(run.place, given.outcomes.with_name(f"different{number}"))
        if outcome["kills"]:
            ended = _endings(_read(given.outcomes))
            each = (time.monotonic() - began) / (len(ended) - before)
            _report(outcome, ended, given.endings, each * (given.endings - len(ended)))


def _report(
    outcome: Mapping[str, Any], ended: Sequence[Mapping[str, Any]], wanted: int, seconds: float
) -> None:
    where = ", ".join(kill["stage"] for kill in outcome["kills"])
    how = "the same" if outcome["same"] else f"DIFFERENT: {'; '.join(outcome['different'])}"
    same = sum(one["same"] for one in ended)
    sys.stderr.write(
        f"{len(ended)} of {wanted}: killed in {where}; {how}. {same} the same so far, about "
        f"{max(0, seconds) / 60:.0f} minutes left.\n"
    )


def _write_pictures(folder: pathlib.Path) -> None:
    digits = read_digits()
    for index in range(_NUM_IMAGES):
        place = folder / digits.class_names[digits.labels[index]] / f"{index}.bmp"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(digits.read(index))


def _make_reference(place: pathlib.Path, flags: Sequence[str]) -> _Reference:
    if _execute(_Run(place, flags)) != 0:
        sys.exit((place / "log").read_text())
    changes: dict[str, int] = {}
    seconds: dict[str, float] = {}
    last = 0.0
    for line in (place / "stages").read_text().splitlines():
        stage, after = line.split("\t")
        changes[stage] = changes.get(stage, 0) + 1
        seconds[stage] = seconds.get(stage, 0.0) + float(after) - last
        last = float(after)
    return _Reference(place / "run_dir", seconds, changes)


def _choose_stages(number: int, rng: random.Random, *, in_a_row: int) -> list[str]:
    """Chooses in which stages the run of a number is killed, in their order."""
    more = 0 if in_a_row == 1 or rng.random() < _ONCE else rng.randint(1, in_a_row - 1)
    stages = [_ORDER[number % len(_ORDER)], *rng.choices(_ORDER, k=more)]
    return sorted(stages, key=_ORDER.index)


def _try_run(
    run: _Run, stages: Sequence[str], rng: random.Random, reference: _Reference
) -> dict[str, Any]:
    """Begins a run, kills it in each of some stages, and lets it end; returns what happened."""
    kills: list[dict[str, str]] = []
    for stage in stages:
        is_at_file = stage == _CHECKPOINT or rng.random() < 1 / 2
        kill = _Kill(
            stage,
            rng.randint(1, reference.changes[stage]) if is_at_file else None,
            rng.random(),
            rng.random() < 1 / 2,
        )
        if _execute(run, kill, reference.seconds[stage]) >= 0:
            break  # It has ended first.
        hit, _, where = (run.place / "killed").read_text().partition("\t")
        how = "file" if where else "time"
        kills.append({"wanted": stage, "stage": hit, "how": how, "where": where})
    code = _execute(run)
    log = (run.place / "log").read_text()
    is_over = code == 0 or (code == 2 and "holds a finished run" in log)  # noqa: PLR2004
    if is_over:
        different = endings.differences(reference.run_dir, run.place / "run_dir")
    else:
        different = [log.strip().rpartition("\n")[2]]
    return {
        "version": VERSION,
        "kills": kills,
        "code": code,
        "same": not different,
        "different": different,
    }


def _execute(run: _Run, kill: _Kill | None = None, seconds: float = 0.0) -> int:
    """Runs the command; returns its exit code, negative if it was killed."""
    place = run.place
    place.mkdir(exist_ok=True)
    (place / "log").unlink(missing_ok=True)
    paths = [f"--{name}={place}/{name}" for name in _DIRECTORIES]

    def command() -> int:
        if not run.is_fresh:
            fakes.open_in_this_process(pytest.MonkeyPatch())
        _watch_changes(place, kill)
        return guard(
            lambda output: train.COMMAND.call(train.COMMAND.read([*run.flags, *paths]), output)
        )

    process = killing.split_off(command, place / "log")
    if kill and kill.at_file is None:
        _wait_for(place, kill.stage, process)
        time.sleep(seconds * kill.share)
        (place / "killed").write_text(_stage(place))
        with contextlib.suppress(ProcessLookupError):
            killing.kill(process, with_children=kill.with_children)
    return killing.end_of(process)


def _wait_for(place: pathlib.Path, stage: str, process: int) -> None:
    """Waits until a stage has begun, or one after it, or the process has ended."""
    while _ORDER.index(_stage(place)) < _ORDER.index(stage) and not os.waitid(
        os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT
    ):
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _watch_changes(place: pathlib.Path, kill: _Kill | None) -> None:
    """Notes each change of a file of this process, and kills it at the one that is wanted."""
    began = time.monotonic()
    stages = (place / "stages").open("w", encoding="utf-8", buffering=1)
    watched = tuple(f"{place}/{name}" for name in _DIRECTORIES)
    done, is_hit = 0, False

    def see(event: str, path: str, is_change: bool) -> None:
        nonlocal done, is_hit
        if not (is_change and path.startswith(watched)):
            return
        stage = _CHECKPOINT if "/checkpoints" in path else _stage(place)
        stages.write(f"{stage}\t{time.monotonic() - began}\n")
        if kill is None or kill.at_file is None or is_hit:
            return
        done += stage == kill.stage
        if done == kill.at_file or _is_past(stage, kill.stage):
            is_hit = True
            (place / "killed").write_text(f"{stage}\t{event} {path.removeprefix(str(place))}")
            now = functools.partial(killing.kill, os.getpid(), with_children=kill.with_children)
            if kill.share < 1 / 2:
                now()
            threading.Timer(_SECONDS_OF_WRITE * (kill.share - 1 / 2), now).start()

    killing.watch_files(see)


def _is_past(stage: str, wanted: str) -> bool:
    """Whether a stage comes after the wanted one, in which an earlier kill has left less to do."""
    if _CHECKPOINT in (stage, wanted):
        # They are written in several stages.
        return wanted == _CHECKPOINT and _ORDER.index(stage) > _ORDER.index("the other seed")
    return _ORDER.index(stage) > _ORDER.index(wanted)


def _stage(place: pathlib.Path) -> str:
    """Names the stage of a run by the last line that it has printed."""
    try:
        lines = (place / "log").read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    # A line that no stage begins with belongs to that of the lines before it.
    for line in reversed(lines):
        for pattern, stage in _STAGES[:-1]:
            if re.search(pattern, line):
                return stage
    return _STAGES[-1][1]


def _read(outcomes: pathlib.Path) -> list[dict[str, Any]]:
    with contextlib.suppress(FileNotFoundError):
        return [json.loads(line) for line in outcomes.read_text("utf-8").splitlines()]
    return []


def _endings(outcomes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Selects the outcomes of runs that were killed."""
    return [outcome for outcome in outcomes if outcome["kills"]]


def _table(outcomes: Sequence[dict[str, Any]], seconds: float) -> str:
    ended = _endings(outcomes)
    kills = [(kill, outcome["same"]) for outcome in ended for kill in outcome["kills"]]
    several = sum(len(outcome["kills"]) > 1 for outcome in ended)
    same = sum(outcome["same"] for outcome in ended)
    lines = [
        f"{len(ended)} runs that were killed, {len(ended) - several} of them once and {several} "
        f"several times in a row: {len(kills)} kills. **{same} of the {len(ended)} ended in the "
        f"same.** kerastl {VERSION}, TensorFlow {tf.__version__}, {usable_cores()} cores of "
        f"{device_names()[0]}; a run that nobody kills took {seconds:.0f} s.",
        "",
        "| killed in | kills at a file | kills at a time | in runs that ended in the same |",
        "| :-- | --: | --: | --: |",
    ]
    for stage in _ORDER:
        here = [(kill["how"], is_same) for kill, is_same in kills if kill["stage"] == stage]
        at_file = sum(how == "file" for how, _ in here)
        good = sum(is_same for _, is_same in here)
        lines.append(f"| {stage} | {at_file} | {len(here) - at_file} | {good} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    assert kerastl.run  # Imported once for all commands.
    publish(main, __file__)
