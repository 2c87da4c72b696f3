"""Images of a split as `tf.data`: read and decoded in parallel, resized, batched, prefetched."""

import os
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.augment import Augmenter, build_augmenter
from kerastl.data.content import as_numbers, digest_all
from kerastl.data.images import decode_and_resize
from kerastl.data.reading import read_in_graph, untuned
from kerastl.data.source import Source

# Batches that wait, decoded, for the one that is being computed.
_BATCHES_AHEAD = 2


class Features(Protocol):
    """What stands in for the images' pixels where it was computed before."""

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads a batch by the images' indices in the source, versions included."""


def training_dataset(
    source: Source,
    indices: np.ndarray,
    config: Config,
    *,
    epochs: range,
    features: Features | None = None,
    class_weights: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Yields batches of all epochs on end, each epoch in another order over all images.

    The order depends on the seed and the epoch's number only, as random changes do, so `epochs`
    goes on from phase to phase. The last batch of an epoch may be
    smaller, but a single image joins the batch before: batch norm could take no statistics
    from it. Memory holds the images' indices, and the pixels of a few batches.

    Returns:
        Dataset of (images, labels): float32 (batch, size, size, 3) in 0..255 and int64
        (batch,). With `features` those come in place of the images, in the same order. With
        `class_weights`, float32 (classes,), each image's weight comes third, float32 (batch,).
    """
    augmenter = build_augmenter(config.augmentations, seed=config.seed)
    steps = count_steps(len(indices), config.batch_size)
    last = len(indices) - config.batch_size * (steps - 1)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(indices, seed=[config.seed, epoch])
        order += len(source) * _version(epoch, config)
        return tf.data.Dataset.from_tensor_slices(order)

    # Only the order is made epoch by epoch: TensorFlow takes a while to make a decoder ready.
    orders = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch)
    sizes = [config.batch_size] * (steps - 1) + [last]
    dataset = _batches(source, config, features, augmenter)(orders, sizes)
    if class_weights is not None:
        weights = tf.constant(class_weights)
        dataset = dataset.map(lambda images, labels: (images, labels, tf.gather(weights, labels)))
    return _prefetch(dataset)


def count_steps(num_images: int, batch_size: int) -> int:
    """Counts the batches of an epoch of `training_dataset`."""
    whole, rest = divmod(num_images, batch_size)
    return max(1, whole + (rest > 1))


def evaluation_dataset(
    source: Source,
    indices: np.ndarray,
    config: Config,
    *,
    features: Features | None = None,
    repeats: bool = False,
) -> tf.data.Dataset:
    """Yields every image in the order of `indices`; the last batch of a pass may be smaller.

    There is one pass, or with `repeats` no end of them, for what reads it several times: to begin
    anew takes longer than to read some thousand features.
    """
    orders = tf.data.Dataset.from_tensor_slices(indices)
    batches = _batches(source, config, features, None)(orders, [config.batch_size])
    return _prefetch(batches.repeat() if repeats else batches)


def versions_dataset(source: Source, indices: np.ndarray, config: Config) -> tf.data.Dataset:
    """Yields what `evaluation_dataset` does, of changed images too.

    Args:
        source: The images.
        indices: Of images and their versions, see `version_indices`.
        config: Size, resize rule, batch size, augmentations and seed.
    """
    augmenter = build_augmenter(config.augmentations, seed=config.seed)
    orders = tf.data.Dataset.from_tensor_slices(indices)
    return _prefetch(_batches(source, config, None, augmenter)(orders, [config.batch_size]))


def version_indices(source: Source, indices: np.ndarray, config: Config) -> np.ndarray:
    """Lists the images that training sees again and again, with their versions.

    Version `v` of image `i` has the index `i + v * len(source)`; version 0 is the image as it
    is. With `augment` and no `augment_views` every epoch has versions of its own, so the list
    is empty.
    """
    if not config.augmentations:
        return indices
    versions = range(1, 1 + config.augment_views)
    return np.concatenate([indices[:0], *(indices + version * len(source) for version in versions)])


def version_digests(source: Source, config: Config) -> np.ndarray:
    """Hashes the content of every image and version, uint8 (versions * images, 16)."""
    views = config.augment_views if config.augmentations else 0
    about = f"{config.augmentations} {config.seed}"
    return np.concatenate(
        [
            source.digests,
            *(
                digest_all(f"{about} {view} ".encode() + row.tobytes() for row in source.digests)
                for view in range(1, 1 + views)
            ),
        ]
    )


def _version(epoch: tf.Tensor, config: Config) -> tf.Tensor:
    if not config.augmentations:
        return tf.constant(0, tf.int64)
    return 1 + (epoch % config.augment_views if config.augment_views else epoch)


def _batches(
    source: Source, config: Config, features: Features | None, augmenter: Augmenter | None
) -> Callable[[tf.data.Dataset, Sequence[int]], tf.data.Dataset]:
    """Makes the function from indices, versions included, and sizes in turn to batches."""
    labels = tf.constant(source.labels)
    # A part of the hash tells images apart well enough to give each its random numbers.
    contents = tf.constant(as_numbers(source.contents))
    parallel = {"num_parallel_calls": os.cpu_count() or 1, "deterministic": True}

    def load(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        place = index % len(source)
        image = decode_and_resize(
            read_in_graph(source, place), image_size=config.image_size, rule=config.resize
        )
        if augmenter is not None:
            image = augmenter(image, index // len(source), contents[place])
        return image, labels[place]

    def of_images(indices: tf.data.Dataset, sizes: Sequence[int]) -> tf.data.Dataset:
        return _batch(indices.map(load, **parallel), sizes)

    if features is None:
        return of_images
    read = features.read

    def of_features(indices: tf.data.Dataset, sizes: Sequence[int]) -> tf.data.Dataset:
        return _batch(indices, sizes).map(
            lambda batch: (read(batch), tf.gather(labels, batch % len(source))), **parallel
        )

    return of_features


def _batch(dataset: tf.data.Dataset, sizes: Sequence[int]) -> tf.data.Dataset:
    """Makes batches of sizes that come in turn; the very last may be smaller."""
    dataset = dataset.batch(sizes[0])
    return dataset if len(set(sizes)) == 1 else dataset.rebatch(sizes)


def _prefetch(dataset: tf.data.Dataset) -> tf.data.Dataset:
    dataset = untuned(dataset)
    if tf.config.list_physical_devices("GPU"):
        # The next batches wait in the GPU's own memory.
        return dataset.apply(
            tf.data.experimental.prefetch_to_device("/GPU:0", buffer_size=_BATCHES_AHEAD)
        )
    return dataset.prefetch(_BATCHES_AHEAD)
