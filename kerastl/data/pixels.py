"""Where the pixels of a pipeline come from: memory, kept pixels, or files."""

import concurrent.futures
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kerastl.data.common_files import DECODERS, find_common
from kerastl.data.images import (
    decode_for,
    read_kept,
    resize_to_keep,
    smallest_side,
    three_channels,
)
from kerastl.data.source import Source
from kerastl.resources import usable_cores
from kerastl.settings import ImageSettings

# So few images are decoded before a pipeline starts and wait in memory: to make the decoder ready
# in a pipeline takes TensorFlow two seconds each time.
FEW, _FEW_BYTES = 512, 128_000_000
_NOTHING = np.zeros(0, np.uint8)


class _Pixels(NamedTuple):
    """Pixels as `read_kept` takes them.

    Attributes:
        content: The bytes, uint8 (bytes,).
        about: Height, width, and bytes of a value, int32 (3,); zeros if there are none.
    """

    content: np.ndarray
    about: np.ndarray


class _Found(NamedTuple):
    """Kept pixels of an image, or its file.

    Attributes:
        content: As of `_Pixels`.
        about: As of `_Pixels`.
        file: The bytes of the file; empty where there are pixels.
        decoder: Position of its decoder in `_Reader._decoders`.
    """

    content: np.ndarray
    about: np.ndarray
    file: bytes
    decoder: np.int32


def pixel_reader(
    source: Source, indices: np.ndarray, images: ImageSettings, *, keeps: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function, for graphs, from the index of an image to the network's input.

    It reads kept pixels where there are any, and else the file, whose pixels are then kept: always
    where an image does not shrink, and with `keeps` also the more of others.

    Args:
        source: The images.
        indices: Those that are to be read, views included.
        images: Their size and resize rule.
        keeps: Whether the pipeline, or another one, reads each image again.
    """
    reader = _Reader(source, images, keeps=keeps)
    places = np.unique(indices % len(source))
    if len(places) <= min(FEW, _FEW_BYTES // reader.most_bytes):
        return reader.from_memory(places)
    return reader.from_files


class _Reader:
    """Ways to the network's input."""

    def __init__(self, source: Source, images: ImageSettings, *, keeps: bool) -> None:
        self.most_bytes = images.image_size**2 * 3 * 4
        self._kept = source.kept.at(images) if source.kept else None
        self._source = source
        self._keeps = keeps or (source.kept is not None and source.kept.needed_again)
        self._smallest_side = smallest_side(images.image_size, images.resize)
        self._how: dict[str, Any] = {"image_size": images.image_size, "rule": images.resize}
        # The first is for every file, each of the others for a common kind.
        self._decoders = [
            functools.partial(decode_for, **self._how),
            *(functools.partial(_decode_common, operation) for operation in DECODERS),
        ]

    def from_memory(self, places: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
        """Reads or decodes some images now."""
        with concurrent.futures.ThreadPoolExecutor(usable_cores()) as pool:
            ready = dict(zip(places.tolist(), pool.map(self._read_or_decode, places), strict=True))

        def pixels_of(place: tf.Tensor) -> tf.Tensor:
            types = [tf.uint8, tf.int32]
            content, about = tf.numpy_function(lambda index: ready[int(index)], [place], types)
            return self._make(content, about)

        return pixels_of

    def from_files(self, place: tf.Tensor) -> tf.Tensor:
        """Reads kept pixels, or decodes a file in the graph."""
        types = [tf.uint8, tf.int32, tf.string, tf.int32]
        content, about, file, decoder = tf.numpy_function(self._find, [place], types)
        file, decoder = tf.ensure_shape(file, []), tf.ensure_shape(decoder, [])

        def from_file() -> tf.Tensor:
            ways = [functools.partial(decode, file) for decode in self._decoders]
            decoded = tf.switch_case(decoder, ways)
            image, to_keep, sides = resize_to_keep(decoded, **self._how)
            if self._kept is None:
                return image
            done = tf.numpy_function(self._add, [place, to_keep, sides], tf.bool)
            with tf.control_dependencies([done]):
                return tf.identity(image)

        return tf.cond(about[2] > 0, lambda: self._make(content, about), from_file)

    def _make(self, content: tf.Tensor, about: tf.Tensor) -> tf.Tensor:
        content, about = tf.ensure_shape(content, [None]), tf.ensure_shape(about, [3])
        return read_kept(content, about, **self._how)

    def _find(self, place: np.integer) -> _Found:
        kept = self._read(place)
        if kept.about[2]:
            return _Found(*kept, b"", np.int32(0))
        file = self._source.read(place)
        common = find_common(file, smallest_side=self._smallest_side)
        return _Found(*kept, file, np.int32(1 + common.decoder if common else 0))

    def _read(self, place: np.integer) -> _Pixels:
        """Reads kept pixels; there may be none."""
        if self._kept is None:
            return _Pixels(_NOTHING, np.zeros(3, np.int32))
        return _Pixels(*self._kept.read(self._source.hashes[place]))

    def _read_or_decode(self, place: np.integer) -> _Pixels:
        found = self._find(place)
        if found.about[2]:
            return _Pixels(found.content, found.about)
        # On the processor, where the graph of a pipeline runs, too.
        with tf.device("CPU:0"):
            decoded = self._decoders[found.decoder](tf.constant(found.file))
            _, content, sides = (value.numpy() for value in resize_to_keep(decoded, **self._how))
        self._add(place, content, sides)
        size = len(content) // (3 * sides.prod())
        return _Pixels(content, np.append(sides, size).astype(np.int32))

    def _add(
        self, place: np.ndarray | np.integer, content: np.ndarray, sides: np.ndarray
    ) -> np.bool_:
        """Keeps pixels if that is worth their space."""
        if self._kept is None:
            return np.bool_(False)
        wanted = content if self._keeps or len(content) < self.most_bytes else content[:0]
        return np.bool_(self._kept.add(self._source.hashes[place], wanted, sides))


def _decode_common(operation: Callable[[tf.Tensor], tf.Tensor], file: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(three_channels(operation(file)), [None, None, 3])
