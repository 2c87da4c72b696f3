"""A stream of image files to a stream of answers: read ahead, decoded in parallel, in order."""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from kerastl.outputs.runtimes import Artefact
from kerastl.serving.reading import ReadAhead


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of an image file.

    Attributes:
        path: The file.
        probabilities: Of each class, float32 (classes,); None where it cannot be used.
        problem: Why it cannot be; empty where it can.
    """

    path: pathlib.Path
    probabilities: np.ndarray | None
    problem: str = ""


def predict(
    artefact: Artefact, paths: Iterable[pathlib.Path], *, batch_size: int
) -> Iterator[list[Prediction]]:
    """Classifies image files in their order.

    A batch is as large as files are ready, so that the first answers come at once and a slow
    list of paths is answered as it comes. A few dozen files are held at a time.

    Args:
        artefact: The model.
        paths: The files, which may still be coming.
        batch_size: Most files that the model gets at once.

    Yields:
        The answers of each batch.
    """
    for batch in ReadAhead(paths).batches(batch_size):
        contents = [content for _, content in batch]
        files = [content for content in contents if isinstance(content, bytes)]
        answers, problems = artefact.answer(files)
        of_files = iter(
            (None, problems[place]) if place in problems else (answers[place], "")
            for place in range(len(files))
        )
        yield [
            Prediction(path, None, content)
            if isinstance(content, str)
            else Prediction(path, *next(of_files))
            for path, content in batch
        ]
