"""The formats that a model can be exported in; imports no TensorFlow."""

import dataclasses
import importlib.util
import pathlib

from kerastl.errors import KerastlError, bad_value

# What TensorFlow Serving looks for in a version's directory.
SAVEDMODEL_FILE = "saved_model.pb"
CARD = "model_card.json"
RESULTS = "export.json"


@dataclasses.dataclass(frozen=True)
class Format:
    """What is to be known of a format before a model is there.

    Attributes:
        file: Its name in a version's directory; empty for a SavedModel, which is the directory.
        runtime: The module that opens it where it is served; empty where TensorFlow does.
        modules: What it takes to write and to open it, beyond what the package requires.
        extra: Name of the package's extra that brings those.
        tolerance: Largest difference of probability from the trainer that is allowed; None for
            what is rounded on purpose, which goes by accuracy.
    """

    file: str
    runtime: str = ""
    modules: tuple[str, ...] = ()
    extra: str = ""
    tolerance: float | None = 1e-4


_LITERT = ("ai_edge_litert",)
FORMATS = {
    "savedmodel": Format(""),
    "keras": Format("model.keras"),
    "litert": Format("model.tflite", "ai-edge-litert", _LITERT, "litert", tolerance=1e-3),
    "litert_int8": Format("model_int8.tflite", "ai-edge-litert", _LITERT, "litert", tolerance=None),
    "onnx": Format("model.onnx", "onnxruntime", ("onnx", "onnxruntime", "tf2onnx"), "onnx"),
}


def check_formats(names: tuple[str, ...], export_dir: pathlib.Path) -> None:
    """Looks for what formats need, before anything slow starts.

    Raises:
        KerastlError: If a package is missing.
        UsageError: If a server that watches `export_dir` would be given a version that it
            cannot load.
    """
    for name in names:
        row = FORMATS[name]
        if any(importlib.util.find_spec(module) is None for module in row.modules):
            raise KerastlError(
                f"format={name!r}: needs packages that are not installed. Run: "
                f"pip install 'kerastl[{row.extra}]'."
            )
    if "savedmodel" not in names and any(export_dir.glob(f"[0-9]*/{SAVEDMODEL_FILE}")):
        raise bad_value(
            "format",
            ",".join(names),
            f"has no savedmodel, and {export_dir} holds some, which a server may watch for higher "
            "versions",
            "Add savedmodel, or choose another export_dir",
        )
