"""LiteRT, once TensorFlow Lite, in float32, with labels for the task libraries of phones."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import interpreter

from kerastl import environment
from kerastl.export_formats import FORMATS, KNOWN_OUTPUT
from kerastl.outputs import litert_file
from kerastl.outputs.artifact import CORES, Artifact, Outputs
from kerastl.outputs.formats.interface import Exportable, label_text

# Signatures of a file. The task libraries of phones compute the first in the order of names, and
# know no outputs but probabilities.
DEFAULT, KNOWN = "serving_default", "serving_known"
_WITH_KNOWN = f"{FORMATS['litert'].output}; with signature {KNOWN} {KNOWN_OUTPUT} too"


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes a model of one image, unless its input is resized, in float32.

    Of a model that decides which images are known, the file has a second signature, KNOWN, with the
    same weights: it returns `distance` and `is_known` too.
    """
    network = model.served()
    outputs = {DEFAULT: ["probabilities"]}
    if model.known:
        outputs[KNOWN] = [*network.output]
    convert(network, outputs, path)
    add_labels(model, path)


def convert(
    network: Any,
    outputs: Mapping[str, Sequence[str]],
    path: pathlib.Path,
    *,
    weights: tf.DType = tf.float32,
) -> None:
    """Converts a network of `Exportable` with weights of a type.

    `outputs` are those of each signature of the file.
    """
    with environment.quiet(), converter_of(network, outputs) as converter:
        if weights != tf.float32:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [weights]
        path.write_bytes(converter.convert())


@contextlib.contextmanager
def converter_of(network: Any, outputs: Mapping[str, Sequence[str]]) -> Iterator[Any]:
    """Yields TensorFlow's converter of a network, see `convert`, for the block."""
    pixels = tf.TensorSpec(network.input.shape, name="images")

    def trace(names: Sequence[str]) -> Any:
        @tf.function(input_signature=[pixels], autograph=False)
        def compute(images: tf.Tensor) -> dict[str, tf.Tensor]:
            found = network(images, training=False)
            return {name: found[name] for name in names}

        return compute.get_concrete_function()

    signatures = {key: trace(names) for key, names in outputs.items()}
    # Nothing is trained with it, and the gradients of EfficientNet's activation cannot be saved.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures=signatures, options=options)
        yield tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[*signatures])


def add_labels(model: Exportable, path: pathlib.Path) -> None:
    """Adds the names of the classes."""
    litert_file.add_metadata(path, label_text(model.card["class_names"]))


def open(path: pathlib.Path, card: dict[str, Any]) -> Artifact:
    """Opens a `.tflite` file of float32 or 8-bit numbers with ai-edge-litert."""
    model = _open(path)
    with environment.quiet():
        # The first time it prints what it computes with.
        model.allocate_tensors()
    if KNOWN in model.get_signature_list():
        return _open_known(path, card, model)
    input_, output = model.get_input_details()[0], model.get_output_details()[0]

    def compute(images: np.ndarray) -> Outputs:
        model.resize_tensor_input(input_["index"], images.shape)
        model.allocate_tensors()
        model.set_tensor(input_["index"], _quantize(images, input_))
        model.invoke()
        return {"probabilities": _dequantize(model.get_tensor(output["index"]), output)}

    return Artifact.from_pixels(path, card, compute)


def _open(path: pathlib.Path) -> Any:
    return interpreter.Interpreter(str(path), num_threads=CORES)


def _open_known(path: pathlib.Path, card: dict[str, Any], model: Any) -> Artifact:
    runner = model.get_signature_runner(KNOWN)
    return Artifact.from_pixels(path, card, lambda images: runner(images=images), tells_known=True)


def read_needs(path: pathlib.Path) -> dict[str, Any]:
    """Reads the oldest runtime and the versions of the operations from a file."""
    needs = litert_file.read_needs(path)
    return {
        "oldest_runtime": f"TensorFlow Lite {needs.min_runtime_version or 'unknown'}, or LiteRT",
        "min_runtime_version": needs.min_runtime_version,
        "operator_versions": needs.operator_versions,
        **({"output": _WITH_KNOWN} if KNOWN in _open(path).get_signature_list() else {}),
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
