"""A version of an export, loaded and warmed up."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict

from kerastl.errors import KerastlError
from kerastl.outputs.directories import RunFile
from kerastl.outputs.formats.savedmodel import CLASS_NAMES, DEFAULT_SIGNATURE
from kerastl.progress import count_of

# Outputs of the default signature of a classifier.
_OUTPUTS = {"probabilities", "class_name", "confidence"}


@dataclasses.dataclass(frozen=True, eq=False)
class Signature:
    """One function of a SavedModel, with one input."""

    input_name: str
    takes_files: bool
    function: Any

    def __call__(self, values: Sequence[Any]) -> dict[str, np.ndarray]:
        """Computes the outputs for a batch of image files, or of uint8 pixels of one size."""
        batch = tf.constant(values if self.takes_files else np.stack(values))
        return {
            name: value.numpy() for name, value in self.function(**{self.input_name: batch}).items()
        }


@dataclasses.dataclass(frozen=True, eq=False)
class ModelVersion:
    """A version that is loaded, with the content of its assets."""

    name: str
    version: int
    class_names: tuple[str, ...]
    # Without the flags, which contain paths of the machine that trained.
    card: Mapping[str, Any]
    signatures: Mapping[str, Signature]
    # As in the metadata of TensorFlow Serving.
    signature_def: Mapping[str, Any]
    # Keeps the variables of the signatures alive.
    loaded: Any = dataclasses.field(repr=False)


def load_version(
    path: pathlib.Path, *, name: str, version: int, batch_sizes: Sequence[int]
) -> ModelVersion:
    """Loads a version and runs it once for each batch size, because first runs are slow.

    Raises:
        KerastlError: If it is damaged or was not written by kerastl.
    """
    try:
        return _load(path, name, version, batch_sizes)
    # Whatever reads a damaged directory may raise anything.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise KerastlError(
            f"{path}: cannot be served ({reason}). Export it again with kerastl export."
        ) from error


def _load(path: pathlib.Path, name: str, version: int, batch_sizes: Sequence[int]) -> ModelVersion:
    loaded = tf.saved_model.load(str(path))
    signatures = {
        key: Signature(spec.name, spec.dtype == tf.string, function)
        for key, function in loaded.signatures.items()
        for spec in [_only_input(function)]
        if spec is not None
    }
    outputs = _warm_up(signatures, batch_sizes)
    class_names = tuple((path / "assets" / CLASS_NAMES).read_text("utf-8").splitlines())
    num_outputs = outputs["probabilities"].shape[-1]
    if num_outputs != len(class_names):
        names = count_of(len(class_names), "class name")
        raise ValueError(f"it has {count_of(num_outputs, 'output')} and {names}")
    card = json.loads((path / "assets" / RunFile.CARD).read_text("utf-8"))
    return ModelVersion(
        name=name,
        version=version,
        class_names=class_names,
        card={key: value for key, value in card.items() if key != "flags"},
        signatures=signatures,
        signature_def={key: _signature_def(loaded.signatures[key]) for key in signatures},
        loaded=loaded,
    )


def _signature_def(function: Any) -> dict[str, Any]:
    return {
        "inputs": _tensor_infos(function.structured_input_signature[1]),
        "outputs": _tensor_infos(function.structured_outputs),
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }


def _tensor_infos(specs: Mapping[str, tf.TensorSpec]) -> dict[str, Any]:
    infos = {
        name: tf.compat.v1.TensorInfo(
            name=spec.name, dtype=spec.dtype.as_datatype_enum, tensor_shape=spec.shape.as_proto()
        )
        for name, spec in specs.items()
    }
    return {
        name: MessageToDict(
            info, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name, info in infos.items()
    }


def _only_input(function: Any) -> tf.TensorSpec | None:
    specs = list(function.structured_input_signature[1].values())
    is_ours = len(specs) == 1 and (specs[0].dtype, specs[0].shape.rank) in (
        (tf.string, 1),
        (tf.uint8, 4),
    )
    return specs[0] if is_ours else None


def _warm_up(
    signatures: Mapping[str, Signature], batch_sizes: Sequence[int]
) -> dict[str, np.ndarray]:
    """Runs every signature; returns the last outputs of the default one."""
    pixels = np.zeros([8, 8, 3], np.uint8)
    content = tf.io.encode_png(pixels).numpy()
    default = signatures.get(DEFAULT_SIGNATURE)
    if default is None or not default.takes_files:
        raise ValueError(f"{DEFAULT_SIGNATURE} does not accept image files")
    for signature in signatures.values():
        signature([content if signature.takes_files else pixels])
    outputs: dict[str, np.ndarray] = {}
    for size in batch_sizes:
        outputs = default([content] * size)
    if not outputs.keys() >= _OUTPUTS:
        raise ValueError(f"{DEFAULT_SIGNATURE} returns {', '.join(outputs)}: not a classifier")
    return outputs
