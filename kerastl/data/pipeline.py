"""Images of a split as `tf.data`: read and decoded in parallel, resized, batched, prefetched."""

from typing import Protocol

import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.images import decode, decode_and_resize
from kerastl.data.sources import Source
from kerastl.data.splits import Splits, count_per_class
from kerastl.progress import Progress

# Images whose size is looked at to say how they are enlarged.
_SIZE_SAMPLE = 32
# Classes that are shown one by one.
_MAX_CLASSES_SHOWN = 20


class Features(Protocol):
    """What stands in for the images' pixels where it was computed before."""

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads a batch by the images' indices in the source."""


def training_dataset(
    source: Source,
    indices: np.ndarray,
    config: Config,
    *,
    epochs: int,
    features: Features | None = None,
) -> tf.data.Dataset:
    """Yields batches of all epochs on end, each epoch in another order over all images.

    The order depends on the seed and the epoch only. The last batch of an epoch may be
    smaller. Memory holds the images' indices, and the pixels of a few batches.

    Returns:
        Dataset of (images, labels): float32 (batch, size, size, 3) in 0..255 and int64
        (batch,). With `features` those come in place of the images, in the same order.
    """

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(indices, seed=[config.seed, epoch])
        return _batches(source, tf.data.Dataset.from_tensor_slices(order), config, features)

    return _prefetch(tf.data.Dataset.range(epochs).flat_map(one_epoch))


def evaluation_dataset(
    source: Source, indices: np.ndarray, config: Config, *, features: Features | None = None
) -> tf.data.Dataset:
    """Yields every image once, in the order of `indices`; the last batch may be smaller."""
    order = tf.data.Dataset.from_tensor_slices(indices)
    return _prefetch(_batches(source, order, config, features))


def _batches(
    source: Source, indices: tf.data.Dataset, config: Config, features: Features | None
) -> tf.data.Dataset:
    labels = tf.constant(source.labels)
    if features is not None:
        return indices.batch(config.batch_size).map(
            lambda batch: (features.read(batch), tf.gather(labels, batch)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def load(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = decode_and_resize(
            source.read(index), image_size=config.image_size, rule=config.resize
        )
        return image, labels[index]

    return indices.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).batch(
        config.batch_size
    )


def _prefetch(dataset: tf.data.Dataset) -> tf.data.Dataset:
    if tf.config.list_physical_devices("GPU"):
        # The next batches wait in the GPU's own memory.
        return dataset.apply(tf.data.experimental.prefetch_to_device("/GPU:0", buffer_size=2))
    return dataset.prefetch(tf.data.AUTOTUNE)


def describe(splits: Splits, config: Config, progress: Progress) -> None:
    """Writes the images of each class and split, and how far small images are enlarged."""
    source = splits.source
    counts = {
        name: count_per_class(source, indices) for name, indices in splits.items() if len(indices)
    }
    totals = ", ".join(f"{name} {int(count.sum())}" for name, count in counts.items())
    progress.line(
        f"{source.name}: {len(source.class_names)} classes, {len(source)} images: {totals}."
    )
    for label, class_name in enumerate(source.class_names[:_MAX_CLASSES_SHOWN]):
        of_class = ", ".join(f"{name} {count[label]}" for name, count in counts.items())
        progress.line(f"  {class_name}: {of_class}")
    if len(source.class_names) > _MAX_CLASSES_SHOWN:
        progress.line(f"  and {len(source.class_names) - _MAX_CLASSES_SHOWN} more classes")
    sample = splits.train[:: max(1, len(splits.train) // _SIZE_SAMPLE)][:_SIZE_SAMPLE]
    sides = [min(decode(source.read(tf.constant(index))).shape[:2]) for index in sample]
    factor = config.image_size / float(np.median(sides))
    if factor > 1:
        progress.line(
            f"Images of {np.median(sides):.0f} px are enlarged {factor:.3g} times to "
            f"{config.image_size} px."
        )
