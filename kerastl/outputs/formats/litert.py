"""LiteRT, once TensorFlow Lite, in float32, with labels for the task libraries of phones."""

import pathlib
from typing import Any

import numpy as np
from ai_edge_litert import interpreter

from kerastl import environment
from kerastl.outputs import litert_file
from kerastl.outputs.artifact import CORES, Artifact, Outputs
from kerastl.outputs.formats.interface import Exportable, label_text


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes a model of one image, unless its input is resized, in float32."""
    convert(model, path)


def convert(model: Exportable, path: pathlib.Path, **options: Any) -> None:
    """Converts with options of `tf.lite.TFLiteConverter`, and adds labels."""
    with environment.quiet():
        model.probabilities().export(path, format="litert", verbose=False, **options)
    litert_file.add_metadata(path, label_text(model.card["class_names"]))


def open(path: pathlib.Path, card: dict[str, Any]) -> Artifact:
    """Opens a `.tflite` file of float32 or 8-bit numbers with ai-edge-litert."""
    model = interpreter.Interpreter(str(path), num_threads=CORES)
    with environment.quiet():
        # The first time it prints what it computes with.
        model.allocate_tensors()
    input_, output = model.get_input_details()[0], model.get_output_details()[0]

    def compute(images: np.ndarray) -> Outputs:
        model.resize_tensor_input(input_["index"], images.shape)
        model.allocate_tensors()
        model.set_tensor(input_["index"], _quantize(images, input_))
        model.invoke()
        return {"probabilities": _dequantize(model.get_tensor(output["index"]), output)}

    return Artifact.from_pixels(path, card, compute)


def read_needs(path: pathlib.Path) -> dict[str, Any]:
    """Reads the oldest runtime and the versions of the operations from a file."""
    needs = litert_file.read_needs(path)
    return {
        "oldest_runtime": f"TensorFlow Lite {needs.min_runtime_version or 'unknown'}, or LiteRT",
        "min_runtime_version": needs.min_runtime_version,
        "operator_versions": needs.operator_versions,
    }


def _quantize(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Rounds to the values of an 8-bit tensor, by its own scale and zero."""
    # https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
    if tensor["dtype"] == np.float32:
        return values
    scale, zero = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    rounded = np.clip(np.round(values / scale + zero), limits.min, limits.max)
    return np.asarray(rounded, tensor["dtype"])


def _dequantize(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero = tensor["quantization"]
    return np.asarray((values.astype(np.float32) - zero) * scale, np.float32)
