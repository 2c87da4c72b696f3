"""Keras's own file, which `keras.saving.load_model` opens without this package."""

import json
import pathlib
import zipfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.keras_settings import channels_last
from kerastl.model.mirrored import outputs_of
from kerastl.outputs.artifact import Artifact
from kerastl.outputs.directories import RunFile
from kerastl.outputs.formats.interface import Exportable
from kerastl.training.known_images import KnownImages, features_in


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes the model from pixels to logits, and beside it what decides which images are known."""
    model.classifier.save(path)
    if model.known:
        model.known.save(path.parent / RunFile.KNOWN, field="export_dir")


def open(path: pathlib.Path, card: dict[str, Any]) -> Artifact:
    """Opens a `.keras` file with Keras only."""
    # Keras 3.11 makes the layers of a file as it is set to, too.
    with channels_last():
        network = outputs_of(keras.saving.load_model(path))
    known = KnownImages.read(path.parent / RunFile.KNOWN) if "known" in card else None

    def compute(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = network(images, training=False)
        features = features_in(outputs)
        return {
            "probabilities": tf.nn.softmax(outputs["logits"]),
            "features": features,
            **(known.describe(features) if known else {}),
        }

    # Batches of all sizes share one trace.
    signature = [tf.TensorSpec([None, *network.inputs[0].shape[1:]], tf.float32)]
    function = tf.function(compute, input_signature=signature, autograph=False)
    with channels_last():
        call = function.get_concrete_function()
    return Artifact.from_pixels(
        path,
        card,
        lambda images: {
            name: np.asarray(value.numpy()) for name, value in call(tf.constant(images)).items()
        },
        tells_known=known is not None,
    )


def read_needs(path: pathlib.Path) -> dict[str, Any]:
    """Reads the version that wrote a file; whether older ones read it depends on its layers."""
    with zipfile.ZipFile(path) as archive:
        version = json.loads(archive.read("metadata.json"))["keras_version"]
    return {"oldest_runtime": f"Keras {version}, which wrote it", "keras_version": version}
