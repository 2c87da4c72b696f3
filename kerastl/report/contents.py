"""What is read of a run's directory: all that is there, be the run finished or not."""

import collections
import csv
import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kerastl.config import Config
from kerastl.data import splits_file
from kerastl.data.fixes_file import Fix
from kerastl.data.labels import order_classes
from kerastl.errors import DAMAGED, UsageError, bad_value, first_line
from kerastl.outputs.directories import RunFile, read_config, read_json
from kerastl.outputs.heat_maps import HEADER as HEAT_MAPS
from kerastl.outputs.heat_maps import HeatMap, read_heat_map
from kerastl.outputs.mistakes_file import HEADER as MISTAKES
from kerastl.outputs.unfinished import GIVEN
from kerastl.report.predictions import Predictions, read_predictions
from kerastl.split_names import TEST
from kerastl.training.pace import UNDECIDED
from kerastl.training.slices import HEADER as SLICES

Part = TypeVar("Part")
Other = TypeVar("Other")
Row = Mapping[str, str]
# Of these one is there as soon as a run has looked at its data.
_FIRST = (RunFile.FLAGS, RunFile.AUDIT, RunFile.STOPPED_AUDIT)
# Of a finding; those of earlier versions have no hashes.
_FINDINGS = ("file", "kind", "detail", "other")
# The columns that the page needs.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    RunFile.HISTORY: ("phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"),
    RunFile.SPLITS: splits_file.NAMED,
    RunFile.AUDIT: _FINDINGS,
    RunFile.STOPPED_AUDIT: _FINDINGS,
    RunFile.FIXES: Fix._fields,
    RunFile.MISLEADING: ("fact", "class_name", "num_images", "explained", "auc"),
    # Those of earlier versions have no names.
    RunFile.SLICES: tuple(name for name in SLICES if name != "name"),
    RunFile.HEAT_MAPS: HEAT_MAPS,
    RunFile.MISTAKES: MISTAKES,
    RunFile.LABEL_ISSUES: ("example", "class_name", "probability", "likelier", "its_probability"),
}
# The first lines of the page.
_HEADLINE = ("accuracy", "accuracy_low", "accuracy_high", "num_images", "loss")
# Files that every finished run has.
_FINISHED = (RunFile.FLAGS, RunFile.RECEIPT, RunFile.SPLITS, RunFile.HISTORY, RunFile.PREDICTIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """The files of a run; one that is missing or damaged is empty or None here.

    Attributes:
        path: The run's directory.
        config: Its settings.
        reasons: Why the recipe chose as it did, in words.
        metrics: Content of `metrics.json`, empty if the run is not finished.
        receipt: Content of `receipt.json`.
        history: Rows of `history.csv`.
        counts: Images of each class by split, from `splits.csv`.
        audit: Rows of `audit.csv`.
        misleading: Rows of `misleading.csv`.
        slices: Rows of `slices.csv`.
        fixes: Rows of `fixes.csv`.
        label_issues: Rows of `label_issues.csv`; None where labels were not checked.
        predictions: The model's predictions for the test images.
        mistakes: Rows of `mistakes.csv`.
        heat_maps: By the name of a test image, where the evidence for its class is.
        problems: What could not be read, in words.
    """

    path: pathlib.Path
    config: Config | None
    reasons: tuple[str, ...]
    metrics: Mapping[str, Any]
    receipt: Mapping[str, Any]
    history: tuple[Row, ...]
    counts: Mapping[str, Mapping[str, int]]
    audit: tuple[Row, ...]
    misleading: tuple[Row, ...]
    slices: tuple[Row, ...]
    fixes: tuple[Row, ...]
    label_issues: tuple[Row, ...] | None
    predictions: Predictions | None
    mistakes: tuple[Row, ...]
    heat_maps: Mapping[str, HeatMap]
    problems: tuple[str, ...]


def read_contents(path: pathlib.Path) -> Contents:
    """Reads what there is of a run.

    Raises:
        UsageError: If it is the directory of none.
    """
    if not any((path / name).exists() for name in _FIRST):
        problem = "holds no run" if path.exists() else "does not exist"
        raise bad_value("run", str(path), problem, "Give the run_dir of a run")
    read = _Reader(path)
    return Contents(
        path=path,
        config=read(RunFile.FLAGS, lambda: read_config(path), None),
        reasons=read(RunFile.FLAGS, lambda: _read_reasons(path / RunFile.FLAGS), ()),
        metrics=read(RunFile.METRICS, lambda: _read_metrics(path), {}),
        receipt=read(RunFile.RECEIPT, lambda: _read_mapping(path, RunFile.RECEIPT), {}),
        history=read.rows(RunFile.HISTORY, ()),
        counts=read(RunFile.SPLITS, lambda: _count(path / RunFile.SPLITS), {}),
        audit=read.rows(_audit_of(path), ()),
        misleading=read.rows(RunFile.MISLEADING, ()),
        slices=read.rows(RunFile.SLICES, ()),
        fixes=read.rows(RunFile.FIXES, ()),
        label_issues=read.rows(RunFile.LABEL_ISSUES, None),
        predictions=read(
            RunFile.PREDICTIONS, lambda: read_predictions(path / RunFile.PREDICTIONS), None
        ),
        mistakes=read.rows(RunFile.MISTAKES, ()),
        heat_maps=read(RunFile.HEAT_MAPS, lambda: _read_heat_maps(path / RunFile.HEAT_MAPS), {}),
        problems=tuple(dict.fromkeys(read.problems)),
    )


class _Reader:
    """Reads files of a run, and notes what is wrong with those that cannot be read."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._is_finished = (path / RunFile.METRICS).exists()
        self.problems: list[str] = []

    def __call__(self, name: RunFile, read: Callable[[], Part], default: Other) -> Part | Other:
        if not (self._path / name).exists():
            if self._is_finished and name in _FINISHED:
                self.problems.append(f"{name} is missing.")
            return default
        try:
            return read()
        except (*DAMAGED, UsageError) as error:
            self.problems.append(f"{name} cannot be read: {first_line(error)}.")
            return default

    def rows(self, name: RunFile, default: Other) -> tuple[Row, ...] | Other:
        """Reads the rows of a table."""
        return self(name, lambda: _read_rows(self._path / name), default)


def _audit_of(path: pathlib.Path) -> RunFile:
    # The findings of a run that stopped at its data are not those of the run beside them.
    has_run = (path / RunFile.FLAGS).exists() or (path / RunFile.AUDIT).exists()
    return RunFile.AUDIT if has_run else RunFile.STOPPED_AUDIT


def _read_mapping(path: pathlib.Path, name: RunFile) -> Mapping[str, Any]:
    content: object = read_json(path, name)
    if not isinstance(content, dict):
        raise ValueError("it holds no names with values")
    return content


def _read_metrics(path: pathlib.Path) -> Mapping[str, Any]:
    metrics = _read_mapping(path, RunFile.METRICS)
    for name in _HEADLINE:
        float(metrics[TEST][name])
    return metrics


def _read_rows(path: pathlib.Path) -> tuple[Row, ...]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        lacking = set(_COLUMNS[path.name]) - set(reader.fieldnames or ())
        if lacking:
            raise ValueError(f"it has no column {min(lacking)}")
        rows = tuple(reader)
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("a row has too many or too few columns")
    return rows


def _read_heat_maps(path: pathlib.Path) -> Mapping[str, HeatMap]:
    return {row["example"]: read_heat_map(row) for row in _read_rows(path)}


def _read_reasons(path: pathlib.Path) -> tuple[str, ...]:
    comments = Config.read_comments(path.read_text("utf-8"))
    return tuple(text for text in comments if not text.startswith((GIVEN, UNDECIDED)))


def _count(path: pathlib.Path) -> Mapping[str, Mapping[str, int]]:
    """Counts the images of each class by split, in the order of the classes."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for row in _read_rows(path):
        counts[row["class_name"]][row["split"]] += 1
    return {name: counts[name] for name in order_classes(counts)}
