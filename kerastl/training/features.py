"""The frozen part of a network, computed once for each image and kept.

What is frozen gives the same output for the same image in every epoch, phase, trial and run.
One pass over the images that the store does not have yet gives all boundaries of a run.
"""

import dataclasses
import functools
import hashlib
import json
import math
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data import augment, images
from kerastl.data.content import as_keys
from kerastl.data.pipeline import view_digests, view_indices, views_dataset
from kerastl.data.reading import reading_errors
from kerastl.data.splits import Splits
from kerastl.device import has_gpu
from kerastl.model import build
from kerastl.model.boundaries import Boundary, LayerCall
from kerastl.model.network import Network
from kerastl.model.weights import fingerprint
from kerastl.progress import Meter, Progress, format_bytes
from kerastl.training.entries import list_entries, make_room
from kerastl.training.store import FeatureStore

# Where a wider batch no longer gains on two cores: MobileNetV2 at 96 px does until 64 images,
# ResNet50 at 224 px, whose layers leave the cache sooner, until 32.
_BATCH_SIZE = 64
_BATCH_SIZE_OF_LARGE = 32
_LARGE = 160  # px
# A graph with its weights as constants has to stay below 2 GiB, protobuf's limit.
_MAX_FOLDED_BYTES = 1 << 30
# Features of a run that are kept in memory, where an epoch takes no call to the system for each
# image: a head's, of up to 25,000 images with 1,280 channels.
_MAX_BYTES_IN_MEMORY = 128_000_000
# Share of the disk's free space that the store may fill, unless --cache_limit_gb says otherwise.
_FREE_SHARE = 0.5
_GIGABYTE = 10**9
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
        if self._in_memory is not None:
            places, values = self._in_memory
            return tf.gather(values, tf.gather(places, indices))
        features = tf.numpy_function(
            lambda batch: self.store.read(self.rows[batch]), [indices], tf.float32, stateful=False
        )
        return tf.ensure_shape(features, [None, *self.store.shape])

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Does what `read` does, outside of a pipeline."""
        features: np.ndarray = self.read(tf.constant(indices)).numpy()
        return features

    @functools.cached_property
    def _in_memory(self) -> tuple[tf.Tensor, tf.Tensor] | None:
        """Each image's place and the features, None where they would take too much memory."""
        known = np.unique(self.rows[self.rows >= 0])
        if 4 * len(known) * math.prod(self.store.shape) > _MAX_BYTES_IN_MEMORY:
            return None
        # Outside of the pipeline that asks first, and where pipelines run.
        with tf.init_scope(), tf.device("CPU"):
            return (
                tf.constant(np.searchsorted(known, self.rows)),
                tf.constant(self.store.read(known)),
            )


class FrozenPart:
    """The outputs of a network's frozen part at the boundaries of a run, computed once."""

    def __init__(
        self,
        network: Network,
        boundaries: Sequence[Boundary],
        splits: Splits,
        config: Config,
        progress: Progress,
    ) -> None:
        """Opens the store for every boundary at which storing pays; says where it does not.

        Args:
            network: The network.
            boundaries: Where the run's phases cut it.
            splits: The images that the run uses.
            config: Size, resize rule, augmentations, cache directory and limits.
            progress: Is told where it does not.
        """
        self._network = network
        self._source = splits.source
        is_large = config.image_size > _LARGE and not has_gpu()
        self._batch_size = _BATCH_SIZE_OF_LARGE if is_large else _BATCH_SIZE
        self._config = config
        self._stores: dict[int, FeatureStore] = {}
        self._found: dict[int, StoredFeatures] = {}
        self._boundaries: list[Boundary] = []
        if config.cache_path is None:
            return
        self._digests = view_digests(splits.source, config)
        trained = view_indices(splits.source, splits.train, config)
        used = np.concatenate([trained, splits.validation, splits.test])
        # The same content may be there twice.
        contents = as_keys(self._digests[used])
        self._used = used[np.sort(np.unique(contents, return_index=True)[1])]
        for boundary in sorted(boundaries, key=lambda boundary: boundary.position):
            store = self._open(boundary, config.cache_path, progress)
            if store is not None:
                self._stores[boundary.position] = store
                self._boundaries.append(boundary)
        if self._boundaries:
            self._make_room(config.cache_path, progress)
        for boundary in self._boundaries:
            store = self._stores[boundary.position]
            names = sorted({*map(str, store.about().get("datasets", ())), self._source.name})
            store.describe(datasets=names, boundary=self._name(boundary))

    def get(self, boundary: Boundary) -> StoredFeatures | None:
        """Gives what has been computed at a boundary, None where nothing is stored."""
        store = self._stores.get(boundary.position)
        if store is None:
            return None
        if boundary.position not in self._found:
            # Kept, since what it has read into memory is asked for again after a phase.
            self._found[boundary.position] = StoredFeatures(
                seconds_per_image=store.about().get("seconds_per_image", 0.0),
                store=store,
                rows=store.find(self._digests),
            )
        return self._found[boundary.position]

    def compute(self, progress: Progress) -> None:
        """Computes what any of the stores lacks, all boundaries in one pass.

        Args:
            progress: Says what is computed, how fast, and what it takes on disk.
        """
        if not self._boundaries:
            return
        missing = {place.position: self._missing(place) for place in self._boundaries}
        todo = np.unique(np.concatenate([*missing.values()]))
        names = " and ".join(map(self._name, self._boundaries))
        progress.line(
            f"Frozen part up to {names}: {len(todo)} images to compute, "
            f"{len(self._used) - len(todo)} in the store already."
        )
        if len(todo):
            self._found = {}
            lacking = {place: rows for place, rows in missing.items() if len(rows)}
            self._fill(todo, lacking, progress)

    def _open(
        self, boundary: Boundary, root: pathlib.Path, progress: Progress
    ) -> FeatureStore | None:
        lower = self._network.lower(boundary)
        if not lower.weights:
            return None  # What only scales pixels is no work to speak of.
        store = FeatureStore(
            root,
            _identity(self._network, boundary, lower, self._config),
            shape=tuple(boundary.tensor.shape[1:]),
            dtype=self._config.cache_dtype,
        )
        if store.damaged:
            progress.line(
                f"Feature store: {store.damaged} rows failed their checksum and are computed again."
            )
        compute = seconds_per_image(self._network, boundary)
        read = _SECONDS_PER_READ + store.bytes_for(1) / _BYTES_PER_SECOND
        if read >= compute:
            progress.line(
                f"Features at {self._name(boundary)} are computed in each epoch: for an image "
                f"about {compute * 1e3:.2g} ms, and {read * 1e3:.2g} ms to read them."
            )
            return None
        return store

    def _make_room(self, root: pathlib.Path, progress: Progress) -> None:
        """Makes room for all boundaries, or for as many of the smaller ones as it can.

        All of the run's stores are open, so none of them is dropped for another.
        """
        limit, is_disk = _limit(root, self._config)
        needed = {
            boundary: self._stores[boundary.position].bytes_for(len(self._missing(boundary)))
            for boundary in self._boundaries
        }
        while not make_room(root, needed=sum(needed.values()), limit=limit) and any(
            needed.values()
        ):
            largest = max(needed, key=needed.__getitem__)
            progress.line(
                f"Features at {self._name(largest)} would take {format_bytes(needed.pop(largest))} "
                f"more where the store may take {format_bytes(limit)}: they are computed in each "
                f"epoch instead. {'Free the disk' if is_disk else 'Raise --cache_limit_gb'} to "
                "store them."
            )
            self._boundaries.remove(largest)
            del self._stores[largest.position]

    def _fill(
        self, todo: np.ndarray, missing: Mapping[int, np.ndarray], progress: Progress
    ) -> None:
        boundaries = [place for place in self._boundaries if place.position in missing]
        tensors = [boundary.tensor for boundary in boundaries]
        function = fold(keras.Model(self._network.inputs, tensors))
        meter = Meter("frozen part", len(todo), progress)
        first_took = 0.0
        with ExitStack() as stack:
            writers = {
                position: stack.enter_context(self._stores[position].adding())
                for position in missing
            }
            # Inside, since what the disk refuses is another matter.
            stack.enter_context(reading_errors())
            done = 0
            for images, _ in views_dataset(
                self._source, todo, self._config, batch_size=self._batch_size
            ):
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
        timed = len(todo) - self._batch_size
        if timed > 0:
            self._note_speed(boundaries, (meter.seconds() - first_took) / timed)
        written = sum(
            self._stores[position].bytes_for(len(lacking)) for position, lacking in missing.items()
        )
        progress.line(
            f"Computed {len(todo)} images in {meter.summary()}, {format_bytes(written)} on disk."
        )

    def _missing(self, boundary: Boundary) -> np.ndarray:
        found = self._stores[boundary.position].find(self._digests[self._used])
        return self._used[found < 0]

    def _name(self, boundary: Boundary) -> str:
        return self._network.name_of(boundary)

    def _note_speed(self, boundaries: Sequence[Boundary], seconds_per_image: float) -> None:
        """Notes what an image takes up to each boundary: its share of the pass to the highest."""
        highest = self._network.count_multiply_adds(boundaries[-1])
        for boundary in boundaries:
            store = self._stores[boundary.position]
            if "seconds_per_image" not in store.about():
                share = self._network.count_multiply_adds(boundary) / highest
                store.describe(seconds_per_image=seconds_per_image * share)


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


def count_stored(network: Network, boundary: Boundary, digests: np.ndarray, config: Config) -> int:
    """Counts the images, by their digests, whose features at a boundary are in the store."""
    if config.cache_path is None:
        return 0
    store = FeatureStore(
        config.cache_path,
        _identity(network, boundary, network.lower(boundary), config),
        shape=tuple(boundary.tensor.shape[1:]),
        dtype=config.cache_dtype,
    )
    return int((store.find(digests) >= 0).sum())


def seconds_per_image(network: Network, boundary: Boundary) -> float:
    """Says what decoding an image and computing up to a boundary is expected to take."""
    work = network.count_multiply_adds(boundary)
    return _decoding_seconds(network.inputs.shape[1]) + work / _multiply_adds_rate()


def _identity(
    network: Network, boundary: Boundary, lower: keras.Model, config: Config
) -> dict[str, Any]:
    """Everything besides an image's content that decides its features."""
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "format": 3,
        "kerastl": _source_hash(augment.__file__, *images.SOURCES, build.__file__, __file__),
        "tensorflow": tf.__version__,
        "keras": keras.version(),
        "device": [
            tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus
        ],
        "image_size": config.image_size,
        "resize": config.resize,
        "backbone": config.backbone,
        "layers": _hash_layers(network.calls[: boundary.position]),
        "boundary": boundary.position,
        "precision": str(boundary.tensor.dtype),
        "weights": fingerprint(lower),
    }


def _hash_layers(calls: Sequence[LayerCall]) -> str:
    """Hashes what layers are and do.

    Keras numbers their names as they come, and an earlier phase may have frozen them.
    """
    apart = {"name": "", "trainable": False}
    configs = [[type(call.layer).__name__, call.layer.get_config() | apart] for call in calls]
    return hashlib.sha256(json.dumps(configs, sort_keys=True, default=str).encode()).hexdigest()


def _source_hash(*paths: str | pathlib.Path) -> str:
    content = b"".join(pathlib.Path(path).read_bytes() for path in paths)
    return hashlib.sha256(content).hexdigest()[:16]


def _decoding_seconds(image_size: int) -> float:
    return _SECONDS_PER_FILE + _SECONDS_PER_PIXEL * image_size**2


def _multiply_adds_rate() -> float:
    return _GPU_MULTIPLY_ADDS_PER_SECOND if has_gpu() else _CPU_MULTIPLY_ADDS_PER_SECOND


def _limit(root: pathlib.Path, config: Config) -> tuple[int, bool]:
    """Says how many bytes the store may take, and whether the disk sets that limit."""
    taken = sum(entry.num_bytes for entry in list_entries(root))
    free = shutil.disk_usage(root).free
    if config.cache_limit_gb:
        asked = int(config.cache_limit_gb * _GIGABYTE)
    else:
        asked = taken + int(_FREE_SHARE * free)
    return min(asked, taken + free), asked > taken + free
