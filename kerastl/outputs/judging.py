"""Whether a format answers as the trainer did, and what is said of it."""

import importlib.metadata
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.outputs.formats import CARD, FORMATS
from kerastl.outputs.parity import Answers
from kerastl.progress import count_of, format_bytes
from kerastl.training.evaluate import Evaluation

# Images that a message names.
_MAX_NAMED = 3


class Unfit(Exception):  # noqa: N818  what is wrong, in the words of the message
    """A format cannot be written or answers otherwise; the text says how."""


def check(
    name: str, said: Answers, trainer: Evaluation, examples: Sequence[str], config: Config
) -> None:
    """Compares an artefact's answers with the trainer's.

    Args:
        name: Of the format.
        said: The artefact's answers.
        trainer: The trainer's, with the true classes.
        examples: Names of the images.
        config: With the most that accuracy may drop.

    Raises:
        Unfit: If they are further apart than the format may be.
    """
    tolerance = FORMATS[name].tolerance
    difference = float(said.differences.max())
    accuracy = _accuracy(said.probabilities, trainer.labels)
    drop = trainer.accuracy - accuracy
    # Written this way round, since a difference that is not a number fails too.
    if tolerance is not None and not difference < tolerance:
        problem = f"by up to {difference:.2g} of probability, where {tolerance:g} is allowed"
    elif tolerance is None and not (np.isfinite(difference) and drop <= config.max_accuracy_drop):
        problem = (
            f"with an accuracy of {accuracy:.4f} against {trainer.accuracy:.4f}, where "
            f"max_accuracy_drop={config.max_accuracy_drop:g} is allowed"
        )
    else:
        return
    worst = np.argsort(-np.nan_to_num(said.differences, nan=np.inf), kind="stable")[:_MAX_NAMED]
    most = ", ".join(
        f"{examples[place]} ({_top(said.probabilities[place], said.class_names)}, not "
        f"{_top(trainer.probabilities[place], said.class_names)})"
        for place in worst
    )
    raise Unfit(f"answers otherwise than the trainer, {problem}; most on {most}")


def _top(probabilities: np.ndarray, class_names: tuple[str, ...]) -> str:
    best = int(np.argmax(probabilities))
    return f"{class_names[best]} {probabilities[best]:.3f}"


def _accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def result(
    name: str, said: Answers, trainer: Evaluation, directory: pathlib.Path
) -> dict[str, Any]:
    """Gives what `export.json` says of a format, whose files are in `directory`."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != CARD]
    row = FORMATS[name]
    runtime = row.runtime or ("keras" if name == "keras" else "tensorflow")
    return {
        "file": row.file,
        "input": row.takes,
        "output": row.gives,
        "opened_by": f"{runtime} {_version(runtime)}",
        "bytes": sum(path.stat().st_size for path in files),
        "num_images": len(trainer.labels),
        "accuracy": _accuracy(said.probabilities, trainer.labels),
        "trainer_accuracy": trainer.accuracy,
        "agreement": float(np.mean(said.probabilities.argmax(axis=1) == trainer.predicted)),
        "largest_difference": float(said.differences.max()),
        "milliseconds": {str(size): value for size, value in said.milliseconds.items()},
    }


def _version(runtime: str) -> str:
    # TensorFlow is also distributed under other names.
    ours = {"tensorflow": tf.__version__, "keras": keras.version()}
    return ours.get(runtime) or importlib.metadata.version(runtime)


def table(
    place: pathlib.Path, results: Mapping[str, Mapping[str, Any]], trainer: Evaluation
) -> Iterator[str]:
    """Yields the lines of the table of all formats in `place`."""
    yield (
        f"Exported {place}, each format reloaded in a fresh process and asked about "
        f"{count_of(len(trainer.labels), 'test image')}; the trainer's accuracy on them is "
        f"{trainer.accuracy:.4f}."
    )
    yield (
        f"  {'format':<12}{'size':>9}{'accuracy':>10}{'agreement':>11}{'largest difference':>20}"
        f"{'ms an image, alone':>20}{'of 32':>8}"
    )
    for name, result in results.items():
        alone, of_32 = (result["milliseconds"][size] for size in ("1", "32"))
        yield (
            f"  {name:<12}{format_bytes(result['bytes']):>9}{result['accuracy']:>10.4f}"
            f"{result['agreement']:>11.2%}{result['largest_difference']:>20.1e}{alone:>20.2f}"
            f"{of_32:>8.2f}"
        )
