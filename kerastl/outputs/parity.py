"""Opens an export in a fresh process, without Keras, and compares its answers with ours.

Run as a module it is that process: `python -m kerastl.outputs.parity SAVED_MODEL FOLDER`.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from kerastl.data.images import decode
from kerastl.errors import KerastlError

_BATCH_SIZE = 32


def largest_differences(
    saved_model: pathlib.Path, files: list[bytes], probabilities: np.ndarray
) -> dict[str, float]:
    """Asks a SavedModel about images, in a process of its own.

    Args:
        saved_model: Its directory.
        files: Bytes of each image file.
        probabilities: What the trainer said of them, (images, classes).

    Returns:
        The largest difference of probability through each signature.

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
            [sys.executable, "-m", "kerastl.outputs.parity", str(saved_model), folder],
            env=os.environ | {"PYTHONPATH": search_path, "TF_CPP_MIN_LOG_LEVEL": "2"},
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
        answers = np.load(f"{folder}/answers.npz")
        return {
            signature: float(np.abs(answers[signature] - probabilities).max())
            for signature in answers.files
        }


def _answer(saved_model: str, folder: str) -> None:
    """Writes what each signature says of the files in `folder`."""
    signatures = tf.saved_model.load(saved_model).signatures
    files = tf.data.TFRecordDataset(f"{folder}/files.tfrecord")
    from_files = [
        signatures["serving_default"](image_bytes=batch)["probabilities"]
        for batch in files.batch(_BATCH_SIZE)
    ]
    # Pixels may differ in size from image to image, so they go one by one.
    from_pixels = [
        signatures["images"](images=decode(content)[tf.newaxis])["probabilities"]
        for content in files
    ]
    np.savez(
        f"{folder}/answers.npz",
        serving_default=np.concatenate(from_files),
        images=np.concatenate(from_pixels),
    )


if __name__ == "__main__":
    _answer(*sys.argv[1:])
