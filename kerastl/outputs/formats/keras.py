"""Keras's own file, which `keras.saving.load_model` opens without this package."""

import json
import pathlib
import zipfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.outputs.artifact import Artifact
from kerastl.outputs.formats.interface import Exportable


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes the model from pixels to logits."""
    model.classifier.save(path)


def open(path: pathlib.Path, card: dict[str, Any]) -> Artifact:
    """Opens a `.keras` file with Keras only."""
    classifier = keras.saving.load_model(path)
    call = tf.function(
        lambda images: tf.nn.softmax(classifier(images, training=False)),
        # Batches of all sizes share one trace.
        input_signature=[tf.TensorSpec([None, *classifier.inputs[0].shape[1:]], tf.float32)],
        autograph=False,
    )
    return Artifact.from_pixels(
        path, card, lambda images: np.asarray(call(tf.constant(images)).numpy())
    )


def read_needs(path: pathlib.Path) -> dict[str, Any]:
    """Reads the version that wrote a file; whether older ones read it depends on its layers."""
    with zipfile.ZipFile(path) as archive:
        version = json.loads(archive.read("metadata.json"))["keras_version"]
    return {"oldest_runtime": f"Keras {version}, which wrote it", "keras_version": version}
