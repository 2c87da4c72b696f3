"""The versions of an export: finds, loads and warms them up, and switches to a new one."""

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
from tensorflow.core.protobuf import saved_model_pb2

from kerastl.errors import KerastlError
from kerastl.outputs.formats import SAVEDMODEL_FILE
from kerastl.progress import Progress, count_of
from kerastl.serving.place import Place

DEFAULT_SIGNATURE = "serving_default"
# What a classifier's default signature answers with.
_OUTPUTS = {"probabilities", "class_name", "confidence"}
_SECONDS_BETWEEN_LOOKS = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Signature:
    """One function of a SavedModel, with one input."""

    input_name: str
    takes_files: bool
    function: Any

    def __call__(self, values: Sequence[Any]) -> dict[str, np.ndarray]:
        """Answers for a batch of whole files, or of uint8 pixels of one size."""
        batch = tf.constant(values if self.takes_files else np.stack(values))
        return {
            name: value.numpy() for name, value in self.function(**{self.input_name: batch}).items()
        }


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """One version that is loaded, with what its assets say of it."""

    name: str
    version: int
    class_names: tuple[str, ...]
    # Without the flags, which name places on the machine that trained.
    card: Mapping[str, Any]
    signatures: Mapping[str, Signature]
    # As TensorFlow Serving gives it in a model's metadata.
    signature_def: Mapping[str, Any]
    # The signatures' variables live as long as this does.
    loaded: Any = dataclasses.field(repr=False)


def load_model(path: pathlib.Path, *, name: str, version: int, batch_sizes: Sequence[int]) -> Model:
    """Loads one version and lets it answer once for each batch size, since first answers are slow.

    Raises:
        KerastlError: If it is damaged or was not written by kerastl.
    """
    try:
        return _load(path, name, version, batch_sizes)
    # Of a damaged directory anything that reads it may say anything.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise KerastlError(
            f"{path}: cannot be served ({reason}). Write the version anew with kerastl export."
        ) from error


def _load(path: pathlib.Path, name: str, version: int, batch_sizes: Sequence[int]) -> Model:
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / SAVEDMODEL_FILE).read_bytes())
    loaded = tf.saved_model.load(str(path))
    signatures = {
        key: Signature(spec.name, spec.dtype == tf.string, function)
        for key, function in loaded.signatures.items()
        for spec in [_only_input(function)]
        if spec is not None
    }
    answers = _warm_up(signatures, batch_sizes)
    class_names = tuple((path / "assets/class_names.txt").read_text("utf-8").splitlines())
    num_outputs = answers["probabilities"].shape[-1]
    if num_outputs != len(class_names):
        raise ValueError(f"it has {num_outputs} outputs for {count_of(len(class_names), 'class')}")
    card = json.loads((path / "assets/model_card.json").read_text("utf-8"))
    return Model(
        name=name,
        version=version,
        class_names=class_names,
        card={key: value for key, value in card.items() if key != "flags"},
        signatures=signatures,
        signature_def={
            key: MessageToDict(
                value,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for key, value in saved.meta_graphs[0].signature_def.items()
        },
        loaded=loaded,
    )


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
    """Asks every signature; gives the last answers of the default one."""
    pixels = np.zeros([8, 8, 3], np.uint8)
    content = tf.io.encode_png(pixels).numpy()
    default = signatures.get(DEFAULT_SIGNATURE)
    if default is None or not default.takes_files:
        raise ValueError(f"{DEFAULT_SIGNATURE} does not take image files")
    for signature in signatures.values():
        signature([content if signature.takes_files else pixels])
    answers: dict[str, np.ndarray] = {}
    for size in batch_sizes:
        answers = default([content] * size)
    if not answers.keys() >= _OUTPUTS:
        raise ValueError(f"{DEFAULT_SIGNATURE} gives {', '.join(answers)}, which is no classifier")
    return answers


class Models:
    """The version that is served now, which follows what the directory holds.

    `current` may change at any time; whoever needs one version for long keeps it.
    """

    current: Model

    def __init__(self, place: Place, *, batch_sizes: Sequence[int], progress: Progress) -> None:
        """Loads the highest version that can be served.

        Raises:
            KerastlError: If there is none.
        """
        self._place = place
        self._batch_sizes = batch_sizes
        self._progress = progress
        # What was there at the last look, and what could not be loaded, so that a version is
        # taken once it no longer changes, and again only after it has.
        self._seen: dict[int, object] = {}
        self._failed: dict[int, object] = {}
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="versions", daemon=True)
        self.current = self._load_first()

    def watch(self) -> None:
        """Starts to look for other versions, where there can be some."""
        if self._place.version is None:
            self._watcher.start()

    def close(self) -> None:
        """Looks no more."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def _load_first(self) -> Model:
        failures: list[KerastlError] = []
        for version, path in self._place.versions().items():
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
            path, name=self._place.name, version=version, batch_sizes=self._batch_sizes
        )

    def _watch(self) -> None:
        problem = ""
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            before, problem = problem, ""
            try:
                self._look()
            except OSError as error:
                # A disk that is away for a while is no reason to stop looking; it is told once.
                problem = f"{self._place.directory}: cannot be read ({error.strerror})."
                if problem != before:
                    self._progress.line(problem)

    def _look(self) -> None:
        for version, path in self._place.versions().items():
            # The highest that is there is served, so a version is taken back by removing it.
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
            self._progress.line(f"{error} Version {self.current.version} is served on.")
            return False
        self.current = model
        self._progress.line(f"Version {version} is served from now on, from {path}.")
        _give_back_memory()
        return True


def _give_back_memory() -> None:
    # A SavedModel holds circles of objects, and with them its weights.
    gc.collect()
    # What loading took in passing, more than the model itself, the C library would keep.
    with contextlib.suppress(AttributeError, OSError, TypeError):  # It is not glibc.
        ctypes.CDLL(None).malloc_trim(0)


def _content_of(path: pathlib.Path) -> object:
    """Tells whether a directory has changed, by its files' names, sizes and times."""
    states = {entry: entry.stat() for entry in sorted(path.rglob("*"))}
    return [(str(entry), state.st_size, state.st_mtime_ns) for entry, state in states.items()]
