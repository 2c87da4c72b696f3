"""Compares the files of a run with those of another one that should be the same."""

import csv
import dataclasses
import functools
import itertools
import json
import pathlib
import re
import zipfile
from collections.abc import Callable, Iterator

import h5py
import numpy as np

from kerastl.errors import DAMAGED, UsageError, first_line, printable
from kerastl.outputs.directories import CHECKPOINT, RunFile, read_config, read_json
from kerastl.outputs.environments import Content, flatten
from kerastl.settings import RESULT

# How two files are compared: in words what differs first.
Compare = Callable[[pathlib.Path, pathlib.Path], str]
# What a repeated run takes from the first one.
_SPLITS = "splits_from"
_FIXES = "fixes"
_ONLY_OF_FLAGS = f"directories, exports, {_SPLITS} and {_FIXES}"
# Of the card: flags and versions are compared elsewhere, and the fingerprint is of the flags too.
_CARD = ("fingerprint", "flags", "versions")
_SECONDS = "seconds"
_WEIGHTS = "model.weights.h5"
# Of a .keras file: when it was saved, by which Keras, and where its objects were in memory.
_METADATA, _ADDRESS = "metadata.json", "shared_object_id"
# Keras counts the layers of a process that have no name of their own.
_NUMBER = re.compile(r"_\d+$")
_ONLY_OF_MODEL = "the date, addresses in memory and numbers behind names"


@dataclasses.dataclass(frozen=True)
class Compared:
    """A file of two runs.

    Attributes:
        name: Its name.
        difference: The first difference, in words; empty where there is none.
        left_out: What of it was not compared, in words; empty if all of it was.
    """

    name: str
    difference: str
    left_out: str

    def __str__(self) -> str:
        """Formats the result."""
        aside = f", {self.left_out} aside" if self.left_out else ""
        return f"differs: {self.difference}" if self.difference else f"identical{aside}"


def compare_files(first: pathlib.Path, other: pathlib.Path) -> Iterator[Compared]:
    """Compares each file of a finished run with that of another one, given their directories.

    What only the other has does not count: a later version of kerastl may write more.
    """
    for name, (compare, left_out) in _FILES.items():
        if (first / name).exists():
            yield Compared(name, _differ(first / name, other / name, compare), left_out)


def _differ(first: pathlib.Path, other: pathlib.Path, compare: Compare) -> str:
    if not other.exists():
        return "it is missing"
    try:
        return compare(first, other)
    except (*DAMAGED, UsageError) as error:
        return f"one of the two cannot be read ({first_line(error)})"


def _compare_tables(first: pathlib.Path, other: pathlib.Path) -> str:
    with (
        first.open(encoding="utf-8", newline="") as one,
        other.open(encoding="utf-8", newline="") as two,
    ):
        pairs = itertools.zip_longest(csv.DictReader(one), csv.DictReader(two))
        for number, (row, now) in enumerate(pairs, start=1):
            if row is None or now is None:
                return f"row {number} is only in {first if now is None else other}"
            for column, before in row.items():
                if column != _SECONDS and now.get(column) != before:
                    key = printable(next(iter(row.values())))
                    return f"row {number} ({key}), {column}: {now.get(column)}, was {before}"
    return ""


def _compare_contents(
    first: pathlib.Path, other: pathlib.Path, *, read: Callable[[pathlib.Path], Content]
) -> str:
    now = dict(read(other))
    for place, before in read(first):
        if place not in now:
            return f"{place} is missing"
        if isinstance(before, np.ndarray):
            if words := _compare_arrays(before, np.asarray(now[place])):
                return f"{place}: {words}"
        elif now[place] != before:
            return f"{place}: {now[place]}, was {before}"
    return ""


def _compare_arrays(before: np.ndarray, now: np.ndarray) -> str:
    if (before.dtype, before.shape) != (now.dtype, now.shape):
        return f"{now.dtype} {now.shape}, was {before.dtype} {before.shape}"
    # Bit for bit, so that NaN equals itself.
    if before.tobytes() == now.tobytes():
        return ""
    differs = before != now
    largest = np.max(np.abs(now.astype(np.float64) - before.astype(np.float64)))
    return f"{np.sum(differs)} of {differs.size} values differ, by {largest:.2g} at most"


def _read_flags(path: pathlib.Path) -> Content:
    settings = read_config(path.parent).deciding(*RESULT)
    return (
        (f"--{name}", value) for name, value in settings.items() if name not in (_SPLITS, _FIXES)
    )


def _read_json(path: pathlib.Path, *, aside: tuple[str, ...] = ()) -> Content:
    content = read_json(path.parent, RunFile(path.name))
    return flatten({name: content[name] for name in content if name not in aside})


def _read_known(path: pathlib.Path) -> Content:
    with path.open("rb") as file, np.load(file) as found:
        yield from found.items()


def _read_model(path: pathlib.Path) -> Content:
    """Reads a .keras file without loading the model."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(set(archive.namelist()) - {_WEIGHTS, _METADATA}):
            for place, value in flatten(json.loads(archive.read(name)), name):
                if not place.endswith(f".{_ADDRESS}"):
                    yield place, _NUMBER.sub("", value) if isinstance(value, str) else value
        with archive.open(_WEIGHTS) as file, h5py.File(file) as weights:
            yield from _read_arrays(weights)


def _read_arrays(group: h5py.Group) -> Content:
    for item in group.values():
        if isinstance(item, h5py.Dataset):
            yield f"{_WEIGHTS}{item.name}", np.asarray(item[()])
        else:
            yield from _read_arrays(item)


def _by(read: Callable[[pathlib.Path], Content]) -> Compare:
    return functools.partial(_compare_contents, read=read)


# Every file of a run but those of times: receipt.json, report.html and tensorboard/.
_FILES: dict[str, tuple[Compare, str]] = {
    RunFile.FLAGS: (_by(_read_flags), _ONLY_OF_FLAGS),
    RunFile.SPLITS: (_compare_tables, ""),
    RunFile.FIXES: (_compare_tables, ""),
    RunFile.AUDIT: (_compare_tables, ""),
    RunFile.MISLEADING: (_compare_tables, ""),
    RunFile.SLICES: (_compare_tables, ""),
    RunFile.LABEL_ISSUES: (_compare_tables, ""),
    RunFile.HISTORY: (_compare_tables, _SECONDS),
    CHECKPOINT: (_by(_read_model), _ONLY_OF_MODEL),
    RunFile.MODEL: (_by(_read_model), _ONLY_OF_MODEL),
    RunFile.KNOWN: (_by(_read_known), ""),
    RunFile.METRICS: (_by(_read_json), ""),
    RunFile.PREDICTIONS: (_compare_tables, ""),
    RunFile.MISTAKES: (_compare_tables, ""),
    RunFile.CLASS_SCORES: (_compare_tables, ""),
    RunFile.CONFUSION: (_compare_tables, ""),
    RunFile.CALIBRATION: (_compare_tables, ""),
    RunFile.COVERAGE: (_compare_tables, ""),
    RunFile.HEAT_MAPS: (_compare_tables, ""),
    RunFile.REPEATS: (_compare_tables, ""),
    RunFile.CARD: (_by(functools.partial(_read_json, aside=_CARD)), "flags and versions"),
}
