"""The frozen part of a network, computed once for each image and kept.

What is frozen gives the same output for the same image in every epoch, phase, trial and run.
One pass over the images that the store does not have yet gives all boundaries of a run.
"""

import dataclasses
import hashlib
import itertools
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from kerastl.config import Config
from kerastl.data import images as decoder
from kerastl.data.pipeline import evaluation_dataset
from kerastl.data.sources import Source
from kerastl.model.boundaries import Boundary, FlatModel
from kerastl.model.weights import fingerprint
from kerastl.progress import Progress, format_duration
from kerastl.training.store import FeatureStore, list_entries, make_room

# Where a wider batch no longer gains on two cores, on ResNet50 and MobileNetV2.
_BATCH_SIZE = 128
# A graph with its weights as constants has to stay below 2 GiB, protobuf's limit.
_MAX_FOLDED_BYTES = 1 << 30
# Share of the disk's free space that the store may fill, unless --cache_limit_gb says otherwise.
_FREE_SHARE = 0.5
_GIGABYTE = 10**9
# Images that are timed to tell whether reading features is faster than computing them.
_BATCHES_TIMED = 3

_Function = Callable[[tf.Tensor], list[tf.Tensor]]


@dataclasses.dataclass(frozen=True, eq=False)
class StoredFeatures:
    """A boundary's tensor for the images of a source, read from the store.

    Attributes:
        shape: Shape of one image's features.
        seconds_per_image: What decoding an image and computing its features takes, as
            measured when the combination was begun.
        store: Where they are.
        rows: Row of each image of the source, -1 for those that the run does not use.
    """

    shape: tuple[int, ...]
    seconds_per_image: float
    store: FeatureStore
    rows: np.ndarray

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads a batch by the images' indices in the source, float32 (batch, *shape)."""
        features = tf.numpy_function(
            lambda batch: self.store.read(self.rows[batch]), [indices], tf.float32, stateful=False
        )
        return tf.ensure_shape(features, [None, *self.shape])


def store_features(
    flat: FlatModel,
    boundaries: Sequence[Boundary],
    source: Source,
    indices: np.ndarray,
    config: Config,
    progress: Progress,
) -> dict[int, StoredFeatures]:
    """Computes what the store lacks, in one pass for all boundaries.

    Args:
        flat: The network.
        boundaries: Where the run's phases cut it.
        source: The images.
        indices: Which of them the run uses.
        config: Size, resize rule, cache directory and limits.
        progress: Says what is computed, how fast, and what it takes on disk.

    Returns:
        Features by the position of their boundary, of all that are worth storing.
    """
    if config.cache_path is None:
        return {}
    filler = _Filler(flat, source, indices, config, progress, config.cache_path)
    stores: dict[int, FeatureStore] = {}
    for boundary in boundaries:
        store = filler.open(boundary)
        if store is not None:
            stores[boundary.position] = store
    filler.fill([place for place in boundaries if place.position in stores], stores)
    return {
        position: StoredFeatures(
            shape=store.shape,
            seconds_per_image=store.about()["seconds_per_image"],
            store=store,
            rows=store.find(source.digests),
        )
        for position, store in stores.items()
    }


class _Filler:
    """Brings the stores of one run up to date."""

    def __init__(
        self,
        flat: FlatModel,
        source: Source,
        indices: np.ndarray,
        config: Config,
        progress: Progress,
        root: pathlib.Path,
    ) -> None:
        self._flat = flat
        self._source = source
        self._indices = indices
        self._config = dataclasses.replace(config, batch_size=_BATCH_SIZE)
        self._progress = progress
        self._root = root
        # How many images each store had before this run, its measurement included.
        self._had: dict[int, int] = {}
        self._functions: dict[tuple[int, ...], _Function] = {}

    def open(self, boundary: Boundary) -> FeatureStore | None:
        """Opens a boundary's store; None, said in a line, where storing does not pay."""
        lower = keras.Model(self._flat.inputs, boundary.tensor)
        if not lower.weights:
            return None  # What only scales pixels is no work to speak of.
        store = FeatureStore(
            self._root,
            _identity(self._flat, boundary, lower, self._config),
            shape=tuple(boundary.tensor.shape[1:]),
            dtype=self._config.cache_dtype,
        )
        if store.damaged:
            self._progress.line(
                f"Feature store: {store.damaged} rows failed their checksum and are computed again."
            )
        missing = len(self._missing(store))
        self._had[boundary.position] = len(self._indices) - missing
        needed = store.bytes_for(missing)
        limit = _limit(self._root, self._config)
        if not make_room(self._root, needed=needed, limit=limit):
            self._progress.line(
                f"Features at {self._name(boundary)} would take {_gigabytes(needed)} where the "
                f"store may take {_gigabytes(limit)}: they are computed in each epoch instead. "
                "Raise --cache_limit_gb to store them."
            )
            return None
        if "seconds_per_image" not in store.about():
            store.describe(**self._time(boundary, store))
        about = store.about()
        if about["seconds_per_read"] >= about["seconds_per_image"]:
            self._progress.line(
                f"Features at {self._name(boundary)} are computed in each epoch: an image takes "
                f"{about['seconds_per_image'] * 1e3:.2g} ms to compute and "
                f"{about['seconds_per_read'] * 1e3:.2g} ms to read."
            )
            return None
        names = sorted({*about.get("datasets", ()), self._source.name})
        store.describe(datasets=names, boundary=self._name(boundary))
        return store

    def fill(self, boundaries: Sequence[Boundary], stores: Mapping[int, FeatureStore]) -> None:
        """Computes what any of the stores lacks, all boundaries in one pass."""
        lacking = {boundary.position: np.zeros(len(self._source), bool) for boundary in boundaries}
        for position, mask in lacking.items():
            mask[self._missing(stores[position])] = True
        todo = np.flatnonzero(np.any([*lacking.values()], axis=0)) if boundaries else np.zeros(0)
        if boundaries:
            names = " and ".join(map(self._name, boundaries))
            had = min(self._had[boundary.position] for boundary in boundaries)
            self._progress.line(
                f"Frozen part up to {names}: {len(self._indices) - had} images to compute, "
                f"{had} in the store already."
            )
        if not len(todo):
            return
        function = self._function(boundaries)
        started = time.monotonic()
        with ExitStack() as stack:
            writers = {
                position: stack.enter_context(stores[position].adding()) for position in lacking
            }
            done = 0
            for images, _ in evaluation_dataset(self._source, todo, self._config):
                batch = todo[done : done + len(images)]
                for boundary, features in zip(boundaries, function(images), strict=True):
                    wanted = lacking[boundary.position][batch]
                    writers[boundary.position].add(
                        self._source.digests[batch[wanted]], features.numpy()[wanted]
                    )
                done += len(images)
                self._show(done, len(todo), time.monotonic() - started)
        seconds = time.monotonic() - started
        written = sum(stores[position].bytes_for(mask.sum()) for position, mask in lacking.items())
        self._progress.line(
            f"Computed {len(todo)} images in {format_duration(seconds)} "
            f"({len(todo) / seconds:.0f} images/s), {_gigabytes(written)} on disk."
        )

    def _missing(self, store: FeatureStore) -> np.ndarray:
        return self._indices[store.find(self._source.digests[self._indices]) < 0]

    def _name(self, boundary: Boundary) -> str:
        return str(self._flat.steps[boundary.position - 1].layer.name)

    def _function(self, boundaries: Sequence[Boundary]) -> _Function:
        key = tuple(boundary.position for boundary in boundaries)
        if key not in self._functions:
            tensors = [boundary.tensor for boundary in boundaries]
            self._functions[key] = fold(keras.Model(self._flat.inputs, tensors))
        return self._functions[key]

    def _time(self, boundary: Boundary, store: FeatureStore) -> dict[str, float]:
        """Measures computing against reading on the first images, which stay in the store."""
        function = self._function([boundary])
        sample = self._indices[: _BATCH_SIZE * (1 + _BATCHES_TIMED)]
        batches = iter(evaluation_dataset(self._source, sample, self._config))
        features = [function(images)[0].numpy() for images, _ in itertools.islice(batches, 1)]
        started = time.monotonic()
        features += [function(images)[0].numpy() for images, _ in batches]
        timed = len(sample) - len(features[0])
        per_image = (time.monotonic() - started) / timed if timed else np.inf
        digests = self._source.digests[sample]
        new = store.find(digests) < 0
        with store.adding() as writer:
            writer.add(digests[new], np.concatenate(features)[new])
        started = time.monotonic()
        store.read(store.find(digests))
        per_read = (time.monotonic() - started) / len(sample)
        # Too few images to time: then everything is quick, and storing does no harm.
        return {
            "seconds_per_image": per_image if timed else per_read * 2,
            "seconds_per_read": per_read,
        }

    def _show(self, done: int, total: int, seconds: float) -> None:
        left = format_duration(seconds * (total / done - 1))
        self._progress.status(
            f"frozen part {done}/{total}  {done / seconds:.0f} images/s  {left} left"
        )


def fold(model: keras.Model) -> _Function:
    """Makes a function of a model with its weights as constants.

    TensorFlow then folds batch norm into the convolutions before it: 1.1 to 1.4 times the
    images a second, and outputs that differ by about 1e-6 of their size.

    Args:
        model: Model with one input and a list of outputs.

    Returns:
        Function from a batch to the outputs in inference mode.
    """
    signature = tf.TensorSpec([None, *model.inputs[0].shape[1:]], model.inputs[0].dtype)
    function = tf.function(
        lambda images: keras.tree.flatten(model(images, training=False)),
        input_signature=[signature],
        autograph=False,
    ).get_concrete_function()
    if 4 * model.count_params() > _MAX_FOLDED_BYTES:
        return function  # type: ignore[no-any-return]
    folded = convert_variables_to_constants_v2(function)

    def call(images: tf.Tensor) -> list[tf.Tensor]:
        return list(folded(images))

    return call


def _identity(
    flat: FlatModel, boundary: Boundary, lower: keras.Model, config: Config
) -> dict[str, Any]:
    """Everything besides an image's content that decides its features."""
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "format": 1,
        "kerastl": _source_hash(decoder.__file__),
        "tensorflow": tf.__version__,
        "keras": keras.version(),
        "device": [
            tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus
        ],
        "image_size": config.image_size,
        "resize": config.resize,
        "backbone": config.backbone,
        "scaling": [
            step.layer.get_config() for step in flat.steps if step.layer.name == "input_scaling"
        ],
        "boundary": boundary.position,
        "precision": str(boundary.tensor.dtype),
        "weights": fingerprint(lower),
    }


def _source_hash(path: str) -> str:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:16]


def _limit(root: pathlib.Path, config: Config) -> int:
    if config.cache_limit_gb:
        return int(config.cache_limit_gb * _GIGABYTE)
    taken = sum(entry.num_bytes for entry in list_entries(root))
    return taken + int(_FREE_SHARE * shutil.disk_usage(root).free)


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / _GIGABYTE:.2f} GB"
