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

from kerastl.config import Config
from kerastl.data import augment, images
from kerastl.data.pipeline import version_digests, version_indices, versions_dataset
from kerastl.data.sources import reading_errors
from kerastl.data.splits import Splits
from kerastl.environment import has_gpu
from kerastl.model import build
from kerastl.model.boundaries import Boundary, FlatModel
from kerastl.model.cost import count_multiply_adds
from kerastl.model.weights import fingerprint
from kerastl.progress import Meter, Progress
from kerastl.training.store import FeatureStore, list_entries, make_room

# Where a wider batch no longer gains on two cores, on ResNet50 and MobileNetV2.
_BATCH_SIZE = 64
# A graph with its weights as constants has to stay below 2 GiB, protobuf's limit.
_MAX_FOLDED_BYTES = 1 << 30
# Share of the disk's free space that the store may fill, unless --cache_limit_gb says otherwise.
_FREE_SHARE = 0.5
_GIGABYTE = 10**9
# Batches that are timed to tell what the store saves.
_BATCHES_TIMED = 3
# Whether reading is faster than computing is told from the network and not from a clock, whose
# noise would decide in which order numbers are added up. Measured on two cores: MobileNetV2 at
# 96 px computes 35 and ResNet50 at 224 px 90 thousand million multiply-adds a second; a row takes
# 10 to 20 microseconds to read, and 1 to 2 GB a second.
_CPU_MULTIPLY_ADDS_PER_SECOND = 50e9
# A tenth of what an accelerator's float32 promises.
_GPU_MULTIPLY_ADDS_PER_SECOND = 2e12
_SECONDS_PER_READ = 20e-6
# Decoding a small image and resizing it.
_SECONDS_PER_FILE = 50e-6
_SECONDS_PER_PIXEL = 10e-9
_BYTES_PER_SECOND = 1e9

_Function = Callable[[tf.Tensor], list[tf.Tensor]]


@dataclasses.dataclass(frozen=True, eq=False)
class StoredFeatures:
    """A boundary's tensor for the images of a source, read from the store.

    Attributes:
        seconds_per_image: What decoding an image and computing its features takes, as
            measured when the combination was begun; 0 where there were too few to tell.
        store: Where they are.
        rows: Row of each image and version of the source, -1 for those that are not there.
    """

    seconds_per_image: float
    store: FeatureStore
    rows: np.ndarray

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads a batch by indices, versions included, float32 (batch, *shape)."""
        features = tf.numpy_function(
            lambda batch: self.store.read(self.rows[batch]), [indices], tf.float32, stateful=False
        )
        return tf.ensure_shape(features, [None, *self.store.shape])


class FrozenPart:
    """The outputs of a network's frozen part at the boundaries of a run, computed once."""

    def __init__(
        self,
        flat: FlatModel,
        boundaries: Sequence[Boundary],
        splits: Splits,
        config: Config,
        progress: Progress,
    ) -> None:
        """Opens the store for every boundary at which storing pays; says where it does not.

        Args:
            flat: The network.
            boundaries: Where the run's phases cut it.
            splits: The images that the run uses.
            config: Size, resize rule, augmentations, cache directory and limits.
            progress: Says what is computed, how fast, and what it takes on disk.
        """
        self._flat = flat
        self._source = splits.source
        self._config = dataclasses.replace(config, batch_size=_BATCH_SIZE)
        self._progress = progress
        self._functions: dict[tuple[int, ...], _Function] = {}
        self._stores: dict[int, FeatureStore] = {}
        self._boundaries: list[Boundary] = []
        if config.cache_path is None:
            return
        self._digests = version_digests(splits.source, config)
        trained = version_indices(splits.source, splits.train, config)
        self._used = np.concatenate([trained, splits.validation, splits.test])
        for boundary in sorted(boundaries, key=lambda boundary: boundary.position):
            store = self._open(boundary, config.cache_path)
            if store is not None:
                self._stores[boundary.position] = store
                self._boundaries.append(boundary)

    def get(self, boundary: Boundary) -> StoredFeatures | None:
        """Gives what has been computed at a boundary, None where nothing is stored."""
        store = self._stores.get(boundary.position)
        if store is None:
            return None
        return StoredFeatures(
            seconds_per_image=store.about().get("seconds_per_image", 0.0),
            store=store,
            rows=store.find(self._digests),
        )

    def compute(self) -> None:
        """Computes what any of the stores lacks, all boundaries in one pass."""
        if not self._boundaries:
            return
        to_compute = max(len(self._missing(boundary)) for boundary in self._boundaries)
        names = " and ".join(map(self._name, self._boundaries))
        self._progress.line(
            f"Frozen part up to {names}: {to_compute} images to compute, "
            f"{len(self._used) - to_compute} in the store already."
        )
        # The pass itself tells what the highest boundary takes; a lower one is timed alone.
        for boundary in self._boundaries[:-1]:
            store = self._stores[boundary.position]
            if "seconds_per_image" not in store.about():
                store.describe(seconds_per_image=self._time(boundary))
        missing = {place.position: self._missing(place) for place in self._boundaries}
        todo = np.unique(np.concatenate([*missing.values()]))
        if len(todo):
            self._fill(todo, missing)

    def _open(self, boundary: Boundary, root: pathlib.Path) -> FeatureStore | None:
        lower = keras.Model(self._flat.inputs, boundary.tensor)
        if not lower.weights:
            return None  # What only scales pixels is no work to speak of.
        store = FeatureStore(
            root,
            _identity(self._flat, boundary, lower, self._config),
            shape=tuple(boundary.tensor.shape[1:]),
            dtype=self._config.cache_dtype,
        )
        if store.damaged:
            self._progress.line(
                f"Feature store: {store.damaged} rows failed their checksum and are computed again."
            )
        compute = _decoding_seconds(self._config.image_size) + (
            count_multiply_adds(self._flat.steps[: boundary.position]) / _multiply_adds_rate()
        )
        read = _SECONDS_PER_READ + store.bytes_for(1) / _BYTES_PER_SECOND
        if read >= compute:
            self._progress.line(
                f"Features at {self._name(boundary)} are computed in each epoch: for an image "
                f"about {compute * 1e3:.2g} ms, and {read * 1e3:.2g} ms to read them."
            )
            return None
        needed = store.bytes_for(int((store.find(self._digests[self._used]) < 0).sum()))
        limit = _limit(root, self._config)
        if not make_room(root, needed=needed, limit=limit):
            self._progress.line(
                f"Features at {self._name(boundary)} would take {_gigabytes(needed)} where the "
                f"store may take {_gigabytes(limit)}: they are computed in each epoch instead. "
                "Raise --cache_limit_gb to store them."
            )
            return None
        names = sorted({*store.about().get("datasets", ()), self._source.name})
        store.describe(datasets=names, boundary=self._name(boundary))
        return store

    def _fill(self, todo: np.ndarray, missing: Mapping[int, np.ndarray]) -> None:
        function = self._function(self._boundaries)
        meter = Meter("frozen part", len(todo), self._progress)
        first_took = 0.0
        with ExitStack() as stack:
            writers = {
                position: stack.enter_context(self._stores[position].adding())
                for position in missing
            }
            # Inside, since what the disk refuses is another matter.
            stack.enter_context(reading_errors())
            done = 0
            for images, _ in versions_dataset(self._source, todo, self._config):
                batch = todo[done : done + len(images)]
                for (position, lacking), features in zip(
                    missing.items(), function(images), strict=True
                ):
                    wanted = np.isin(batch, lacking)
                    writers[position].add(self._digests[batch[wanted]], features.numpy()[wanted])
                # The first batch builds what the others find there.
                first_took = first_took or meter.seconds()
                done += len(images)
                meter.show(done)
        highest = self._stores[self._boundaries[-1].position]
        timed = len(todo) - _BATCH_SIZE
        if "seconds_per_image" not in highest.about() and timed > 0:
            highest.describe(seconds_per_image=(meter.seconds() - first_took) / timed)
        written = sum(
            self._stores[position].bytes_for(len(lacking)) for position, lacking in missing.items()
        )
        self._progress.line(
            f"Computed {len(todo)} images in {meter.summary()}, {_gigabytes(written)} on disk."
        )

    def _missing(self, boundary: Boundary) -> np.ndarray:
        found = self._stores[boundary.position].find(self._digests[self._used])
        return self._used[found < 0]

    def _name(self, boundary: Boundary) -> str:
        return str(self._flat.steps[boundary.position - 1].layer.name)

    def _function(self, boundaries: Sequence[Boundary]) -> _Function:
        key = tuple(boundary.position for boundary in boundaries)
        if key not in self._functions:
            tensors = [boundary.tensor for boundary in boundaries]
            self._functions[key] = fold(keras.Model(self._flat.inputs, tensors))
        return self._functions[key]

    def _time(self, boundary: Boundary) -> float:
        """Measures computing on the first images, which stay in the store; seconds an image."""
        function = self._function([boundary])
        sample = self._used[: _BATCH_SIZE * (1 + _BATCHES_TIMED)]
        batches = iter(versions_dataset(self._source, sample, self._config))
        # The first batch builds what the others find there.
        features = [function(images)[0].numpy() for images, _ in itertools.islice(batches, 1)]
        started = time.monotonic()
        features += [function(images)[0].numpy() for images, _ in batches]
        timed = len(sample) - len(features[0])
        seconds = (time.monotonic() - started) / timed if timed else 0.0
        store = self._stores[boundary.position]
        new = store.find(self._digests[sample]) < 0
        with store.adding() as writer:
            writer.add(self._digests[sample[new]], np.concatenate(features)[new])
        return seconds


def fold(model: keras.Model) -> _Function:
    """Makes a function of a model with its weights as constants.

    TensorFlow then folds batch norm into the convolutions before it: 1.1 to 1.4 times the
    images a second, and outputs that differ by about 1e-6 of their size.

    Args:
        model: Model with one input and a list of outputs.

    Returns:
        Function from a batch to the outputs in inference mode.
    """
    too_large = 4 * model.count_params() > _MAX_FOLDED_BYTES
    values = [
        [] if too_large else [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def compute(images: tf.Tensor) -> list[tf.Tensor]:
        if too_large:
            return list(keras.tree.flatten(model(images, training=False)))
        constants = ([tf.constant(value) for value in part] for part in values)
        outputs, _ = model.stateless_call(*constants, images, training=False)
        return list(keras.tree.flatten(outputs))

    signature = tf.TensorSpec([None, *model.inputs[0].shape[1:]], model.inputs[0].dtype)
    function = tf.function(compute, input_signature=[signature], autograph=False)
    # Traced now, with the weights as they are now.
    return function.get_concrete_function()  # type: ignore[no-any-return]


def _identity(
    flat: FlatModel, boundary: Boundary, lower: keras.Model, config: Config
) -> dict[str, Any]:
    """Everything besides an image's content that decides its features."""
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "format": 1,
        "kerastl": _source_hash(augment.__file__, images.__file__, build.__file__),
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


def _source_hash(*paths: str) -> str:
    content = b"".join(pathlib.Path(path).read_bytes() for path in paths)
    return hashlib.sha256(content).hexdigest()[:16]


def _decoding_seconds(image_size: int) -> float:
    return _SECONDS_PER_FILE + _SECONDS_PER_PIXEL * image_size**2


def _multiply_adds_rate() -> float:
    return _GPU_MULTIPLY_ADDS_PER_SECOND if has_gpu() else _CPU_MULTIPLY_ADDS_PER_SECOND


def _limit(root: pathlib.Path, config: Config) -> int:
    if config.cache_limit_gb:
        return int(config.cache_limit_gb * _GIGABYTE)
    taken = sum(entry.num_bytes for entry in list_entries(root))
    return taken + int(_FREE_SHARE * shutil.disk_usage(root).free)


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / _GIGABYTE:.2f} GB"
