"""Predictions of an exported model for a sample of image files, and how long they take."""

import pathlib
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from kerastl.data.images import decode, smallest_side
from kerastl.data.reading import untuned
from kerastl.data.splits import spread
from kerastl.disk_errors import explained
from kerastl.outputs.artifact import Artifact, decode_all
from kerastl.outputs.formats.savedmodel import DEFAULT_SIGNATURE
from kerastl.outputs.opening import open_artifact

_BATCH_SIZE = 32
# Batch sizes that are timed, and how often each.
TIMED = {1: 20, 32: 4}
# Files that are sent through the other signatures of a SavedModel, one by one.
_SENT_AS_PIXELS = 64
# Outputs that are compared, where a format has them.
_PREDICTED = ("probabilities", "distance", "is_known")
_FILES, _PREDICTIONS = "files.tfrecord", "predictions.npz"


def write_samples(folder: pathlib.Path, files: Iterable[bytes], *, field: str) -> None:
    """Writes image files to a new folder, for `predict_samples`.

    Raises:
        KerastlError: If they cannot be written.
    """
    with explained(folder, field=field):
        folder.mkdir()
        writer = tf.io.TFRecordWriter(str(folder / _FILES))
    # Errors of reading the files must not be reported as errors of writing.
    for content in files:
        with explained(folder, field=field):
            writer.write(content)
    with explained(folder, field=field):
        writer.close()


def predict_samples(model: pathlib.Path, folder: pathlib.Path) -> None:
    """Writes a model's predictions for the files of `write_samples`, for `read_predictions`."""
    artifact = open_artifact(model)
    dataset = untuned(tf.data.TFRecordDataset(str(folder / _FILES)))
    batches = [
        artifact.predict(batch.tolist())[0]
        for batch in dataset.batch(_BATCH_SIZE).as_numpy_iterator()
    ]
    predicted: dict[str, Any] = {
        name: np.concatenate([batch[name] for batch in batches])
        for name in _PREDICTED
        if all(name in batch for batch in batches)
    }
    first = decode_all(list(dataset.take(_BATCH_SIZE).as_numpy_iterator()), artifact.card)
    np.savez(
        folder / _PREDICTIONS,
        names=np.array(artifact.class_names),
        milliseconds=[
            _milliseconds(artifact.classify, np.resize(first, (size, *first.shape[1:])), times)
            for size, times in TIMED.items()
        ],
        **predicted,
        **_predict_by_signatures(artifact, dataset, len(predicted["probabilities"])),
    )


def read_predictions(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the arrays that `predict_samples` wrote."""
    with np.load(folder / _PREDICTIONS) as arrays:
        return dict(arrays)


def _milliseconds(
    classify: Callable[[np.ndarray], np.ndarray], images: np.ndarray, times: int
) -> float:
    """Measures what an image takes from pixels to probabilities, the median of some batches."""
    classify(images)
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        classify(images)
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds)) / len(images)


def _predict_by_signatures(
    artifact: Artifact, files: tf.data.Dataset, count: int
) -> dict[str, Any]:
    """Returns the outputs of a SavedModel that `Artifact.predict` leaves out, of some files."""
    if not (signatures := artifact.signatures):
        return {}
    sample = spread(count, _SENT_AS_PIXELS)
    chosen = set(sample.tolist())
    # The pixels that files are decoded to on their way into the network.
    taken = artifact.card["input"]
    side = smallest_side(taken["image_size"], taken["resize"])
    rows = []
    for number, content in files.enumerate():
        if int(number) in chosen:
            file = content[tf.newaxis]
            outputs = signatures[DEFAULT_SIGNATURE](image_bytes=file)
            pixels = decode(content, smallest_side=side)[tf.newaxis]
            features = signatures["features"](image_bytes=file)
            sets = ("in_set", "probabilities") if "in_set" in outputs else ()
            row = {
                **{name: outputs[name] for name in sets},
                "named": outputs["class_name"],
                "confidence": outputs["confidence"],
                "of_logits": tf.nn.softmax(outputs["logits"]),
                "features": tf.stack([*features.values()], axis=1),
                "of_pixels": signatures["images"](images=pixels)["probabilities"],
            }
            rows.append({name: value.numpy()[0] for name, value in row.items()})
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    if "in_set" in arrays:
        arrays["of_sets"] = arrays.pop("probabilities")
    return arrays | {"sample": sample, "named": np.char.decode(arrays["named"], "utf-8")}
