"""A finished run as it was tested: its flags, and its model's prediction for each test image."""

import collections
import dataclasses
import os
import pathlib
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerastl.config import Config
from kerastl.data.splits_file import list_examples
from kerastl.errors import KerastlError, bad_value
from kerastl.outputs.directories import (
    RunFile,
    naming,
    read_config,
    read_json,
    require_finished,
)
from kerastl.outputs.predictions_file import Predictions, read_predicted_classes
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
    """

    path: pathlib.Path
    config: Config
    receipt: Mapping[str, Any]
    predictions: Predictions

    def order_as(self, first: "Tested") -> np.ndarray:
        """Finds the places of another run's test images among those of this one, int64 (images,).

        Raises:
            UsageError: If the two were not tested on the same images.
        """
        places = {key: place for place, key in enumerate(_keys(self.predictions.examples))}
        keys = list(_keys(first.predictions.examples))
        if places.keys() != set(keys):
            common = len(places.keys() & set(keys))
            raise self._differs(
                first,
                f"was tested on {len(places)} images and {str(first.path)!r} on {len(keys)}, of "
                f"which {common} are the same",
                self._make_comparable(first),
            )
        order = np.array([places[key] for key in keys])
        for place, name in zip(order, first.predictions.class_names, strict=True):
            if self.predictions.class_names[place] != name:
                raise self._differs(
                    first,
                    f"has {self.predictions.examples[place]} in class "
                    f"{self.predictions.class_names[place]!r}, and {str(first.path)!r} in {name!r}",
                    "Test both on the same labels",
                )
        ours, theirs = (_fingerprints(one.receipt) for one in (self, first))
        if ours != theirs and None not in (ours, theirs):
            raise self._differs(
                first,
                f"was tested on images with the names of those of {str(first.path)!r} and other "
                "contents or classes",
                self._make_comparable(first),
            )
        return order

    def _differs(self, first: "Tested", problem: str, advice: str) -> KerastlError:
        return bad_value("run", str(self.path), problem, advice)

    def _make_comparable(self, first: "Tested") -> str:
        with naming(self.path, RunFile.SPLITS):
            known = set(list_examples(self.path / RunFile.SPLITS))
        if known.isdisjoint(first.predictions.examples):
            return "Compare runs on the same data set"
        flags = (
            f"--flagfile={self.path / RunFile.FLAGS}",
            f"--splits_from={first.path / RunFile.SPLITS}",
            f"--run_dir={self.path}-on-the-same",
        )
        return (
            f"Train it with the splits of the other, and compare that: kerastl train "
            f"{' '.join(map(shlex.quote, flags))}"
        )


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
    return Tested(path, read_config(path), receipt, predictions)


def _keys(examples: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yields each name with its number among equal ones: a name may stand for several images."""
    seen: collections.Counter[str] = collections.Counter()
    for example in examples:
        seen[example] += 1
        yield example, seen[example]


def _fingerprints(receipt: Mapping[str, Any]) -> str | None:
    """Returns that of the test images; None where an earlier version has written none."""
    fingerprint: str | None = receipt.get("splits", {}).get(TEST)
    return fingerprint
