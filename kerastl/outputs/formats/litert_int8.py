"""LiteRT with all numbers in 8 bits, input and output too, unless that makes classes equal."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from kerastl import environment
from kerastl.export_formats import FORMATS
from kerastl.outputs import litert_file
from kerastl.outputs.artifact import count_ties
from kerastl.outputs.formats import litert
from kerastl.outputs.formats.interface import Exportable, label_text

open = litert.open

# Probabilities in steps of 1/256 cannot tell more classes than this apart.
_MOST_CLASSES = 100
_BATCH_SIZE = 32

_Examples = Callable[[], Iterator[list[np.ndarray]]]


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes a quantized model of one image, unless its input is resized.

    With many classes, or where 8 bits give several classes of a training image the same highest
    probability, the head, the input and the output are in float32.
    """
    images = _with_extremes(model.draw_images())
    class_names = model.card["class_names"]

    def examples() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [image[np.newaxis]]

    with environment.quiet():
        if len(class_names) <= _MOST_CLASSES:
            _write_in_8_bits(model, path, examples)
        if len(class_names) > _MOST_CLASSES or _has_ties(path, images):
            _write_with_head(model, path, examples)
    litert_file.add_metadata(path, label_text(class_names))


def read_needs(path: pathlib.Path) -> dict[str, Any]:
    """Reads what `litert.read_needs` does, and what the numbers of the output stand for.

    A probability is the scale times the number less the zero. With a head in float32 it is the
    number itself.
    """
    found = litert_file.read_needs(path)
    needs, floats = litert.read_needs(path), FORMATS["litert"]
    if found.takes_floats:
        changed = {"input": floats.input, "output": f"{floats.output}, from a head in float32"}
        return needs | changed
    return needs | {"output_scale": found.output_scale, "output_zero": found.output_zero}


def _with_extremes(images: np.ndarray) -> np.ndarray:
    """Makes one pixel of the first image black and one white.

    The input then has the range 0..255, whatever the training images have, so bytes of an image go
    in as they are. The task libraries of phones know no other scale.
    """
    images = images.copy()
    images[0, 0, :2] = [[0], [255]]
    return images


def _has_ties(path: pathlib.Path, images: np.ndarray) -> bool:
    classify = open(path, {}).classify
    starts = range(0, len(images), _BATCH_SIZE)
    return any(count_ties(classify(images[start : start + _BATCH_SIZE])) for start in starts)


def _write_in_8_bits(model: Exportable, path: pathlib.Path, examples: _Examples) -> None:
    with _quantizer(model, examples) as converter:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        path.write_bytes(converter.convert())


@contextlib.contextmanager
def _quantizer(model: Exportable, examples: _Examples) -> Iterator[Any]:
    outputs = {litert.DEFAULT: ["probabilities"]}
    with litert.converter_of(model.probabilities(), outputs) as converter:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        yield converter


def _write_with_head(model: Exportable, path: pathlib.Path, examples: _Examples) -> None:
    """Leaves the head as it is, which only this part of the converter can.

    https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger
    """
    tools = tf.lite.experimental
    with _quantizer(model, examples) as converter:
        debugger = tools.QuantizationDebugger(
            converter=converter,
            debug_dataset=examples,
            debug_options=tools.QuantizationDebugOptions(),
        )
    head = litert_file.list_outputs(debugger.calibrated_model, "FULLY_CONNECTED")
    debugger.options = tools.QuantizationDebugOptions(denylisted_nodes=head)
    path.write_bytes(debugger.get_nondebug_quantized_model())
