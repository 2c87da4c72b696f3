"""The frozen part of a network, computed once for each image and kept.

The frozen part has the same output for the same image in every epoch, phase, trial and run.
One pass over the images that are not stored yet computes all boundaries of a run.
"""

import contextlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from kerastl.data.content import as_keys
from kerastl.data.entries import STORE_ERRORS, find_limit, make_room
from kerastl.data.pipeline import evaluated_indices, view_hashes, view_indices, views_dataset
from kerastl.data.reading import reading_errors
from kerastl.data.splits import Splits
from kerastl.data.store import FeatureStore
from kerastl.device import has_gpu
from kerastl.model.boundaries import Boundary
from kerastl.model.folding import fold
from kerastl.model.network import Network
from kerastl.progress import Meter, Progress, format_bytes
from kerastl.settings import ImageSettings, ModelSettings, StoreSettings
from kerastl.training.cost import seconds_per_image, seconds_to_read
from kerastl.training.features import StoredFeatures
from kerastl.training.memory import InParts
from kerastl.training.store_key import open_store

# On a processor the outputs of a layer should stay in its cache: with AVX2, MobileNetV2 at 97 px
# takes half to two thirds of the time that it takes in batches of 64, and ResNet50 at 224 px no
# more than in batches of 32. A GPU wants larger ones.
_BATCH_SIZE = 16
_BATCH_SIZE_ON_GPU = 64


class FrozenPart:
    """The outputs of a network's frozen part at the boundaries of a run, computed once."""

    def __init__(self, network: Network, splits: Splits, images: ImageSettings) -> None:
        """Chooses the images; `open` opens the stores too."""
        self._network = network
        self._source = splits.source
        self._images = images
        self._batch_size = _BATCH_SIZE_ON_GPU if has_gpu() else _BATCH_SIZE
        self._stores: dict[Boundary, FeatureStore] = {}
        self._found: dict[Boundary, StoredFeatures] = {}
        self._hashes = view_hashes(splits.source, images)
        trained = view_indices(splits.source, splits.train, images)
        held_out = np.concatenate([splits.validation, splits.test])
        used = np.concatenate([trained, evaluated_indices(splits.source, held_out, images)])
        # The same content may be there twice.
        contents = as_keys(self._hashes[used])
        self._used = used[np.sort(np.unique(contents, return_index=True)[1])]

    @classmethod
    def open(
        cls,
        network: Network,
        boundaries: Sequence[Boundary],
        splits: Splits,
        *,
        model: ModelSettings,
        store: StoreSettings,
        progress: Progress,
    ) -> "FrozenPart":
        """Opens a store at every boundary at which storing is worth it, until `close`.

        They are locked, and others are removed if these need their room. A line of `progress`
        reports where features are not stored.
        """
        frozen = cls(network, splits, model)
        try:
            for boundary in sorted(boundaries, key=lambda boundary: boundary.position):
                frozen._open_at(boundary, model, store, progress)
            if frozen._stores:
                frozen._make_room(store, progress)
                frozen._note_use()
        except STORE_ERRORS as error:
            frozen._do_without(error, progress)
        except BaseException:
            frozen.close()
            raise
        return frozen

    def close(self) -> None:
        """Unlocks the combinations; other runs may then remove them."""
        for store in self._stores.values():
            store.close()

    def _do_without(self, error: Exception, progress: Progress) -> None:
        """Continues without a store that failed: it only saves time."""
        self.close()
        self._stores, self._found = {}, {}
        progress.line(f"{str(error).removesuffix('.')}. Features are computed in each epoch.")

    def __enter__(self) -> "FrozenPart":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, boundary: Boundary) -> StoredFeatures | None:
        """Returns what has been computed at a boundary, None if nothing is stored there."""
        store = self._stores.get(boundary)
        if store is None:
            return None
        if boundary not in self._found:
            # Kept, since a later phase needs again what it has read into memory.
            self._found[boundary] = StoredFeatures(
                seconds_per_image=store.about().get("seconds_per_image", 0.0),
                store=store,
                rows=store.find(self._hashes),
            )
        return self._found[boundary]

    def compute(self, progress: Progress) -> None:
        """Computes what the stores lack, all boundaries in one pass.

        Raises:
            KerastlError: If the content of an image has changed.
        """
        if not self._stores:
            return
        missing = {boundary: self._missing(boundary) for boundary in self._stores}
        todo = np.unique(np.concatenate([*missing.values()]))
        names = " and ".join(map(self._network.name_of, self._stores))
        progress.line(
            f"Frozen part up to {names}: {len(todo)} images to compute, "
            f"{len(self._used) - len(todo)} in the store already."
        )
        if len(todo):
            self._found = {}
            lacking = {boundary: rows for boundary, rows in missing.items() if len(rows)}
            try:
                self.fill(todo, lacking, progress)
            except STORE_ERRORS as error:
                self._do_without(error, progress)

    def _open_at(
        self, boundary: Boundary, model: ModelSettings, settings: StoreSettings, progress: Progress
    ) -> None:
        if not self._network.lower(boundary).weights:
            return  # Only scaling pixels is not worth storing.
        store = open_store(self._network, boundary, model=model, store=settings)
        if store is None:
            return
        if store.damaged:
            progress.line(
                f"Feature store: {store.damaged} rows failed their checksum and are computed again."
            )
        compute = seconds_per_image(self._network, boundary)
        read = seconds_to_read(store.bytes_for(1))
        if read < compute:
            self._stores[boundary] = store
            return
        store.close()
        progress.line(
            f"Features at {self._network.name_of(boundary)} are computed in each epoch: for an "
            f"image about {compute * 1e3:.2g} ms, and {read * 1e3:.2g} ms to read them."
        )

    def _make_room(self, settings: StoreSettings, progress: Progress) -> None:
        """Makes room for all boundaries, or for as many of the smaller ones as possible.

        All of the run's stores are open, so none of them is removed for another.
        """
        root = next(iter(self._stores.values())).path.parent
        limit, is_disk = find_limit(root, settings.cache_limit_gb)
        needed = {
            boundary: store.bytes_for(len(self._missing(boundary)))
            for boundary, store in self._stores.items()
        }
        kept = self._source.kept
        if kept and not make_room(root, needed=sum(needed.values()), limit=limit):
            # Features save more time than pixels, which may then be removed for them.
            kept.close()
        while not make_room(root, needed=sum(needed.values()), limit=limit) and any(
            needed.values()
        ):
            largest = max(needed, key=needed.__getitem__)
            progress.line(
                f"Features at {self._network.name_of(largest)} would take "
                f"{format_bytes(needed.pop(largest))} more where the store may take "
                f"{format_bytes(limit)}: they are computed in each epoch instead. "
                f"{'Free the disk' if is_disk else 'Raise --cache_limit_gb'} to store them."
            )
            self._stores.pop(largest).close()

    def _note_use(self) -> None:
        for boundary, store in self._stores.items():
            names = sorted({*map(str, store.about().get("datasets", ())), self._source.name})
            store.describe(datasets=names, boundary=self._network.name_of(boundary))

    def fill(
        self, todo: np.ndarray, missing: Mapping[Boundary, np.ndarray], progress: Progress
    ) -> None:
        """Computes and stores what is missing at each boundary, in one pass over `todo`."""
        tensors = [boundary.tensor for boundary in missing]
        function = InParts(fold(keras.Model(self._network.inputs, tensors)))
        meter = Meter("frozen part", len(todo), progress)
        first_took = 0.0
        with contextlib.ExitStack() as stack:
            writers = {
                boundary: stack.enter_context(self._stores[boundary].adding())
                for boundary in missing
            }
            # Inside, since an error of the disk is reported otherwise.
            stack.enter_context(reading_errors())
            done = 0
            for images, _ in views_dataset(
                self._source, todo, self._images, batch_size=self._batch_size
            ):
                batch = todo[done : done + len(images)]
                for (boundary, lacking), features in zip(
                    missing.items(), function(images), strict=True
                ):
                    wanted = np.isin(batch, lacking)
                    writers[boundary].add(self._hashes[batch[wanted]], features.numpy()[wanted])
                # The first batch builds what the others reuse.
                first_took = first_took or meter.seconds()
                done += len(images)
                meter.show(done)
        timed = len(todo) - self._batch_size
        if timed > 0:
            self._note_speed([*missing], (meter.seconds() - first_took) / timed)
        written = sum(
            self._stores[boundary].bytes_for(len(lacking)) for boundary, lacking in missing.items()
        )
        progress.line(
            f"Computed {len(todo)} images in {meter.summary()}, {format_bytes(written)} on disk."
        )

    def _missing(self, boundary: Boundary) -> np.ndarray:
        found = self._stores[boundary].find(self._hashes[self._used])
        return self._used[found < 0]

    def _note_speed(self, boundaries: Sequence[Boundary], seconds: float) -> None:
        """Notes the time of an image up to each boundary: its share of that to the highest."""
        highest = self._network.count_multiply_adds(boundaries[-1])
        for boundary in boundaries:
            store = self._stores[boundary]
            if "seconds_per_image" not in store.about():
                share = self._network.count_multiply_adds(boundary) / highest
                store.describe(seconds_per_image=seconds * share)


def count_stored(
    network: Network,
    boundary: Boundary,
    hashes: np.ndarray,
    *,
    model: ModelSettings,
    store: StoreSettings,
) -> int:
    """Counts the images, by the hashes of their content, whose features are stored."""
    with contextlib.suppress(*STORE_ERRORS):
        opened = open_store(network, boundary, model=model, store=store)
        if opened is not None:
            with contextlib.closing(opened):
                return int((opened.find(hashes) >= 0).sum())
    return 0
