"""Asks an artefact in a fresh process, by its own runtime, and compares its answers with ours."""

import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerastl.data.images import decode, smallest_side
from kerastl.data.reading import untuned
from kerastl.data.splits import spread
from kerastl.outputs.opening import open_artefact
from kerastl.outputs.runtimes import Artefact, decode_all
from kerastl.writing import explained

# From pooled features, float32 (images, channels), to probabilities.
Head = Callable[[np.ndarray], np.ndarray]

_BATCH_SIZE = 32
# Batches that are timed, and how often each.
_TIMED = {1: 20, 32: 4}
# Files that are sent through the other signatures of a SavedModel, one by one.
_SENT_AS_PIXELS = 64
_FILES = "files.tfrecord"
_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    # The trainer holds the GPU's memory.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


class Unusable(Exception):  # noqa: N818  what is wrong, in the words of the message
    """An artefact cannot be opened or asked; the text says why."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What an artefact said.

    Attributes:
        probabilities: Of each file and class, in the trainer's order of the classes, float32
            (files, classes); NaN for classes that the artefact does not know.
        differences: The largest difference of probability from the trainer for each file,
            float32 (files,).
        class_names: The trainer's names of the classes.
        milliseconds: For each size of a batch, what an image takes from pixels to probabilities.
    """

    probabilities: np.ndarray
    class_names: tuple[str, ...]
    differences: np.ndarray
    milliseconds: dict[int, float]


def write_questions(folder: pathlib.Path, files: Iterable[bytes], *, field: str) -> None:
    """Writes image files to a new folder, for `ask`.

    Raises:
        KerastlError: If the disk does not take them.
    """
    with explained(folder, field=field):
        folder.mkdir()
        writer = tf.io.TFRecordWriter(str(folder / _FILES))
    for content in files:
        with explained(folder, field=field):
            writer.write(content)
    with explained(folder, field=field):
        writer.close()


def ask(
    artefact: pathlib.Path,
    questions: pathlib.Path,
    probabilities: np.ndarray,
    class_names: tuple[str, ...],
    *,
    head: Head,
) -> Answers:
    """Asks an artefact about image files, in a process of its own.

    Args:
        artefact: Its file or directory, with its card.
        questions: The folder of `write_questions`.
        probabilities: What the trainer said of them, (files, classes).
        class_names: The trainer's names of the classes, in order.
        head: The trainer's head.

    Raises:
        Unusable: If the artefact cannot be opened or asked.
    """
    package_parent = str(pathlib.Path(__file__).parents[2])
    search_path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    finished = subprocess.run(
        [sys.executable, "-m", "kerastl.outputs.fresh", str(artefact), str(questions)],
        env=os.environ | {"PYTHONPATH": search_path} | _ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        last_line = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unusable(f"cannot be used in a fresh process ({last_line})")
    with np.load(questions / "answers.npz") as said:
        return _compare(dict(said), probabilities, class_names, head)


def _by_head(said: dict[str, np.ndarray], head: Head) -> np.ndarray:
    """Gives what the trainer's head makes of an artefact's features, NaN of what are none."""
    try:
        return head(said["features"])
    except (ValueError, tf.errors.OpError):
        return np.full_like(said["of_pixels"], np.nan)


def _compare(
    said: dict[str, np.ndarray],
    probabilities: np.ndarray,
    class_names: tuple[str, ...],
    head: Head,
) -> Answers:
    column_of = {name: said["probabilities"][:, place] for place, name in enumerate(said["names"])}
    unknown = np.full(len(probabilities), np.nan, np.float32)
    answers = np.stack([column_of.get(name, unknown) for name in class_names], axis=1)
    # NumPy's maximum of what holds a NaN is NaN, so none is lost.
    differences = np.abs(answers - probabilities).max(axis=1)
    if len(sample := said["sample"]):
        of_sample = probabilities[sample]
        by_name = [dict(zip(class_names, row, strict=True)) for row in of_sample]
        named = [row.get(name, np.nan) for row, name in zip(by_name, said["named"], strict=True)]
        differences[sample] = np.maximum.reduce(
            [
                differences[sample],
                *(
                    np.abs(others - of_sample).max(axis=1)
                    for others in (said["of_pixels"], said["of_logits"], _by_head(said, head))
                ),
                # A name counts as the probability that the trainer gave to its class.
                np.abs(said["confidence"] - named),
            ]
        )
    milliseconds = dict(zip(_TIMED, said["milliseconds"].tolist(), strict=True))
    return Answers(answers, class_names, differences, milliseconds)


def answer(path: str, folder: str) -> None:
    """Writes what an artefact says of the files that `write_questions` wrote to `folder`."""
    artefact = open_artefact(path)
    dataset = untuned(tf.data.TFRecordDataset(str(pathlib.Path(folder, _FILES))))
    batches = [
        artefact.answer(batch.tolist())[0]
        for batch in dataset.batch(_BATCH_SIZE).as_numpy_iterator()
    ]
    first = decode_all(list(dataset.take(_BATCH_SIZE).as_numpy_iterator()), artefact.card)
    np.savez(
        pathlib.Path(folder, "answers.npz"),
        probabilities=np.concatenate(batches),
        names=np.array(artefact.class_names),
        milliseconds=[
            _milliseconds(artefact.classify, np.resize(first, (size, *first.shape[1:])), times)
            for size, times in _TIMED.items()
        ],
        **_ask_signatures(artefact, dataset, sum(map(len, batches))),
    )


def _milliseconds(
    classify: Callable[[np.ndarray], np.ndarray], images: np.ndarray, times: int
) -> float:
    classify(images)
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        classify(images)
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds)) / len(images)


def _ask_signatures(artefact: Artefact, files: tf.data.Dataset, count: int) -> dict[str, Any]:
    """Asks a SavedModel for what `Artefact.answer` leaves out: names, and pixels as input."""
    sample: Sequence[int] = []
    named, confidence, of_pixels, of_logits, features = [], [], [], [], []
    if signatures := artefact.signatures:
        sample = spread(count, _SENT_AS_PIXELS).tolist()
        # The pixels that files are decoded to on their way into the network.
        side = smallest_side(artefact.card["input"]["image_size"])
        chosen = set(sample)
        for number, content in files.enumerate():
            if int(number) not in chosen:
                continue
            answer = signatures["serving_default"](image_bytes=content[tf.newaxis])
            named.append(answer["class_name"].numpy()[0].decode())
            confidence.append(answer["confidence"].numpy()[0])
            of_logits.append(tf.nn.softmax(answer["logits"]).numpy()[0])
            features.append(signatures["features"](image_bytes=content[tf.newaxis])["features"][0])
            pixels = decode(content, smallest_side=side)[tf.newaxis]
            of_pixels.append(signatures["images"](images=pixels)["probabilities"].numpy()[0])
    return {
        "sample": np.array(sample, int),
        "named": np.array(named, str),
        "confidence": np.array(confidence, np.float32),
        "of_pixels": np.array(of_pixels, np.float32),
        "of_logits": np.array(of_logits, np.float32),
        "features": np.array(features, np.float32),
    }
