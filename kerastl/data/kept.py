"""Pixels of images on disk, so that a file that is needed again is neither read nor decoded.

What the pipeline makes of a file is kept exactly: where an image shrinks, its pixels at the
network's size, float32, since resizing does not round; where it does not, what was decoded, uint8,
which is smaller and is resized when it is read.
"""

import contextlib
import pathlib
import struct
import threading
import weakref
import zlib

import numpy as np
import tensorflow as tf

from kerastl.data import common_files
from kerastl.data import images as decoder
from kerastl.data.content import hash_files
from kerastl.data.entries import STORE_ERRORS, find_limit, list_entries
from kerastl.data.segments import ANY_LENGTH, SegmentWriter, read_into
from kerastl.data.store import RowStore
from kerastl.settings import ImageSettings

# Height and width come before the pixels of a row.
_SIDES = struct.Struct("<HH")
_CHANNELS = 3
# Of what the store may still take, pixels take at most this share, and features the rest.
_SHARE = 0.5
# Where threads wait for each other without end, one decodes what another does, too. The first
# call of the decoder alone may take two seconds.
_PATIENCE_SECONDS = 5.0


class KeptPixels(RowStore):
    """The pixels of images at one size; threads may read and add at the same time."""

    def __init__(
        self, root: pathlib.Path, images: ImageSettings, *, dataset: str, room: int
    ) -> None:
        """Opens the pixels for a size and resize rule, to which `room` bytes may be added."""
        identity = {
            "image_size": images.image_size,
            "resize": images.resize,
            "pixels": hash_files(*decoder.SOURCES, str(common_files.__file__), __file__),
            "tensorflow": tf.__version__,
        }
        super().__init__(root, identity, row_bytes=ANY_LENGTH)
        self._room = room
        self._writer = SegmentWriter(self.path, np.dtype(np.uint8), ANY_LENGTH)
        self._written: set[bytes] = set()
        self._checked: set[bytes] = set()
        # Images that a thread has found missing and decodes; another one waits for it.
        self._decoding: set[bytes] = set()
        self._threads = threading.Condition()
        names = sorted({*map(str, self.about().get("datasets", ())), dataset})
        self.describe(datasets=names)
        # The rest is kept at the end of the process, too.
        weakref.finalize(self, _commit, self._writer)

    def read(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reads the pixels of the image with a hash; who finds none calls `add`.

        Returns:
            Their bytes, uint8 (bytes,), and their height, width and bytes of a value, int32 (3,);
            all are 0 if there are none, or they are damaged.
        """
        key = image.tobytes()
        with self._threads:
            self._threads.wait_for(lambda: key not in self._decoding, timeout=_PATIENCE_SECONDS)
        with contextlib.suppress(OSError):
            row = self._read(image)
            if row is not None:
                height, width = _SIDES.unpack_from(row.data)
                pixels = row[_SIDES.size :]
                size = len(pixels) // (height * width * _CHANNELS)
                return pixels, np.array([height, width, size], np.int32)
        with self._threads:
            self._decoding.add(key)
        return np.zeros(0, np.uint8), np.zeros(3, np.int32)

    def add(self, image: np.ndarray, pixels: np.ndarray, sides: np.ndarray) -> bool:
        """Keeps pixels, uint8 (bytes,), while there is room; none are not kept.

        Returns:
            Whether that was done.
        """
        row = np.concatenate([np.frombuffer(_SIDES.pack(*sides.tolist()), np.uint8), pixels])
        key = image.tobytes()
        with self._threads:
            self._decoding.discard(key)
            self._threads.notify_all()
            if not len(pixels) or key in self._written or len(row) > self._room:
                return False
            try:
                self._writer.add_one(image, row)
            except STORE_ERRORS:
                # It only saves time.
                self._room = 0
                return False
            self._written.add(key)
            self._room -= len(row)
        return True

    def flush(self) -> None:
        """Makes what was added readable in this process and in others."""
        with self._threads, contextlib.suppress(*STORE_ERRORS):
            self.take_in(self._writer)
            self._written.clear()

    def _read(self, image: np.ndarray) -> np.ndarray | None:
        key = image.tobytes()
        with self._threads:
            if key in self._written:
                self.flush()
            found = self.locate(image)
            if found is None:
                return None
            segment, place = found
            end = int(segment.ends[place])
        row = np.empty(segment.lengths[place], np.uint8)
        with open(segment.path, "rb", buffering=0) as file:
            read_into(row.data, file, end - len(row))
        if key not in self._checked:
            if zlib.crc32(row.data) != segment.checksums[place]:
                with self._threads:
                    segment.valid[place] = False
                    self.refresh()
                return None
            self._checked.add(key)
        return row


class PixelCache:
    """The kept pixels of a store's directory, opened where they are first needed."""

    def __init__(
        self, root: pathlib.Path, limit_gb: float, *, dataset: str = "", needed_again: bool = False
    ) -> None:
        """Opens nothing yet.

        Args:
            root: The store's directory.
            limit_gb: Its limit, see `find_limit`.
            dataset: Name of the data set.
            needed_again: Whether images are needed again by what none of their readers knows, so
                that pixels are kept however large they are.
        """
        self.needed_again = needed_again
        self._root, self._limit_gb, self._dataset = root, limit_gb, dataset
        self._opened: dict[tuple[int, str], KeptPixels | None] = {}

    def at(self, images: ImageSettings) -> KeptPixels | None:
        """Opens the pixels for a size and resize rule; None if the directory cannot be used."""
        key = images.image_size, images.resize
        if key not in self._opened:
            self._opened[key] = None
            with contextlib.suppress(*STORE_ERRORS):
                limit, _ = find_limit(self._root, self._limit_gb)
                taken = sum(entry.num_bytes for entry in list_entries(self._root))
                room = int(_SHARE * max(0, limit - taken))
                self._opened[key] = KeptPixels(self._root, images, dataset=self._dataset, room=room)
        return self._opened[key]

    def close(self) -> None:
        """Finishes what was added, keeps no more, and lets it be removed."""
        for pixels in filter(None, self._opened.values()):
            pixels.flush()
            pixels.close()
        self._opened = dict.fromkeys(self._opened)


def _commit(writer: SegmentWriter) -> None:
    with contextlib.suppress(*STORE_ERRORS):
        writer.commit()
