"""A finished run as it was tested: its flags, and its model's prediction for each test image."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from kerastl.config import Config
from kerastl.data.splits_file import Listed, list_images
from kerastl.outputs.directories import (
    RunFile,
    naming,
    read_config,
    read_json,
    require_finished,
)
from kerastl.outputs.predictions_file import PredictedClasses, read_predicted_classes
from kerastl.paths import local_path
from kerastl.split_names import TEST


@dataclasses.dataclass(frozen=True, eq=False)
class Tested:
    """A finished run, read without TensorFlow.

    Attributes:
        path: Its directory.
        config: Its settings.
        receipt: What its results came from.
        predictions: Its model's predictions for the test images.
        images: All of its images; those of the test split are in the order of the predictions.
    """

    path: pathlib.Path
    config: Config
    receipt: Mapping[str, Any]
    predictions: PredictedClasses
    images: Sequence[Listed]

    @functools.cached_property
    def hashes(self) -> tuple[str, ...] | None:
        """The hashes of the test images, in their order; None for a run of an earlier version."""
        found = tuple(one.sha256 for one in self.images if one.split == TEST)
        return found if all(found) else None

    @property
    def fingerprint(self) -> str | None:
        """That of the test images; None where an earlier version has written none."""
        fingerprint: str | None = self.receipt.get("splits", {}).get(TEST)
        return fingerprint


def read_tested(given: str | os.PathLike[str]) -> Tested:
    """Reads a finished run.

    Raises:
        UsageError: If it is none.
        KerastlError: If one of its files is missing or damaged.
    """
    path = local_path(given, field="run")
    require_finished(path)
    with naming(path, RunFile.METRICS):
        num_images = read_json(path, RunFile.METRICS)[TEST]["num_images"]
    with naming(path, RunFile.RECEIPT):
        receipt = read_json(path, RunFile.RECEIPT)
    with naming(path, RunFile.PREDICTIONS):
        predictions = read_predicted_classes(path / RunFile.PREDICTIONS)
        if len(predictions.examples) != num_images:
            found = len(predictions.examples)
            raise ValueError(f"{found} images, {num_images} in {RunFile.METRICS}")
    with naming(path, RunFile.SPLITS):
        images = list_images(path / RunFile.SPLITS)
        if [one.example for one in images if one.split == TEST] != list(predictions.examples):
            raise ValueError(f"other test images than {RunFile.PREDICTIONS}")
    return Tested(path, read_config(path), receipt, predictions, images)
