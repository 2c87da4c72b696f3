"""Classifies image files one after another: read ahead, decoded in parallel, in order."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kerastl.outputs.artifact import Artifact
from kerastl.outputs.opening import open_artifact
from kerastl.serving.image_paths import check_names, find_images
from kerastl.serving.read_ahead import read_batches


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for an image file.

    Attributes:
        path: The file.
        class_name: The most likely class; empty if the file cannot be used.
        probabilities: One per class, float32 (classes,); None if the file cannot be used.
        problem: Why it cannot be used; empty if it can.
    """

    path: pathlib.Path
    class_name: str = ""
    probabilities: np.ndarray | None = None
    problem: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions that are computed while they are iterated over, once.

    Attributes:
        class_names: Names of the classes, in the order of the probabilities.
        iterator: The predictions, in the order of the files.
    """

    class_names: tuple[str, ...]
    iterator: Iterator[Prediction]

    def __iter__(self) -> Iterator[Prediction]:
        """Returns the only iterator."""
        return self.iterator


def predict(
    model: str | os.PathLike[str],
    paths: Sequence[str],
    *,
    batch_size: int,
    image_column: str = "",
) -> Predictions:
    """Classifies image files in order.

    A batch, of at most `batch_size` images, is as large as files are ready, so the first
    predictions come at once, and a list of paths that comes slowly is answered as it comes. A few
    dozen files are in memory at a time. See `find_model` and `find_images` for the other arguments.

    Raises:
        UsageError: If the model does not exist, or `paths` contain no images.
        KerastlError: If the model cannot be opened.
    """
    check_names(paths, image_column=image_column)
    artifact = open_artifact(os.fspath(model))
    files = find_images(paths, image_column=image_column)
    return Predictions(artifact.class_names, _classify(artifact, files, batch_size))


def _classify(
    artifact: Artifact, paths: Iterable[pathlib.Path], batch_size: int
) -> Iterator[Prediction]:
    names = artifact.class_names
    for batch in read_batches(paths, batch_size):
        files = [content for _, content in batch if isinstance(content, bytes)]
        rows, problems = artifact.predict(files)
        indices = itertools.count()
        for path, content in batch:
            if isinstance(content, str):
                yield Prediction(path, problem=content)
            elif (index := next(indices)) in problems:
                yield Prediction(path, problem=problems[index])
            else:
                yield Prediction(path, names[int(np.argmax(rows[index]))], rows[index])
