"""A classifier as one file of each format, from pixels to probabilities."""

import contextlib
import pathlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from kerastl import environment
from kerastl.model.boundaries import models_in


def write_keras(classifier: keras.Model, path: pathlib.Path) -> None:
    """Writes what `keras.saving.load_model` loads without this package: pixels to logits."""
    classifier.save(path)


def write_litert(classifier: keras.Model, path: pathlib.Path) -> None:
    """Writes a LiteRT model in float32.

    Its input is `images`, float32 (batch, size, size, 3), RGB in 0..255, of one image unless it is
    resized; its output `probabilities`, float32 (batch, classes).
    """
    with environment.quiet():
        with_probabilities(classifier).export(path, format="litert", verbose=False)


def write_litert_int8(classifier: keras.Model, path: pathlib.Path, images: np.ndarray) -> None:
    """Writes a LiteRT model all of whose numbers have 8 bits, input and output too.

    Args:
        classifier: Model from images to logits.
        path: File to write, which ends in .tflite.
        images: Pixels of training images, float32 (images, size, size, 3), from which the ranges
            of all numbers inside are taken.
    """

    def representative() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [image[np.newaxis]]

    with environment.quiet():
        with_probabilities(classifier).export(
            path,
            format="litert",
            verbose=False,
            optimizations=[tf.lite.Optimize.DEFAULT],
            representative_dataset=representative,
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
            inference_input_type=tf.uint8,
            inference_output_type=tf.uint8,
        )


def write_onnx(classifier: keras.Model, path: pathlib.Path) -> None:
    """Writes an ONNX model in float32 with the input and output of `write_litert`.

    Raises:
        onnx.checker.ValidationError: If an operation of the network has no counterpart.
    """
    import onnx  # noqa: PLC0415  an extra

    model = with_probabilities(classifier)
    # Keras takes the input from a call.
    model(np.zeros([1, *classifier.input.shape[1:]], np.float32))
    with environment.quiet(), _constants_in_place(classifier):
        model.export(path, format="onnx", verbose=False)
    # The converter leaves in what it does not know.
    onnx.checker.check_model(str(path))


@contextlib.contextmanager
def _constants_in_place(classifier: keras.Model) -> Iterator[None]:
    """Lets normalization layers hold what they subtract and divide by as NumPy arrays.

    Arrays are written into a graph, tensors become inputs of an ONNX model.
    """
    kind = keras.layers.Normalization
    layers = [layer for part in models_in(classifier) for layer in part.layers]
    layers = [layer for layer in layers if isinstance(layer, kind)]
    before = [(layer.mean, layer.variance) for layer in layers]
    for layer in layers:
        layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    try:
        yield
    finally:
        for layer, (mean, variance) in zip(layers, before, strict=True):
            layer.mean, layer.variance = mean, variance


def with_probabilities(classifier: keras.Model) -> keras.Model:
    """Adds the softmax that a file without a signature of its own needs."""
    softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
    return keras.Model(classifier.input, {"probabilities": softmax(classifier.output)})
