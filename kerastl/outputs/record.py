"""The run directory: what a run writes, and nothing half-written."""

import csv
import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.source import Finding
from kerastl.data.splits import Splits
from kerastl.outputs.formats import CARD
from kerastl.outputs.paths import CHECKPOINT
from kerastl.training.checks import Check
from kerastl.training.evaluate import Evaluation
from kerastl.training.fit import EpochRow
from kerastl.version import VERSION
from kerastl.writing import csv_text, explained, remove_leftovers, replace_text, replacing

# The flag that all of it is written below.
_FIELD = "run_dir"
PREDICTIONS = "predictions.csv"
# Column of a row's first probability there.
_FIRST_PROBABILITY = 3
_PACKAGES = ("tensorflow-datasets", "numpy", "scikit-learn", "scipy")


class RunDirectory:
    """Writes a run's files; each appears whole or not at all.

    Attributes:
        path: The directory, which exists.
        model_path: Where `save_model` puts the classifier.
        checkpoint_path: Where `save_checkpoint` puts the best model so far.
    """

    def __init__(self, path: pathlib.Path) -> None:
        remove_leftovers(path)
        self.path = path
        self.model_path = path / "model.keras"
        self.checkpoint_path = path / CHECKPOINT
        self._tensorboard: tf.summary.SummaryWriter | None = None
        self._history: list[EpochRow] = []
        self._checks: list[Check] = []

    def write_flags(self, config: Config) -> None:
        """Writes the effective flags; `--flagfile=RUN_DIR/flags.txt` repeats the run."""
        self._write("flags.txt", "".join(f"{line}\n" for line in config.to_flags()))

    def write_splits(self, splits: Splits) -> None:
        """Writes which split each image is in, in the source's order."""
        source = splits.source
        split_names = np.full(len(source), "", dtype="<U10")
        for name, indices in splits.items():
            split_names[indices] = name
        rows = (
            (source.examples[index], source.class_names[source.labels[index]], split_names[index])
            for index in range(len(source))
        )
        self._write_csv("splits.csv", ("example", "class_name", "split"), rows)

    def write_audit(self, findings: Sequence[Finding]) -> None:
        """Writes what the audit has found, a row each; nothing where it found nothing."""
        if findings:
            header = [field.name for field in dataclasses.fields(Finding)]
            self._write_csv("audit.csv", header, map(dataclasses.astuple, findings))

    def write_label_issues(
        self, splits: Splits, issues: np.ndarray, probabilities: np.ndarray
    ) -> None:
        """Writes training images whose label is not the likeliest, the least likely first.

        Args:
            splits: The images.
            issues: Positions in `splits.train`, in the order of the rows.
            probabilities: Of each training image and class.
        """
        source = splits.source
        rows = (
            (
                source.examples[splits.train[position]],
                source.class_names[source.labels[splits.train[position]]],
                f"{probabilities[position, source.labels[splits.train[position]]]:.4f}",
                source.class_names[probabilities[position].argmax()],
                f"{probabilities[position].max():.4f}",
            )
            for position in issues
        )
        header = ("example", "class_name", "probability", "likelier", "its_probability")
        self._write_csv("label_issues.csv", header, rows)

    def add_epoch(self, row: EpochRow) -> None:
        """Adds an epoch to `history.csv` and to the curves in `tensorboard/`."""
        self._history.append(row)
        names = [field.name for field in dataclasses.fields(EpochRow)]
        self._write_csv("history.csv", names, map(dataclasses.astuple, self._history))
        with explained(self.path, field=_FIELD):
            if self._tensorboard is None:
                self._tensorboard = tf.summary.create_file_writer(str(self.path / "tensorboard"))
            with self._tensorboard.as_default(step=len(self._history)):
                for name in ("learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"):
                    tf.summary.scalar(name, getattr(row, name))
            self._tensorboard.flush()

    def add_check(self, check: Check) -> None:
        """Keeps a check for `receipt.json`."""
        self._checks.append(check)

    def save_checkpoint(self, classifier: keras.Model) -> None:
        """Writes the best model so far to `checkpoints/best.keras`.

        A whole model can be loaded and trained further without its run, and Keras writes it by
        way of memory: HDF5 itself ends the process when its disk is full.
        """
        with explained(self.path, field=_FIELD):
            self.checkpoint_path.parent.mkdir(exist_ok=True)
        with replacing(self.checkpoint_path, field=_FIELD) as temporary:
            classifier.save(temporary)

    def save_model(self, classifier: keras.Model) -> None:
        """Writes `model.keras`, which plain Keras loads."""
        with replacing(self.model_path, field=_FIELD) as temporary:
            classifier.save(temporary)

    def write_card(self, card: Mapping[str, Any]) -> None:
        """Writes `model_card.json`, which says what `model.keras` takes and gives."""
        self._write_json(CARD, card)

    def write_predictions(self, splits: Splits, evaluation: Evaluation) -> None:
        """Writes each test image with its probabilities, to all their digits."""
        source, names = splits.source, splits.source.class_names
        rows = (
            (
                source.examples[index],
                names[label],
                names[predicted],
                *(np.format_float_scientific(value, unique=True) for value in probabilities),
            )
            for index, label, predicted, probabilities in zip(
                splits.test,
                evaluation.labels,
                evaluation.predicted,
                evaluation.probabilities,
                strict=True,
            )
        )
        self._write_csv(PREDICTIONS, ("example", "class_name", "predicted", *names), rows)

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Writes `metrics.json`, whose presence says that the run is finished."""
        self._write_json("metrics.json", metrics)

    def write_receipt(self, receipt: dict[str, Any]) -> None:
        """Writes what the results came from: versions, device, checks and what is given.

        Args:
            receipt: Data and weights fingerprints, seed, times.
        """
        # TensorFlow is also distributed under other names.
        versions = {"tensorflow": tf.__version__, "keras": keras.version()}
        versions |= {name: importlib.metadata.version(name) for name in _PACKAGES}
        machine = {
            "versions": {"kerastl": VERSION, "python": platform.python_version(), **versions},
            "device": device_names(),
            "cpu_cores": os.cpu_count(),
        }
        checks = {"checks": [dataclasses.asdict(check) for check in self._checks]}
        self._write_json("receipt.json", machine | receipt | checks)

    def _write_json(self, name: str, value: object) -> None:
        self._write(name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def _write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        self._write(name, csv_text(header, rows))

    def _write(self, name: str, text: str) -> None:
        replace_text(self.path / name, text, field=_FIELD)


def device_names() -> list[str]:
    """Names what computes: the GPUs where there are some, or else the processor."""
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return gpus or [_cpu_name()]


def read_predictions(path: pathlib.Path, splits: Splits) -> Evaluation:
    """Reads what `write_predictions` wrote of the same splits.

    Raises:
        ValueError: If it is of others, or damaged.
    """
    names = splits.source.class_names
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    columns = [header.index(name, _FIRST_PROBABILITY) for name in names]
    if [row[0] for row in rows] != [splits.source.examples[index] for index in splits.test]:
        raise ValueError(f"{path} does not list the test images")
    probabilities = np.array([[row[column] for column in columns] for row in rows], np.float32)
    labels = splits.source.labels[splits.test]
    with np.errstate(divide="ignore"):
        losses = -np.log(probabilities[np.arange(len(labels)), labels].astype(np.float64))
    return Evaluation(labels, probabilities, losses)


def _cpu_name() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []  # Only Linux has it.
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
