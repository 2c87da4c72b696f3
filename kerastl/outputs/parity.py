"""Compares what an export predicts in a fresh process with what the trained model predicts."""

import contextlib
import dataclasses
import json
import pathlib
import subprocess
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from kerastl.native_messages import unnamed_file
from kerastl.outputs.parity_worker import DONE
from kerastl.outputs.samples import TIMED, read_predictions
from kerastl.processes import python_command
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluation import Evaluation
from kerastl.training.known_images import KnownImages

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    # The GPU's memory is shared with this process.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


class ExportError(Exception):
    """A format cannot be written or opened, or its predictions differ; the text has the reason."""


@dataclasses.dataclass(frozen=True, eq=False)
class Distances:
    """How far some images of the sample are from the training images.

    Attributes:
        known: What decides whether an image is known.
        positions: Positions in the sample, int64 (images,).
        values: The distances, float32 (images,).
    """

    known: KnownImages
    positions: np.ndarray
    values: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """The trained model's predictions for the sample, with which exports are compared.

    Attributes:
        predictions: In the order of the sample, with the true classes.
        class_names: In the order of the probabilities.
        examples: Names of the images.
        head: Function from pooled features, float32 (images, channels), to probabilities.
        sets: Which classes are in the set of an image, if an export has sets.
        distances: Distances from the training images, if an export is to have `is_known`.
    """

    predictions: Evaluation
    class_names: Sequence[str]
    examples: Sequence[str]
    head: Callable[[np.ndarray], np.ndarray]
    sets: ClassSets | None = None
    distances: Distances | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """The predictions of an export, and how far they are from the reference.

    Attributes:
        probabilities: In the reference's order of classes, float32 (files, classes); NaN for
            classes that the export does not know.
        differences: The largest difference in probability for each file, float32 (files,).
        milliseconds: Batch size -> what an image takes from pixels to probabilities.
    """

    probabilities: np.ndarray
    differences: np.ndarray
    milliseconds: dict[int, float]


class FreshProcess:
    """A process that opens one export after another, each with the runtime that will serve it.

    It shares nothing with this one but files. It starts with the block, so that TensorFlow comes up
    in it while the first export is written; one that fails is followed by another.

    Attributes:
        samples: A folder of `write_samples`.
    """

    def __init__(self, samples: pathlib.Path) -> None:
        self.samples = samples

    def __enter__(self) -> "FreshProcess":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def predict(self, model: pathlib.Path) -> None:
        """Runs `predict_samples` on a model.

        Raises:
            ExportError: If the process fails, with the last line that it wrote.
        """
        assert self._process.stdin
        assert self._process.stdout
        # One that has died answers nothing.
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(str(model)), file=self._process.stdin, flush=True)
        if DONE in map(str.rstrip, self._process.stdout):
            return
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        self._end()
        self._start()
        raise ExportError(f"cannot be used in a fresh process ({(lines or ['no message'])[-1]})")

    def _start(self) -> None:
        command, environment = python_command("kerastl.outputs.parity_worker", self.samples)
        self._errors = unnamed_file()
        self._process = subprocess.Popen(
            command,
            env=environment | _ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def compare(
    model: pathlib.Path,
    gate: FreshProcess,
    reference: Reference,
    distance_tolerance: float | None = None,
) -> Comparison:
    """Runs an export on the samples in a process of its own, and compares.

    `distance_tolerance` is that of the `ExportFormat`; None compares no distances.

    Raises:
        ExportError: If the export cannot be opened or fails.
    """
    gate.predict(model)
    return compare_predictions(read_predictions(gate.samples), reference, distance_tolerance)


def compare_predictions(
    exported: Mapping[str, np.ndarray],
    reference: Reference,
    distance_tolerance: float | None = None,
) -> Comparison:
    """Compares the arrays of `predict_samples` with the reference, see `compare`."""
    expected, class_names = reference.predictions.probabilities, reference.class_names
    column_of = {name: column for column, name in enumerate(exported["names"].tolist())}
    unknown = np.full((len(expected), 1), np.nan, np.float32)
    # The last column is that of names that the export lacks.
    known = np.concatenate([exported["probabilities"], unknown], axis=1)
    aligned = known[:, [column_of.get(name, -1) for name in class_names]]
    # NumPy's maximum of what holds a NaN is NaN, so none is lost.
    differences = np.abs(aligned - expected).max(axis=1)
    # Only a SavedModel has other inputs and outputs.
    if "sample" in exported:
        sample = exported["sample"]
        of_sample = expected[sample]
        label_of = {name: label for label, name in enumerate(class_names)}
        # A name counts as the probability that the trained model gave to its class.
        named = [
            row[label_of[name]] if name in label_of else np.nan
            for row, name in zip(of_sample, exported["named"], strict=True)
        ]
        others = (exported["of_pixels"], exported["of_logits"], _by_head(exported, reference))
        differences[sample] = np.maximum.reduce(
            [
                differences[sample],
                *(np.abs(other - of_sample).max(axis=1) for other in others),
                np.abs(exported["confidence"] - named),
                _by_sets(exported, reference),
            ]
        )
    if reference.distances and distance_tolerance is not None:
        positions = reference.distances.positions
        differences[positions] = np.maximum(
            differences[positions], _by_distances(exported, reference.distances, distance_tolerance)
        )
    milliseconds = dict(zip(TIMED, exported["milliseconds"].tolist(), strict=True))
    return Comparison(aligned, differences, milliseconds)


def _by_sets(exported: Mapping[str, np.ndarray], reference: Reference) -> np.ndarray:
    """Returns 0 for sets that follow from an export's own probabilities, and NaN for others."""
    right = np.full(len(exported["named"]), reference.sets is None)
    if reference.sets and "in_set" in exported:
        expected = reference.sets.contain(exported["of_sets"])
        right = (exported["in_set"] == expected).all(axis=1)
    return np.where(right, 0.0, np.nan)


def _by_distances(
    exported: Mapping[str, np.ndarray], trained: Distances, tolerance: float
) -> np.ndarray:
    """Returns 0 for images that are as far as in the trained model, and NaN for others."""
    if "is_known" not in exported:
        return np.full(len(trained.values), np.nan)
    found, is_known = (exported[name][trained.positions] for name in ("distance", "is_known"))
    most = np.float32(trained.known.max_distance)
    # Far within, a difference means nothing.
    is_near = np.abs(found - trained.values) <= tolerance * np.maximum(trained.values, most)
    follows = is_known == (found <= most)
    return np.where(is_near & follows, 0.0, np.nan)


def _by_head(exported: Mapping[str, np.ndarray], reference: Reference) -> np.ndarray:
    """Applies the trained head to an export's features; NaN if the shapes differ.

    The mean over the features of an image, (images, views, channels), is the prediction.
    """
    try:
        views = np.moveaxis(exported["features"], 1, 0)
        return np.asarray(np.mean([reference.head(features) for features in views], axis=0))
    except (ValueError, tf.errors.OpError):
        return np.full_like(exported["of_pixels"], np.nan)
