"""The formats that a model can be exported in; imports nothing slow.

A format is a row of `FORMATS` and the module of its name in `kerastl/outputs/formats/`.
"""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Sequence

from kerastl.errors import KerastlError, bad_value
from kerastl.extras import install_command

# The file by which TensorFlow Serving recognizes a version's directory.
SAVEDMODEL_FILE = "saved_model.pb"
# What a graph returns besides, if it decides which images are known.
KNOWN_OUTPUT = "distance, float32 (batch,), and is_known, bool (batch,)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """Describes a format before there is a model.

    Attributes:
        file: Its name in a version's directory; empty for a SavedModel, which is the directory.
        runtime: The package that opens it where it is served.
        modules: Modules needed to write and open it that are not hard dependencies.
        extra: The package's extra that installs those.
        input: What the model takes, in words.
        output: What it returns, in words.
        tolerance: Largest difference in probability from the trained model; None where numbers
            are rounded on purpose, so that accuracy decides.
        distance_tolerance: Largest difference in an image's distance from the training images, as
            a share of it or of the distance that decides; None for a format without `is_known`,
            as rounded numbers leave too little of a distance.
        weight_bytes: What a weight takes on a disk.
    """

    file: str
    runtime: str
    modules: tuple[str, ...] = ()
    extra: str = ""
    input: str = "images, float32 (batch, size, size, 3), RGB in 0..255"
    output: str = "probabilities, float32 (batch, classes)"
    tolerance: float | None = 1e-4
    distance_tolerance: float | None = 0.01
    weight_bytes: int = 4


FORMATS = {
    "savedmodel": ExportFormat(
        file="",
        runtime="tensorflow",
        input="serving_default and features: image_bytes, string (batch), whole files; images: "
        "images, uint8 (batch, height, width, 3)",
        output="probabilities and logits, float32 (batch, classes), class_name and confidence "
        "(batch); features: features, float32 (batch, channels)",
    ),
    "keras": ExportFormat(
        file="model.keras", runtime="keras", output="logits, float32 (batch, classes)"
    ),
    "litert": ExportFormat(
        file="model.tflite",
        runtime="ai-edge-litert",
        modules=("ai_edge_litert",),
        extra="litert",
        tolerance=1e-3,
    ),
    "litert_float16": ExportFormat(
        file="model_float16.tflite",
        runtime="ai-edge-litert",
        weight_bytes=2,
        modules=("ai_edge_litert",),
        extra="litert",
        tolerance=None,
        distance_tolerance=None,
    ),
    "litert_int8": ExportFormat(
        file="model_int8.tflite",
        runtime="ai-edge-litert",
        weight_bytes=1,
        modules=("ai_edge_litert",),
        extra="litert",
        input="images, uint8 (batch, size, size, 3), RGB in 0..255",
        output="probabilities, uint8 (batch, classes), as output_scale and output_zero say",
        tolerance=None,
        distance_tolerance=None,
    ),
    "onnx": ExportFormat(
        file="model.onnx",
        runtime="onnxruntime",
        modules=("onnx", "onnxruntime", "tf2onnx"),
        extra="onnx",
    ),
}


# Beside every model: what it takes and what its outputs mean.
CARD_FILE = "model_card.json"
# The endings of the files.
ENDINGS = tuple(
    dict.fromkeys(pathlib.PurePath(row.file).suffix for row in FORMATS.values() if row.file)
)


def find_format(path: pathlib.Path) -> str:
    """Returns the name of the format that opens a directory or a file of a known suffix."""
    suffix = "" if path.is_dir() else path.suffix
    return next(name for name, row in FORMATS.items() if pathlib.Path(row.file).suffix == suffix)


def list_versions(export_dir: pathlib.Path) -> dict[int, pathlib.Path]:
    """Returns the directories of an export's versions by their numbers, the highest first."""
    found = {int(path.name): path for path in export_dir.iterdir() if path.name.isdecimal()}
    return dict(sorted(found.items(), reverse=True))


def check_formats(names: Sequence[str], *, precision: str, export_dir: pathlib.Path) -> None:
    """Checks what formats need, before anything slow starts.

    Raises:
        KerastlError: If a package is missing.
        UsageError: If a format cannot hold the run's precision, or a server that watches
            `export_dir` would find a version that it cannot load.
    """
    for name in names:
        row = FORMATS[name]
        if row.modules and precision.startswith("mixed_"):
            raise bad_value(
                "format",
                name,
                f"cannot hold a network in {precision}",
                "Use savedmodel or keras, or train with --precision=float32",
            )
        if any(importlib.util.find_spec(module) is None for module in row.modules):
            raise KerastlError(
                f"format={name!r}: needs packages that are not installed. Run: "
                f"{install_command(row.extra)}."
            )
    if "savedmodel" not in names and any(export_dir.glob(f"[0-9]*/{SAVEDMODEL_FILE}")):
        raise bad_value(
            "format",
            ",".join(names),
            f"does not include savedmodel, and {export_dir} has versions that do, which a server "
            "may be watching",
            "Add savedmodel, or choose another export_dir",
        )
