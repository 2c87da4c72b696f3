"""ONNX in float32."""

import importlib
import logging
import os
import pathlib
from typing import Any

import numpy as np

from kerastl import environment
from kerastl.export_formats import FORMATS, KNOWN_OUTPUT
from kerastl.outputs.artifact import Artifact, Outputs
from kerastl.outputs.formats.interface import Exportable

# From 1.29 on it would report models and machines to its makers, and keep an ID in the home folder,
# https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
onnxruntime = importlib.import_module("onnxruntime")
# ONNX Runtime logs fatal errors only: it raises the others anyway.
_FATAL = 4
# Of 2021, which old runtimes read too; networks need no newer one. The oldest that reads it, with
# the form of file that it comes in: https://onnxruntime.ai/docs/reference/compatibility.html, and
# onnxruntime-web 1.9.0 reads such files.
_OPSET, _OLDEST = 15, "1.9"
# An operation of TensorFlow that the converter leaves as it is.
_COMPLEMENT = "Erfc"
_PROBABILITIES = "probabilities"
_WITH_KNOWN = f"{FORMATS['onnx'].output}; {KNOWN_OUTPUT}"


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes a model of batches of any size.

    Raises:
        onnx.checker.ValidationError: If an operation of the network has no counterpart.
    """
    network = model.served()
    # Keras takes the input from a call.
    network(np.zeros([1, *network.input.shape[1:]], np.float32))
    # It reports what it leaves as it is, which is mended below, or refused with its name.
    with environment.quiet(), environment.unlogged(logging.ERROR):
        network.export(path, format="onnx", verbose=False, opset_version=_OPSET)
    onnx = _onnx()
    converted = onnx.load(path)
    if any(node.op_type == _COMPLEMENT for node in converted.graph.node):
        _replace_complement(converted.graph, onnx)
    # First what clients take that know no other output.
    converted.graph.output.sort(key=lambda output: output.name != _PROBABILITIES)
    onnx.save(converted, path)
    # The converter leaves in what it does not know.
    onnx.checker.check_model(str(path))


def _replace_complement(graph: Any, onnx: Any) -> None:
    """Writes erfc(x), which exact GELU has in TensorFlow, as 1 - erf(x), which ONNX has."""
    one = f"{_COMPLEMENT}/one"
    graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1), one))
    nodes = []
    for node in graph.node:
        if node.op_type != _COMPLEMENT:
            nodes.append(node)
            continue
        error = f"{node.output[0]}/erf"
        nodes.append(onnx.helper.make_node("Erf", node.input, [error]))
        nodes.append(onnx.helper.make_node("Sub", [one, error], node.output))
    del graph.node[:]
    graph.node.extend(nodes)


def open(path: pathlib.Path, card: dict[str, Any]) -> Artifact:
    """Opens an `.onnx` file with ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:
        # Its own errors have no class in common.
        raise ValueError(str(error)) from error
    name = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]

    def compute(images: np.ndarray) -> Outputs:
        return dict(zip(outputs, session.run(outputs, {name: images}), strict=True))

    return Artifact.from_pixels(path, card, compute, tells_known="is_known" in outputs)


def read_needs(path: pathlib.Path) -> dict[str, Any]:
    """Reads the versions of the file's form and of its operations."""
    onnx = _onnx()
    model = onnx.load(path, load_external_data=False)
    opset = next(row.version for row in model.opset_import if row.domain in ("", "ai.onnx"))
    return {
        "oldest_runtime": f"ONNX Runtime {_OLDEST}",
        "ir_version": model.ir_version,
        "opset_version": opset,
        **({"output": _WITH_KNOWN} if len(model.graph.output) > 1 else {}),
    }


def _onnx() -> Any:
    # Not needed where files are only opened.
    return importlib.import_module("onnx")
