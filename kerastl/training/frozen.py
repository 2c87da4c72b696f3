"""The frozen part of a network, computed once for each image and kept.

The frozen part has the same output for the same image in every epoch, phase, trial and run.
One pass over the images that are not stored yet computes all boundaries of a run.
"""

import contextlib
from collections.abc import Sequence

import numpy as np

from kerastl import replicas
from kerastl.data.content import as_keys
from kerastl.data.entries import STORE_ERRORS, find_limit, make_room
from kerastl.data.pipeline import evaluated_indices, view_hashes, view_indices
from kerastl.data.splits import Splits
from kerastl.data.store import FeatureStore
from kerastl.errors import KerastlError
from kerastl.model.boundaries import Boundary
from kerastl.model.network import Network
from kerastl.progress import Progress, format_bytes
from kerastl.settings import ImageSettings, ModelSettings, StoreSettings
from kerastl.training.cost import seconds_per_image, seconds_to_read
from kerastl.training.features import StoredFeatures
from kerastl.training.passing import Pass
from kerastl.training.store_key import open_store


class FrozenPart:
    """The outputs of a network's frozen part at the boundaries of a run, computed once.

    Attributes:
        teacher: Those of a network that teaches, frozen up to its logits; None without one.
    """

    teacher: "FrozenPart | None" = None

    def __init__(self, network: Network, splits: Splits, images: ImageSettings) -> None:
        """Chooses the images; `open` opens the stores too."""
        self._network = network
        self._source = splits.source
        self._images = images
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
        frozen._agree(progress)
        return frozen

    def close(self) -> None:
        """Unlocks the combinations, also those of the teacher; other runs may then remove them."""
        self._close_stores()
        if self.teacher:
            self.teacher.close()

    def _close_stores(self) -> None:
        for store in self._stores.values():
            store.close()

    def _do_without(self, error: Exception, progress: Progress) -> None:
        """Continues without a store that failed: it only saves time."""
        self._close_stores()
        self._stores, self._found = {}, {}
        progress.line(f"{str(error).removesuffix('.')}. Features are computed in each epoch.")

    def __enter__(self) -> "FrozenPart":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def answers(self) -> StoredFeatures | None:
        """The teacher's logits for training images and their views; None if there are none."""
        return self.teacher.logits if self.teacher else None

    @property
    def logits(self) -> StoredFeatures | None:
        """What has been computed at the network's output, None if nothing is stored there."""
        return self.get(self._network.boundaries[-1])

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
        """Computes what the stores lack, all boundaries in one pass, see `Pass.run`.

        So does the teacher.

        Raises:
            KerastlError: If the content of an image has changed, or the teacher's answers, which
                nothing replaces, cannot be stored.
        """
        if self._stores:
            try:
                self._compute(progress)
            except STORE_ERRORS as error:
                self._do_without(error, progress)
        self._agree(progress)
        if self.teacher:
            self.teacher.compute(progress)
            if self.answers is None:
                raise KerastlError(
                    "teacher: has no room for its answers in the store. Raise --cache_limit_gb or "
                    "choose another --cache_dir."
                )

    def _compute(self, progress: Progress) -> None:
        passing = Pass(self._network, self._stores, self._source, self._images, self._hashes)
        lacking = [boundary for boundary in self._stores if len(self._missing(boundary))]
        views = passing.todo(self._used)
        todo, num_images = len(views), len(np.unique(views % len(self._source)))
        views_of = f" ({num_images} with their mirror images or other views)"
        what = views_of if num_images < todo else ""
        names = " and ".join(map(self._network.name_of, self._stores))
        progress.line(
            f"Frozen part up to {names}: {todo} images to compute{what}, "
            f"{len(self._used) - todo} in the store already."
        )
        if todo:
            self._found = {}
            if seconds := passing.run(self._used, progress):
                self._note_speed(lacking, seconds)

    def _agree(self, progress: Progress) -> None:
        """Closes what not every machine has, so that all of them train on the same."""
        team, boundaries = replicas.current(), self._network.boundaries
        if team.num_workers == 1:
            return
        counts = team.sum(np.array([one in self._stores for one in boundaries], np.int64))
        for boundary, count in zip(boundaries, counts.tolist(), strict=True):
            if boundary in self._stores and count < team.num_workers:
                self._stores.pop(boundary).close()
                self._found.pop(boundary, None)
                progress.line(
                    f"Features at {self._network.name_of(boundary)} are computed in each epoch: "
                    f"{team.num_workers - count} of {team.num_workers} machines cannot store them."
                )

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
