"""The formats that a model can be exported in; imports no TensorFlow."""

import dataclasses
import importlib.util
import pathlib

from kerastl.config import Config
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
        runtime: The package that opens it where it is served; empty for TensorFlow or Keras.
        modules: What it takes to write and to open it, beyond what the package requires.
        extra: Name of the package's extra that brings those.
        takes: Its input, for people.
        gives: Its output, likewise.
        tolerance: Largest difference of probability from the trainer that is allowed; None for
            what is rounded on purpose, which goes by accuracy.
    """

    file: str
    runtime: str = ""
    modules: tuple[str, ...] = ()
    extra: str = ""
    takes: str = "images, float32 (batch, size, size, 3), RGB in 0..255"
    gives: str = "probabilities, float32 (batch, classes)"
    tolerance: float | None = 1e-4


_LITERT = ("ai_edge_litert",)
FORMATS = {
    "savedmodel": Format(
        "",
        takes="serving_default and features: image_bytes, string (batch), whole files; images: "
        "images, uint8 (batch, height, width, 3)",
        gives="probabilities and logits, float32 (batch, classes), class_name and confidence "
        "(batch); features: features, float32 (batch, channels)",
    ),
    "keras": Format("model.keras", gives="logits, float32 (batch, classes)"),
    "litert": Format("model.tflite", "ai-edge-litert", _LITERT, "litert", tolerance=1e-3),
    "litert_int8": Format(
        "model_int8.tflite",
        "ai-edge-litert",
        _LITERT,
        "litert",
        takes="images, uint8 (batch, size, size, 3), RGB in 0..255, quantized as the tensor says",
        gives="probabilities, uint8 (batch, classes), quantized as the tensor says",
        tolerance=None,
    ),
    "onnx": Format("model.onnx", "onnxruntime", ("onnx", "onnxruntime", "tf2onnx"), "onnx"),
}


def check_formats(config: Config, export_dir: pathlib.Path) -> None:
    """Looks for what formats need, before anything slow starts.

    Raises:
        KerastlError: If a package is missing.
        UsageError: If a format does not have the run's precision, or a server that watches
            `export_dir` would be given a version that it cannot load.
    """
    names = config.formats
    for name in names:
        row = FORMATS[name]
        if row.modules and config.precision.startswith("mixed_"):
            raise bad_value(
                "format",
                name,
                f"holds no network in {config.precision}",
                "Use savedmodel or keras, or train with --precision=float32",
            )
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
