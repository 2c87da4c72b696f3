"""Where the pixels of a pipeline come from: memory, kept pixels, or files."""

import concurrent.futures
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kerastl.data.images import decode_and_resize, decode_to_keep, read_kept
from kerastl.data.reading import read_in_graph
from kerastl.data.source import Source
from kerastl.resources import usable_cores
from kerastl.settings import ImageSettings

# So few images are decoded before a pipeline starts and wait in memory: to make the decoder ready
# in a pipeline takes TensorFlow two seconds each time.
FEW, _FEW_BYTES = 512, 128_000_000


class _Pixels(NamedTuple):
    """Pixels as `read_kept` takes them.

    Attributes:
        content: The bytes, uint8 (bytes,).
        about: Height, width, and bytes of a value, int32 (3,).
    """

    content: np.ndarray
    about: np.ndarray


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
    return reader.from_files() if reader.kept is None else reader.from_kept()


class _Reader:
    """Ways to the network's input."""

    def __init__(self, source: Source, images: ImageSettings, *, keeps: bool) -> None:
        self.kept = source.kept.at(images) if source.kept else None
        self.most_bytes = images.image_size**2 * 3 * 4
        self._source = source
        self._keeps = keeps or (source.kept is not None and source.kept.needed_again)
        self._how: dict[str, Any] = {"image_size": images.image_size, "rule": images.resize}

    def from_files(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Decodes each file each time."""
        return lambda place: decode_and_resize(read_in_graph(self._source, place), **self._how)

    def from_memory(self, places: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
        """Reads or decodes some images now."""
        with concurrent.futures.ThreadPoolExecutor(usable_cores()) as pool:
            ready = dict(zip(places.tolist(), pool.map(self._read_or_decode, places), strict=True))
        return lambda place: self._make(*_call(lambda index: ready[int(index)], place))

    def from_kept(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Reads kept pixels, or decodes a file in the graph."""

        def pixels_of(place: tf.Tensor) -> tf.Tensor:
            content, about = _call(self._read, place)

            def from_file() -> tf.Tensor:
                file = read_in_graph(self._source, place)
                image, to_keep, sides = decode_to_keep(file, **self._how)
                done = tf.numpy_function(self._add, [place, to_keep, sides], tf.bool)
                with tf.control_dependencies([done]):
                    return tf.identity(image)

            return tf.cond(about[2] > 0, lambda: self._make(content, about), from_file)

        return pixels_of

    def _make(self, content: tf.Tensor, about: tf.Tensor) -> tf.Tensor:
        return read_kept(content, about, **self._how)

    def _read(self, place: np.ndarray | np.integer) -> _Pixels:
        """Reads kept pixels; there may be none, whose `about` is 0."""
        found = None if self.kept is None else self.kept.read(self._source.hashes[place])
        return _Pixels(*found) if found else _Pixels(np.zeros(0, np.uint8), np.zeros(3, np.int32))

    def _read_or_decode(self, place: np.integer) -> _Pixels:
        found = self._read(place)
        if found.about.any():
            return found
        file = tf.constant(self._source.read(place))
        _, content, sides = (value.numpy() for value in decode_to_keep(file, **self._how))
        self._add(place, content, sides)
        return _Pixels(
            content, np.append(sides, len(content) // (3 * sides.prod())).astype(np.int32)
        )

    def _add(
        self, place: np.ndarray | np.integer, content: np.ndarray, sides: np.ndarray
    ) -> np.bool_:
        """Keeps pixels if that is worth their space."""
        if self.kept is None:
            return np.bool_(False)
        wanted = content if self._keeps or len(content) < self.most_bytes else content[:0]
        return np.bool_(self.kept.add(self._source.hashes[place], wanted, sides))


def _call(function: Callable[[np.ndarray], _Pixels], place: tf.Tensor) -> _Pixels:
    content, about = tf.numpy_function(function, [place], [tf.uint8, tf.int32])
    return _Pixels(tf.ensure_shape(content, [None]), tf.ensure_shape(about, [3]))
