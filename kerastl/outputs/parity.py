"""Opens an export in a fresh process, without Keras, and compares its answers with ours.

Run as a module it is that process: `python -m kerastl.outputs.parity SAVED_MODEL FOLDER SIZE`.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from kerastl.data.images import decode, smallest_side
from kerastl.errors import KerastlError

_BATCH_SIZE = 32
_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # The trainer holds the GPU's memory, and its answers are in full float32.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "NVIDIA_TF32_OVERRIDE": "0",
}


def largest_differences(
    saved_model: pathlib.Path,
    files: list[bytes],
    probabilities: np.ndarray,
    *,
    class_names: tuple[str, ...],
    image_size: int,
) -> dict[str, float]:
    """Asks a SavedModel about images, in a process of its own.

    Args:
        saved_model: Its directory.
        files: Bytes of each image file.
        probabilities: What the trainer said of them, (images, classes).
        class_names: The trainer's names of the classes, in order.
        image_size: Side of the network's input, in pixels.

    Returns:
        The largest difference of probability through each signature. A name counts as the
        probability that the trainer gave to its class, and has to have the confidence.

    Raises:
        KerastlError: If the SavedModel cannot be opened or asked.
    """
    with tempfile.TemporaryDirectory() as folder:
        with tf.io.TFRecordWriter(f"{folder}/files.tfrecord") as writer:
            for content in files:
                writer.write(content)
        package_parent = str(pathlib.Path(__file__).parents[2])
        search_path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "kerastl.outputs.parity"),
                *(str(saved_model), folder, str(image_size)),
            ],
            env=os.environ | {"PYTHONPATH": search_path} | _ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            last_line = (finished.stderr.strip().splitlines() or ["no message"])[-1]
            raise KerastlError(
                f"{saved_model}: cannot be used in a fresh process ({last_line}). No export is "
                "left; report this with flags.txt."
            )
        return {
            signature: _difference(np.load(f"{folder}/{signature}.npz"), probabilities, class_names)
            for signature in ("serving_default", "images")
        }


def _difference(
    answers: Mapping[str, np.ndarray], probabilities: np.ndarray, class_names: tuple[str, ...]
) -> float:
    by_name = [dict(zip(class_names, row, strict=True)) for row in probabilities]
    named = [
        row.get(name, np.nan) for row, name in zip(by_name, answers["class_name"], strict=True)
    ]
    differences = (answers["probabilities"] - probabilities, answers["confidence"] - named)
    # NumPy's maximum of what holds a NaN is NaN, so none is lost.
    return float(np.max([np.abs(difference).max() for difference in differences]))


def _answer(saved_model: str, folder: str, image_size: str) -> None:
    """Writes what each signature says of the files in `folder`."""
    # The pixels that files are decoded to on their way into the network.
    side = smallest_side(int(image_size))
    signatures = tf.saved_model.load(saved_model).signatures
    files = tf.data.TFRecordDataset(f"{folder}/files.tfrecord")
    answers = {
        "serving_default": [
            signatures["serving_default"](image_bytes=batch) for batch in files.batch(_BATCH_SIZE)
        ],
        # Pixels may differ in size from image to image, so they go one by one.
        "images": [
            signatures["images"](images=decode(content, smallest_side=side)[tf.newaxis])
            for content in files
        ],
    }
    for signature, batches in answers.items():
        probabilities, names, confidence = (
            np.concatenate([batch[output] for batch in batches])
            for output in ("probabilities", "class_name", "confidence")
        )
        np.savez(
            f"{folder}/{signature}.npz",
            probabilities=probabilities,
            # As text, since bytes of any length are Python objects to NumPy.
            class_name=np.array([name.decode() for name in names]),
            confidence=confidence,
        )


if __name__ == "__main__":
    _answer(*sys.argv[1:])
