"""The files of a run: each is written whole or not at all, and read back here."""

import collections
import csv
import dataclasses
import functools
import json
import pathlib
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerastl.checked_files import Versions, list_versions
from kerastl.data import splits_file
from kerastl.data.fixes_file import Fix
from kerastl.data.source import Finding, Source
from kerastl.data.splits import Splits
from kerastl.disk_errors import explained
from kerastl.errors import KerastlError
from kerastl.outputs import mistakes_file, predictions_file
from kerastl.outputs.directories import CHECKPOINT, FLAGS_COPY, RunFile, clear, remove_files
from kerastl.outputs.environments import describe_changes
from kerastl.outputs.further_trainings import remove_further
from kerastl.outputs.heat_maps import HEADER as HEAT_MAPS
from kerastl.outputs.made_of import MADE_OF, describe_parts, is_made_of, read_made_of
from kerastl.outputs.receipt import describe_machine, describe_run
from kerastl.outputs.stages import Stages
from kerastl.outputs.test_readings import Readings
from kerastl.outputs.unfinished import Opened
from kerastl.progress import Progress
from kerastl.split_names import TEST
from kerastl.training.best import EpochRow
from kerastl.training.calibration import CALIBRATION
from kerastl.training.checkpoint import Checkpoint, read_checkpoint
from kerastl.training.checks import Check
from kerastl.training.course import Recorder
from kerastl.training.coverage import COVERAGE
from kerastl.training.evaluation import Evaluation
from kerastl.training.repeats import SCORES, Scores
from kerastl.training.scores import CLASS_SCORES, CONFUSION
from kerastl.training.slices import HEADER as SLICES
from kerastl.training.slices import Slice
from kerastl.writing import remove_leftovers, replace_csv, replace_text, replacing

# Flag that sets this directory.
_FIELD = "run_dir"
# The columns of the history that are no curve.
_NO_CURVE = {"phase", "epoch", "seconds"}
_CURVES = [field.name for field in dataclasses.fields(EpochRow) if field.name not in _NO_CURVE]


class RunDirectory(Recorder):
    """A run's directory, whose files each appear whole or not at all.

    `receipt.json` is built up by `begin`, `add_check`, `add_seconds` and `add_export`; it can be
    written at any time, so that a run that fails or is stopped reports what it had done.

    Attributes:
        path: The directory, which exists.
        opened: What runs in it, with the epochs that `settle` got; set by `begin`.
        stages: What the parts of the run took.
    """

    opened: Opened

    keeps_checkpoints = True

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._versions = Versions(path / RunFile.CHECKPOINTS)
        self._checkpoint: Checkpoint | None = None
        self._about: dict[str, str] = {}
        self._changed: list[str] = []
        self.stages = Stages(time.monotonic())
        self._tensorboard: tf.summary.SummaryWriter | None = None
        self._history: list[EpochRow] = []
        self._checks: list[Check] = []
        self._receipt: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        # The same where a run goes on.
        self._id = uuid.uuid4().hex
        self._readings = Readings(None, "", self._id)

    def begin(
        self,
        opened: Opened,
        splits: Splits,
        weights_fingerprint: str,
        *,
        started: float,
        progress: Progress,
    ) -> None:
        """Writes what is known before training: flags, splits and the audit's findings.

        What an earlier run left goes only now, when nothing can be missing or misspelled. If this
        one goes on with it, each file stays until the one that replaces it is whole.
        `--flagfile=RUN_DIR/flags.txt` repeats the run. `started` is in seconds of
        `time.monotonic`.

        Raises:
            UsageError: If a run is to go on whose images or weights are not what they were.
            KerastlError: If only its checkpoints, of which there is no other, are damaged.
        """
        self.opened, config, source = opened, opened.config, splits.source
        self._about = describe_parts(splits, weights_fingerprint)
        self.stages = Stages(started)
        if not (opened.goes_on and self._goes_on(opened, progress)):
            clear(self.path)
        for place in (self.path, self.path / RunFile.CHECKPOINTS):
            remove_leftovers(place)
        self._receipt = {
            "data": {"name": source.name, "fingerprint": self._about["data"]},
            "weights": {"name": config.weights, "fingerprint": weights_fingerprint},
            "seed": config.seed,
            MADE_OF: self._about,
        }
        self._receipt |= describe_run(config.explain(), splits, opened.notes, self._changed)
        self._readings = Readings(config.lasting_path, self._receipt["splits"][TEST], self._id)
        self.end_stage("preparation")
        self._write_flags(opened)
        self.write_splits(splits)
        self.write_findings(source)
        self.write_receipt()

    def settle(self, epochs: int, reason: str) -> None:
        """Writes into the flags how many epochs of fine-tuning there are after all."""
        self.opened = opened = self.opened.settle(epochs, reason)
        self._receipt["flags"] = opened.config.explain()
        self._write_flags(opened)

    def _write_flags(self, opened: Opened) -> None:
        """Writes the flags, and a copy without which a run that is cut off could not go on."""
        with explained(self.path, field=_FIELD):
            (self.path / RunFile.CHECKPOINTS).mkdir(exist_ok=True)
        for name in (FLAGS_COPY, RunFile.FLAGS):
            self._write(name, opened.config.to_flagfile(opened.notes))

    def write_findings(self, source: Source, more: Iterable[Finding] = ()) -> None:
        """Writes what a person has fixed, and the findings of the audit and `more`."""
        findings = (*source.findings, *more)
        # A run that goes on may have had some before.
        there = {RunFile.FIXES: source.fixed, RunFile.AUDIT: findings}
        remove_files(self.path, [name for name, found in there.items() if not found])
        if source.fixed:
            self._write_csv(RunFile.FIXES, Fix._fields, source.fixed.rows)
        if findings:
            header = [field.name for field in dataclasses.fields(Finding)]
            self._write_csv(RunFile.AUDIT, header, map(dataclasses.astuple, findings))

    def _goes_on(self, opened: Opened, progress: Progress) -> bool:
        """Takes the last checkpoint of the same run; returns whether what is here is of it."""
        checkpoint = read_checkpoint(self._versions, progress)
        if checkpoint is None:
            return self._begins_again(opened, progress)
        if not is_made_of(checkpoint.state["about"], self._about, opened):
            return False
        self._checkpoint = checkpoint
        # One of an earlier version has none.
        self._id = checkpoint.state.get("id", self._id)
        self._checks = [Check(**check) for check in checkpoint.state["checks"]]
        for row in checkpoint.state["history"]:
            self._write_epoch(EpochRow(**row))
        # Earlier versions of kerastl do not keep them.
        if stages := checkpoint.state.get("stages"):
            self.stages.add(stages)
        self._report_changes(checkpoint, progress)
        return True

    def _begins_again(self, opened: Opened, progress: Progress) -> bool:
        """Returns whether files are here that a training that begins again is to replace."""
        if not list_versions(self.path / RunFile.CHECKPOINTS):
            if (self.path / RunFile.HISTORY).exists():
                progress.line("There is no checkpoint: training begins again.")
            return False
        if (self.path / RunFile.METRICS).exists() and not opened.config.overwrite:
            raise KerastlError(
                f"{_FIELD}={str(self.path)!r}: no checkpoint is whole, but the results of the "
                "run are. kerastl export and kerastl report do what may be missing; --overwrite "
                "starts over."
            )
        known = read_made_of(self.path)
        is_same = known is not None and is_made_of(known, self._about, opened)
        progress.line("There is none before it: training begins again.")
        return is_same and not opened.config.overwrite

    @functools.cached_property
    def _machine(self) -> dict[str, Any]:
        return describe_machine()

    def _report_changes(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Tells what of the machine is not what it was when a checkpoint was written."""
        if words := describe_changes(checkpoint.state["machine"], self._machine):
            self._changed = [f"the run began with {words}"]
            progress.line(
                f"Warning: the run began with {words}. Its result may differ a little from that "
                "of a run that was not cut off."
            )

    def write_splits(self, splits: Splits) -> None:
        """Writes which split each image is in, in the source's order."""
        self._write_csv(RunFile.SPLITS, splits_file.HEADER, splits_file.list_rows(splits))

    def read_splits(self, source: Source) -> Splits:
        """Reads the splits of a finished run back, see `splits_file.read_splits`."""
        return splits_file.read_splits(self.path / RunFile.SPLITS, source)

    def write_misleading(self, header: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Writes facts that tell a class, see `selection.misleading`, if there are any."""
        if rows:
            self._write_csv(RunFile.MISLEADING, header, rows)

    def write_slices(self, slices: Sequence[Slice]) -> None:
        """Writes how slices of the test images compare with the others, if there are any."""
        if slices:
            self._write_csv(RunFile.SLICES, SLICES, [one.row() for one in slices])

    def write_label_issues(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Writes images whose label is not the likeliest, see `selection.label_issues`."""
        self.end_stage("label issues")
        self._write_csv(RunFile.LABEL_ISSUES, header, rows)

    def add_epoch(self, row: EpochRow) -> None:
        """Adds an epoch to `history.csv` and to the curves in `tensorboard/`."""
        self.end_stage(row.phase)
        self._write_epoch(row)

    def _write_epoch(self, row: EpochRow) -> None:
        self._history.append(row)
        names = [field.name for field in dataclasses.fields(EpochRow)]
        self._write_csv(RunFile.HISTORY, names, map(dataclasses.astuple, self._history))
        with explained(self.path, field=_FIELD):
            if self._tensorboard is None:
                folder = self.path / RunFile.TENSORBOARD
                # A run that goes on writes the curves of its first epochs again.
                shutil.rmtree(folder, ignore_errors=True)
                self._tensorboard = tf.summary.create_file_writer(str(folder))
            with self._tensorboard.as_default(step=len(self._history)):
                for name in _CURVES:
                    tf.summary.scalar(name, getattr(row, name))
            self._tensorboard.flush()

    def find_checkpoint(self) -> Checkpoint | None:
        """Returns what `begin` has found."""
        return self._checkpoint

    def save_checkpoint(self, checkpoint: Checkpoint, *, num_epochs: int) -> None:
        """Writes what a run that is cut off goes on from, with the first rows of its history."""
        state = {
            "id": self._id,
            "about": self._about,
            "machine": self._machine,
            "history": [dataclasses.asdict(row) for row in self._history[:num_epochs]],
            "checks": [dataclasses.asdict(check) for check in self._checks],
            "stages": self.stages.state(),
            **checkpoint.state,
        }
        whole = dataclasses.replace(checkpoint, state=state)
        self._versions.write(whole.to_bytes())

    def finish(self) -> None:
        """Removes what only a run that is cut off needs."""
        remove_further(self.path)
        remove_files(self.path, [FLAGS_COPY])
        self._versions.remove()

    def save_best(self, classifier: keras.Model) -> None:
        """Writes the best model so far to `checkpoints/best.keras`."""
        self._save(CHECKPOINT, classifier)

    def save_model(self, classifier: keras.Model, card: Mapping[str, Any]) -> None:
        """Writes `model.keras`, which plain Keras loads, and the card that describes it."""
        self._write_json(RunFile.CARD, card)
        self._save(RunFile.MODEL, classifier)

    def _save(self, name: str, classifier: keras.Model) -> None:
        """Writes a whole model, which can be loaded and trained further without its run.

        Keras serializes it in memory first: HDF5 aborts the process on a full disk.
        """
        with replacing(self.path / name, field=_FIELD) as temporary:
            classifier.save(temporary)

    def load_model(self) -> keras.Model:
        """Loads the classifier of a finished run."""
        return keras.saving.load_model(self.path / RunFile.MODEL)

    def write_predictions(self, splits: Splits, evaluation: Evaluation) -> None:
        """Writes each test image with its probabilities, see `predictions_file`."""
        self.end_stage("evaluation")
        header = predictions_file.list_columns(splits.source.class_names, evaluation)
        rows = predictions_file.list_rows(splits, evaluation)
        self._write_csv(RunFile.PREDICTIONS, header, rows)

    def write_mistakes(self, splits: Splits, scored: Sequence[tuple[str, Evaluation]]) -> None:
        """Writes the images that are named wrongly, see `mistakes_file`."""
        rows = mistakes_file.list_rows(splits, scored)
        self._write_csv(RunFile.MISTAKES, mistakes_file.HEADER, rows)

    def write_heat_maps(self, rows: Iterable[Sequence[Any]]) -> None:
        """Writes where the evidence for the class of some test images is, see `heat_maps`."""
        self._write_csv(RunFile.HEAT_MAPS, HEAT_MAPS, rows)

    def read_predictions(self, splits: Splits) -> Evaluation:
        """Reads them back, see `predictions_file.read_predictions`."""
        return predictions_file.read_predictions(self.path / RunFile.PREDICTIONS, splits)

    def add_test_reading(self, seed: int | None = None) -> None:
        """Counts that a model is scored on the test split, by its seed if it is not the run's."""
        name = str(self._receipt["seed"] if seed is None else seed)
        self._readings.add(name, str(self.path.absolute()))

    def write_repeats(self, scores: Mapping[int, Scores]) -> None:
        """Writes the scores of each seed."""
        self.end_stage("repeats")
        rows = (
            (seed, split, *(values[name] for name in SCORES))
            for seed, one in scores.items()
            for split, values in one.items()
        )
        self._write_csv(RunFile.REPEATS, ("seed", "split", *SCORES), rows)

    def read_repeats(self) -> dict[int, Scores]:
        """Reads back what there is of them, empty if there is none."""
        path, found = self.path / RunFile.REPEATS, collections.defaultdict[int, Any](dict)
        if path.exists():
            with path.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    found[int(row["seed"])][row["split"]] = {
                        name: float(row[name]) for name in SCORES
                    }
        return dict(found)

    def write_scores(
        self, scored: Iterable[tuple[str, Evaluation]], class_names: tuple[str, ...]
    ) -> None:
        """Writes the scores of each class, how often which was taken for which, and calibration."""
        tables = (
            (RunFile.CLASS_SCORES, ("class_name", *CLASS_SCORES), Evaluation.class_rows),
            (RunFile.CONFUSION, CONFUSION, Evaluation.confusion_rows),
            (RunFile.CALIBRATION, CALIBRATION, lambda one, _: one.calibration().rows),
            (RunFile.COVERAGE, COVERAGE, lambda one, _: one.coverage()),
        )
        for name, columns, rows_of in tables:
            rows = ((split, *row) for split, one in scored for row in rows_of(one, class_names))
            self._write_csv(name, ("split", *columns), rows)

    def add_check(self, check: Check) -> None:
        """Adds a check to the receipt, which has it even if the run is killed."""
        self._checks.append(check)
        self.write_receipt()

    def end_stage(self, name: str) -> None:
        """Ends a stage of the receipt, or one more part of it."""
        self.stages.end(name)

    def add_seconds(self, seconds: Mapping[str, float]) -> None:
        """Adds the time that parts of the run took to the receipt."""
        self._seconds |= seconds

    def add_export(self, path: pathlib.Path, formats: Mapping[str, Any]) -> None:
        """Adds an exported version, and how its formats compare, to the receipt."""
        self.end_stage("export")
        self._receipt["export"] = {"path": str(path), "formats": formats}

    def write_receipt(self) -> None:
        """Writes `receipt.json`: what the results came from, and the time until now."""
        stages = self.stages.describe(self._seconds)
        known = {
            "test_readings": self._readings.describe(),
            "checks": [dataclasses.asdict(check) for check in self._checks],
        }
        self._write_json(RunFile.RECEIPT, self._machine | self._receipt | stages | known)

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Writes `metrics.json`, whose presence marks the run as finished.

        From here on `kerastl export` can do the rest.
        """
        self._write_json(RunFile.METRICS, metrics)

    def _write_json(self, name: str, value: object) -> None:
        self._write(name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def _write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        replace_csv(self.path / name, header, rows, field=_FIELD)

    def _write(self, name: str, text: str) -> None:
        replace_text(self.path / name, text, field=_FIELD)
