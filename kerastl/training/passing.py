"""The pass over images that fills stores of features; several machines share it."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np

from kerastl import replicas
from kerastl.data.pipeline import views_dataset
from kerastl.data.reading import reading_errors
from kerastl.data.source import Source
from kerastl.data.store import FeatureStore
from kerastl.data.store_locks import try_claim
from kerastl.device import has_gpu
from kerastl.model.boundaries import Boundary
from kerastl.model.folding import fold
from kerastl.model.network import Network
from kerastl.progress import Meter, Progress, format_bytes
from kerastl.settings import ImageSettings
from kerastl.training.memory import InParts

# On a processor the outputs of a layer should stay in its cache: with AVX2, MobileNetV2 at 97 px
# takes half to two thirds of the time that it takes in batches of 64, and ResNet50 at 224 px no
# more than in batches of 32. A GPU wants larger ones.
_BATCH_SIZE = 16
_BATCH_SIZE_ON_GPU = 64
# A machine that is slower than the others takes fewer parts; to begin one takes a moment.
_PARTS_PER_WORKER, _MOST_PARTS = 4, 256
_SECONDS_BETWEEN_TRIES = 0.2


class Pass:
    """Computes what stores lack at the boundaries of a run, all boundaries at once."""

    def __init__(
        self,
        network: Network,
        stores: Mapping[Boundary, FeatureStore],
        source: Source,
        images: ImageSettings,
        hashes: np.ndarray,
    ) -> None:
        """Prepares it; `hashes` are those of `view_hashes`, of every image and view."""
        self._network, self._stores, self._hashes = network, stores, hashes
        self._source, self._images = source, images
        self._team = replicas.current()
        size = _BATCH_SIZE_ON_GPU if has_gpu() else _BATCH_SIZE
        self._batch_size = size * len(self._team.devices)

    def missing(self, indices: np.ndarray) -> dict[Boundary, np.ndarray]:
        """Lists which of some images each store lacks."""
        hashes = self._hashes[indices]
        return {
            boundary: indices[store.find(hashes) < 0] for boundary, store in self._stores.items()
        }

    def todo(self, indices: np.ndarray) -> np.ndarray:
        """Lists those that any store lacks."""
        return np.unique(np.concatenate([*self.missing(indices).values()]))

    def run(self, indices: np.ndarray, progress: Progress) -> float:
        """Computes and stores what is missing of some images, each of another content.

        Machines that train together each take parts that no other is computing, and go on until
        all parts are whole. A part of one that ends is taken by another.

        Returns:
            Seconds for an image; 0 if there were too few to measure it.
        """
        lacking = [boundary for boundary, rows in self.missing(indices).items() if len(rows)]
        if not lacking:
            return 0.0  # Other machines have just stored the rest.
        meter = Meter("frozen part", len(self.todo(indices)), progress)
        function = fold(keras.Model(self._network.inputs, [one.tensor for one in lacking]))
        compute = InParts(self._team.on_devices(function))
        done = written = timed = 0
        first_took = 0.0
        for part in self._parts(indices):
            missing, todo = self.missing(part), self.todo(part)
            for count in self._fill(compute, lacking, todo, missing):
                # The first batch builds what the others reuse.
                if not first_took:
                    first_took, timed = meter.seconds(), -count
                done, timed = done + count, timed + count
                meter.show(done)
            written += sum(self._stores[one].bytes_for(len(rows)) for one, rows in missing.items())
        progress.line(
            f"Computed {done} images in {meter.summary()}, {format_bytes(written)} on disk."
        )
        return (meter.seconds() - first_took) / timed if timed > 0 else 0.0

    def _parts(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """Yields all images, or parts of them, which no other machine takes until the next."""
        team = self._team
        if team.num_workers == 1:
            yield indices
            return
        count = min(_MOST_PARTS, _PARTS_PER_WORKER * team.num_workers)
        # By content, by which parts are the same on every machine.
        part_of = self._hashes[indices][:, 0].astype(np.int64) * count // 256
        waiting = np.roll(np.arange(count), -(team.worker * count // team.num_workers)).tolist()
        path = next(iter(self._stores.values())).path
        while waiting:
            before = len(waiting)
            for part in tuple(waiting):
                claim = try_claim(path, part)
                if claim is None:
                    continue
                try:
                    for store in self._stores.values():
                        store.refresh()
                    yield indices[part_of == part]
                finally:
                    claim.release()
                waiting.remove(part)
            if len(waiting) == before:
                time.sleep(_SECONDS_BETWEEN_TRIES)

    def _fill(
        self,
        compute: InParts,
        boundaries: Sequence[Boundary],
        todo: np.ndarray,
        missing: Mapping[Boundary, np.ndarray],
    ) -> Iterator[int]:
        """Stores what `compute` gives at boundaries for some images; yields how many at a time."""
        if not len(todo):
            return
        with contextlib.ExitStack() as stack:
            writers = {
                boundary: stack.enter_context(self._stores[boundary].adding())
                for boundary, rows in missing.items()
                if len(rows)
            }
            # Inside, since an error of the disk is reported otherwise.
            stack.enter_context(reading_errors())
            done = 0
            dataset = views_dataset(self._source, todo, self._images, batch_size=self._batch_size)
            for images, _ in dataset:
                batch = todo[done : done + len(images)]
                outputs = dict(zip(boundaries, compute(images), strict=True))
                for boundary, writer in writers.items():
                    wanted = np.isin(batch, missing[boundary])
                    rows = outputs[boundary].numpy()[wanted]
                    writer.add(self._hashes[batch[wanted]], rows)
                done += len(images)
                yield len(images)
