"""Classifies image files one after another: read ahead, decoded in parallel, in order."""

import collections
import dataclasses
import itertools
import os
import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from kerastl import native_messages
from kerastl.data.content import hash_content
from kerastl.data.unusable import describe_ignored
from kerastl.outputs.artifact import Artifact, Outputs
from kerastl.outputs.opening import open_artifact
from kerastl.progress import Progress
from kerastl.serving.image_paths import check_names, find_images
from kerastl.serving.in_memory import InMemory
from kerastl.serving.options import PredictOptions
from kerastl.serving.prediction import Prediction
from kerastl.serving.prediction_writer import Written, write_predictions
from kerastl.serving.read_ahead import ReadFile, read_batches
from kerastl.serving.run_images import find_run_images, read_run_images
from kerastl.training.class_sets import ClassSets


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions that are computed while they are iterated over, once.

    Attributes:
        class_names: Names of the classes, in the order of the probabilities.
        iterator: The predictions, in the order of the files.
        class_sets: Which classes are in the set of an image; None if the model has no sets.
        tells_known: Whether each has `is_known`.
        splits_path: `splits.csv` of the model's run; None where it is not beside the model.
        ignored: Number of other files that were met in folders so far, by kind.
    """

    class_names: tuple[str, ...]
    iterator: Iterator[Prediction]
    class_sets: ClassSets | None = None
    tells_known: bool = False
    splits_path: pathlib.Path | None = None
    ignored: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def __iter__(self) -> Iterator[Prediction]:
        """Returns the only iterator."""
        return self.iterator

    @property
    def left_out(self) -> str:
        """What was met in folders beside images so far, in a line; empty for nothing."""
        return describe_ignored(self.ignored)

    @property
    def columns(self) -> tuple[str, ...]:
        """What is known of each image besides the probabilities, as columns of a table."""
        sets = ("class_set",) if self.class_sets else ()
        return (*sets, *(("is_known",) if self.tells_known else ()))

    def write(
        self,
        output: str = PredictOptions.output,
        *,
        top_k: int = PredictOptions.top_k,
        labels_from: str = PredictOptions.labels_from,
        progress: Progress | None = None,
    ) -> Written:
        """Writes the predictions as they are computed.

        Args:
            output: File that is replaced when everything is written: `.csv`, `.jsonl` or
                `.parquet`. If empty, rows are printed as they come: as a table on a terminal,
                otherwise as CSV.
            top_k: Number of most likely classes to write for each image.
            labels_from: "folder" compares the predictions with the names of the files' folders,
                and counts the images that the model was trained on.
            progress: Where rows are printed, and progress; standard output by default.

        Raises:
            UsageError: If a value is wrong, or there are fewer than `top_k` classes.
            KerastlError: If the predictions cannot be written.
        """
        options = PredictOptions(output=output, top_k=top_k, labels_from=labels_from)
        return write_predictions(
            self,
            self.class_names,
            options,
            columns=self.columns,
            seen=read_run_images(self.splits_path) if labels_from else None,
            progress=Progress.of(progress, default=sys.stdout),
        )


def predict(
    model: str | os.PathLike[str],
    images: Iterable[str | InMemory],
    *,
    batch_size: int,
    image_column: str = "",
) -> Predictions:
    """Classifies image files in order.

    A batch, of at most `batch_size` images, is as large as files are ready, so the first
    predictions come at once, and a list of paths that comes slowly is answered as it comes. A few
    dozen files are in memory at a time. See `find_model` and `find_images` for the other arguments.

    Raises:
        UsageError: If the model does not exist, or `images` are none.
        KerastlError: If the model cannot be opened.
    """
    images = [*images]
    check_names(images, image_column=image_column)
    artifact = open_artifact(os.fspath(model))
    ignored: collections.Counter[str] = collections.Counter()
    files = find_images(images, image_column=image_column, ignored=ignored)
    sets = ClassSets.read(artifact.card)
    iterator = _classify(artifact, files, batch_size, sets)
    return Predictions(
        artifact.class_names,
        iterator,
        sets,
        artifact.tells_known,
        find_run_images(artifact),
        ignored,
    )


class Answer(NamedTuple):
    """What a model gives for a file.

    Attributes:
        path: The file.
        outputs: By name, see `Artifact.compute_files`; empty if the file cannot be used.
        problem: Why it cannot be used; empty if it can.
        sha256: Hash of its content, in as many digits as a run writes; empty if it cannot be used.
    """

    path: pathlib.Path
    outputs: Outputs
    problem: str
    sha256: str = ""


def compute_answers(artifact: Artifact, batches: Iterable[list[ReadFile]]) -> Iterator[Answer]:
    """Computes what a model gives for each file, in order."""
    with native_messages.sieve() as sieved:
        for batch in batches:
            files = [content for _, content in batch if isinstance(content, bytes)]
            # Between batches, the caller's own libraries may write what they like.
            with sieved():
                outputs, problems = artifact.predict(files)
            indices = itertools.count()
            for path, content in batch:
                if isinstance(content, str):
                    yield Answer(path, {}, content)
                elif (index := next(indices)) in problems:
                    yield Answer(path, {}, problems[index])
                else:
                    of_file = {name: outputs[name][index] for name in outputs}
                    yield Answer(path, of_file, "", hash_content(content).hex())


def _classify(
    artifact: Artifact,
    paths: Iterable[pathlib.Path | InMemory],
    batch_size: int,
    sets: ClassSets | None,
) -> Iterator[Prediction]:
    names = artifact.class_names
    answers = compute_answers(artifact, read_batches(paths, batch_size))
    for path, outputs, problem, sha256 in answers:
        if problem:
            yield Prediction(path, problem=problem)
            continue
        row = outputs["probabilities"]
        inside = tuple(names[label] for label in sets.list(row)) if sets else ()
        known = bool(outputs["is_known"]) if artifact.tells_known else None
        name = names[int(np.argmax(row))]
        yield Prediction(path, name, row, class_set=inside, is_known=known, sha256=sha256)
