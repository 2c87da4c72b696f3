"""LiteRT with weights of 16 bits: half of the size, computed in float32 where that is faster."""

import pathlib

import tensorflow as tf

from kerastl.outputs.formats import litert
from kerastl.outputs.formats.interface import Exportable

open, read_needs = litert.open, litert.read_needs


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes a model of one image, unless its input is resized, in float32 with such weights."""
    outputs = {litert.DEFAULT: ["probabilities"]}
    litert.convert(model.probabilities(), outputs, path, weights=tf.float16)
    litert.add_labels(model, path)
