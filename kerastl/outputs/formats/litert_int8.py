"""LiteRT with all numbers in 8 bits, input and output too."""

import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kerastl import environment
from kerastl.outputs.formats import litert
from kerastl.outputs.formats.interface import Exportable

open = litert.open


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes a quantized model of one image, unless its input is resized."""
    images = model.draw_images()

    def representative() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [image[np.newaxis]]

    with environment.quiet():
        model.probabilities.export(
            path,
            format="litert",
            verbose=False,
            optimizations=[tf.lite.Optimize.DEFAULT],
            representative_dataset=representative,
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
            inference_input_type=tf.uint8,
            inference_output_type=tf.uint8,
        )
