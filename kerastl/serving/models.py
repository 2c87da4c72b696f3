"""The versions of an export: loads the highest one, and switches when another appears."""

import contextlib
import ctypes
import dataclasses
import gc
import json
import pathlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict

from kerastl.errors import KerastlError
from kerastl.progress import Progress
from kerastl.serving.export_path import ExportPath

DEFAULT_SIGNATURE = "serving_default"
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
class Model:
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


def load_model(path: pathlib.Path, *, name: str, version: int, batch_sizes: Sequence[int]) -> Model:
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


def _load(path: pathlib.Path, name: str, version: int, batch_sizes: Sequence[int]) -> Model:
    loaded = tf.saved_model.load(str(path))
    signatures = {
        key: Signature(spec.name, spec.dtype == tf.string, function)
        for key, function in loaded.signatures.items()
        for spec in [_only_input(function)]
        if spec is not None
    }
    outputs = _warm_up(signatures, batch_sizes)
    class_names = tuple((path / "assets/class_names.txt").read_text("utf-8").splitlines())
    num_outputs = outputs["probabilities"].shape[-1]
    if num_outputs != len(class_names):
        raise ValueError(f"it has {num_outputs} outputs and {len(class_names)} class names")
    card = json.loads((path / "assets/model_card.json").read_text("utf-8"))
    return Model(
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
            name=spec.name,
            dtype=spec.dtype.as_datatype_enum,
            tensor_shape=spec.shape.as_proto(),
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


class Models:
    """The version that is served now: the highest one in the directory.

    `current` may change at any time; a request keeps the one it started with.
    """

    current: Model

    def __init__(
        self,
        export: ExportPath,
        *,
        batch_sizes: Sequence[int],
        progress: Progress,
        seconds_between_checks: float = 1,
    ) -> None:
        """Loads the highest version that can be served.

        Args:
            export: The versions.
            batch_sizes: Sizes of the batches with which a version is warmed up.
            progress: Where other versions are reported.
            seconds_between_checks: Between two searches for other versions.

        Raises:
            KerastlError: If there is none.
        """
        self._export = export
        self._batch_sizes = batch_sizes
        self._progress = progress
        self._seconds_between_checks = seconds_between_checks
        # The content of versions at the last check, and of those that could not be loaded: a
        # version is loaded when it no longer changes, and again only after it has changed.
        self._seen: dict[int, object] = {}
        self._failed: dict[int, object] = {}
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="versions", daemon=True)
        self.current = self._load_first()

    def watch(self) -> None:
        """Starts to check for other versions, unless a single version is served."""
        if self._export.version is None:
            self._watcher.start()

    def close(self) -> None:
        """Stops checking."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def _load_first(self) -> Model:
        failures: list[KerastlError] = []
        for version, path in self._export.versions().items():
            try:
                model = self._load(version, path)
            except KerastlError as error:
                failures.append(error)
                self._failed[version] = _content_of(path)
            else:
                for failure in failures:
                    self._progress.line(str(failure))
                return model
        raise failures[0]

    def _load(self, version: int, path: pathlib.Path) -> Model:
        return load_model(
            path, name=self._export.name, version=version, batch_sizes=self._batch_sizes
        )

    def _watch(self) -> None:
        problem = ""
        while not self._stop.wait(self._seconds_between_checks):
            before, problem = problem, ""
            try:
                self._check()
            except OSError as error:
                # The disk may come back; the problem is reported once.
                problem = f"{self._export.directory}: cannot be read ({error.strerror})."
                if problem != before:
                    self._progress.line(problem)

    def _check(self) -> None:
        for version, path in self._export.versions().items():
            # The highest one that exists is served, so removing a version takes it back.
            if version == self.current.version:
                return
            content = _content_of(path)
            is_settled = self._seen.get(version) == content
            self._seen[version] = content
            if not is_settled:
                return
            if self._failed.get(version) != content and self._switch_to(version, path, content):
                return

    def _switch_to(self, version: int, path: pathlib.Path, content: object) -> bool:
        try:
            model = self._load(version, path)
        except KerastlError as error:
            self._failed[version] = content
            self._progress.line(f"{error} Still serving version {self.current.version}.")
            return False
        self.current = model
        self._progress.line(f"Now serving version {version} from {path}.")
        _release_memory()
        return True


def _release_memory() -> None:
    # The objects of a SavedModel refer to each other in circles.
    gc.collect()
    # Loading takes more memory than the model itself, which the C library would keep.
    with contextlib.suppress(AttributeError, OSError, TypeError):  # Not glibc.
        ctypes.CDLL(None).malloc_trim(0)


def _content_of(path: pathlib.Path) -> object:
    """Returns the names, sizes and times of all files, by which a change is noticed."""
    states = {entry: entry.stat() for entry in sorted(path.rglob("*"))}
    return [(str(entry), state.st_size, state.st_mtime_ns) for entry, state in states.items()]
