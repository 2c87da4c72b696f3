"""Images of a split as `tf.data`: read and decoded in parallel, resized, batched, prefetched."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from kerastl import replicas
from kerastl.data.augment import MIRRORED, Augmenter, build_augmenter, is_mirrored
from kerastl.data.content import as_numbers, hash_all
from kerastl.data.pixels import pixel_reader
from kerastl.data.reading import plain, untuned
from kerastl.data.source import Source
from kerastl.replicas import every_row
from kerastl.resources import usable_cores
from kerastl.settings import ImageSettings

# From the rows of a batch, an int or a tensor, to those of this process.
Share = Callable[[Any], slice]
# Batches that wait, decoded, for the one that is being computed.
_BATCHES_AHEAD = 2


class Features(Protocol):
    """Outputs of a frozen part that take the place of the images' pixels."""

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads a batch by the images' indices in the source, views included."""


def training_dataset(  # noqa: PLR0913  batches in an order, of images or what stands for them
    source: Source,
    indices: np.ndarray,
    images: ImageSettings,
    *,
    batch_size: int,
    epochs: range,
    first_step: int = 0,
    features: Features | None = None,
    class_weights: np.ndarray | None = None,
    answers: Features | None = None,
    share: Share = every_row,
) -> tf.data.Dataset:
    """Yields the batches of all epochs in a row, each epoch in another order over all images.

    Order and random changes depend only on the seed and the number of the epoch, so `epochs`
    continues from phase to phase. Images of the first epoch before `first_step` are not read. The
    last batch of an epoch may be smaller, but one of a single image is merged into the one before,
    because batch norm cannot use a single image. With `share` only a part of each batch is read,
    which may be empty.

    Returns:
        Dataset of (images, labels): float32 (batch, size, size, 3) in 0..255 and int64 (batch,).
        With `features` those replace the images, in the same order. With `class_weights`, float32
        (classes,), the weight of each image comes third, float32 (batch,). With `answers` come the
        weights, 1 by default, and those for each image and view, as they read them.
    """
    steps = count_steps(len(indices), batch_size)

    @plain
    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(indices, seed=[images.seed, epoch])
        order += len(source) * _view_of_epoch(epoch, images)
        return tf.data.Dataset.from_tensor_slices(order)

    # Only the order is made epoch by epoch: TensorFlow takes a while to prepare a decoder.
    orders = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch)
    orders = orders.skip(first_step * batch_size)
    sizes = [batch_size] * (steps - 1) + [len(indices) - batch_size * (steps - 1)]
    sizes = sizes[first_step:] + sizes[:first_step]
    if features is not None:
        dataset = _load_features(orders, source, features, sizes=sizes, share=share)
    else:
        pixels = pixel_reader(source, indices, images, keeps=True)
        dataset = _load_images(orders, source, pixels, sizes=sizes, changed_by=images, share=share)
    if class_weights is not None:
        dataset = dataset.map(plain(lambda *both: (*both, tf.gather(class_weights, both[1]))))
    elif answers is not None:
        dataset = dataset.map(plain(lambda *both: (*both, tf.ones_like(both[1], tf.float32))))
    if answers is not None:
        each = _batch_indices(orders, sizes, share).map(plain(answers.read))
        dataset = tf.data.Dataset.zip(dataset, each).map(plain(lambda seen, each: (*seen, each)))
    return _prefetch(dataset)


def count_steps(num_images: int, batch_size: int) -> int:
    """Counts the batches of an epoch of `training_dataset`."""
    whole, rest = divmod(num_images, batch_size)
    return max(1, whole + (rest > 1))


def evaluation_dataset(
    source: Source,
    indices: np.ndarray,
    images: ImageSettings,
    *,
    batch_size: int,
    features: Features | None = None,
    passes: Share | None = None,
) -> tf.data.Dataset:
    """Yields every image in the order of `indices`; the last batch of a pass may be smaller.

    With `passes` they follow one another without end, for a reader of several: to start a new
    iterator takes longer than to read some thousand features. Of each batch they have that part,
    see `shared_places`. With
    `sees_mirrored` the features of a batch are followed by those of its mirror images.
    """
    order = tf.data.Dataset.from_tensor_slices(indices)
    share = passes or every_row
    sizes = [batch_size] if share is every_row else _sizes_of(len(indices), batch_size)
    if features is None:
        pixels = pixel_reader(source, indices, images, keeps=passes is not None)
        batches = _load_images(order, source, pixels, sizes=sizes, share=share)
    else:
        if images.sees_mirrored:
            features = _WithMirrored(features, len(source))
        batches = _load_features(order, source, features, sizes=sizes, share=share)
    return _prefetch(batches.repeat() if passes else batches)


def shared_places(num_images: int, batch_size: int, share: Share) -> np.ndarray:
    """Lists the positions of the images that `evaluation_dataset` yields with a share."""
    firsts = range(0, num_images, batch_size)
    sizes = _sizes_of(num_images, batch_size)
    parts = [
        first + np.arange(size)[share(size)] for first, size in zip(firsts, sizes, strict=True)
    ]
    return np.concatenate(parts)


def _sizes_of(num_images: int, batch_size: int) -> list[int]:
    whole, rest = divmod(num_images, batch_size)
    return [batch_size] * whole + [rest] * (rest > 0)


def views_dataset(
    source: Source, indices: np.ndarray, images: ImageSettings, *, batch_size: int
) -> tf.data.Dataset:
    """Yields what `evaluation_dataset` does, of changed views too: see `view_indices`."""
    order = tf.data.Dataset.from_tensor_slices(indices)
    # The other views are made of the same pixels.
    pixels = pixel_reader(source, indices, images, keeps=images.num_views > 0)
    return _prefetch(_load_images(order, source, pixels, sizes=[batch_size], changed_by=images))


def view_indices(source: Source, indices: np.ndarray, images: ImageSettings) -> np.ndarray:
    """Lists the images that training sees again and again, with their views.

    View `v` of image `i` has the index `i + v * len(source)`; view 0 is the image itself, and
    view `MIRRORED`, which is below it, its mirror image. With
    random changes and no `augment_views` every epoch has its own views, so the list is empty.
    """
    if not images.augmentations:
        return indices
    views = range(1, 1 + images.num_views)
    return np.concatenate([indices[:0], *(indices + view * len(source) for view in views)])


def evaluated_indices(source: Source, indices: np.ndarray, images: ImageSettings) -> np.ndarray:
    """Lists the images, with their views, that evaluating some images takes."""
    if not images.sees_mirrored:
        return indices
    return np.concatenate([indices, indices + MIRRORED * len(source)])


def view_hashes(source: Source, images: ImageSettings) -> np.ndarray:
    """Hashes the content of every image and view, uint8 (views * images, 16).

    Views with the same pixels have the same hash, whatever the settings that made them. Mirror
    images for evaluation come last, where their indices, below 0, find them.
    """
    views = [*range(1 + images.num_views), *([MIRRORED] if images.sees_mirrored else ())]
    hashes = [
        hash_all(about + row.tobytes() for row in source.hashes) if about else source.hashes
        for about in (_describe_view(view, images).encode() for view in views)
    ]
    return np.concatenate(hashes)


def _describe_view(view: int, images: ImageSettings) -> str:
    """Describes how a view differs from the image itself; empty if it does not."""
    if view > 0 and not images.only_mirrors:
        return f"{images.augmentations} {images.seed} {view} "
    # Mirrored twice, an image is itself again.
    in_turn = view > 0 and is_mirrored(view) and len(images.augmentations) % 2
    return "mirrored " if in_turn or view == MIRRORED else ""


class _WithMirrored:
    """Features of images, followed by those of their mirror images."""

    def __init__(self, features: Features, num_images: int) -> None:
        self._features, self._num_images = features, num_images

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        mirrored = indices + MIRRORED * self._num_images
        return tf.concat([self._features.read(indices), self._features.read(mirrored)], axis=0)


def _view_of_epoch(epoch: tf.Tensor, images: ImageSettings) -> tf.Tensor:
    if not images.augmentations:
        return tf.constant(0, tf.int64)
    return 1 + (epoch % images.num_views if images.num_views else epoch)


def _load_images(
    indices: tf.data.Dataset,
    source: Source,
    pixels: Callable[[tf.Tensor], tf.Tensor],
    *,
    sizes: Sequence[int],
    changed_by: ImageSettings | None = None,
    share: Share = every_row,
) -> tf.data.Dataset:
    """Turns indices, views included, into batches of images, of sizes that come in turn."""
    augmenter: Augmenter | None = None
    if changed_by:
        augmenter = build_augmenter(changed_by.augmentations, seed=changed_by.seed)
    if share is not every_row:
        indices = _batch_indices(indices, sizes, share).unbatch()
        sizes = [len(range(size)[share(size)]) for size in sizes]
    labels = tf.constant(source.labels)
    contents = tf.constant(as_numbers(source.contents))

    @plain
    def load(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        place = index % len(source)
        image = pixels(place)
        if augmenter is not None:
            image = augmenter(image, index // len(source), contents[place])
        return image, labels[place]

    loaded = indices.map(load, num_parallel_calls=usable_cores(), deterministic=True)
    return _batch(loaded, sizes)


def _load_features(
    indices: tf.data.Dataset,
    source: Source,
    features: Features,
    *,
    sizes: Sequence[int],
    share: Share = every_row,
) -> tf.data.Dataset:
    """Turns indices, views included, into batches of features, of sizes that come in turn."""
    labels = tf.constant(source.labels)
    read = plain(lambda batch: (features.read(batch), tf.gather(labels, batch % len(source))))
    batches = _batch_indices(indices, sizes, share)
    return batches.map(read, num_parallel_calls=usable_cores(), deterministic=True)


def _batch_indices(indices: tf.data.Dataset, sizes: Sequence[int], share: Share) -> tf.data.Dataset:
    """Makes batches of indices, or a share of each, of sizes that come in turn."""
    batches = _batch(indices, sizes)
    return batches if share is every_row else batches.map(_cut(share))


def _batch(dataset: tf.data.Dataset, sizes: Sequence[int]) -> tf.data.Dataset:
    """Makes batches of sizes that come in turn; the very last may be smaller.

    Where all sizes are 0, as for fewer images than machines, empty ones follow without end.
    """
    nothing = tf.nest.map_structure(
        lambda spec: tf.zeros([0, *spec.shape], spec.dtype), dataset.element_spec
    )
    empty = tf.data.Dataset.from_tensors(nothing).repeat()
    some = [size for size in sizes if size]
    if not some:
        return empty
    dataset = dataset.batch(some[0])
    if len(set(some)) > 1:
        dataset = dataset.rebatch(some)
    if len(some) == len(sizes):
        return dataset
    which = tf.data.Dataset.from_tensor_slices(np.equal(sizes, 0).astype(np.int64))
    # `rebatch` makes no empty ones.
    return tf.data.Dataset.choose_from_datasets([dataset, empty], which.repeat())


def _cut(share: Share) -> Callable[[tf.Tensor], tf.Tensor]:
    cut: Callable[[tf.Tensor], tf.Tensor] = plain(
        lambda batch: batch[share(tf.size(batch, tf.int64))]
    )
    return cut


def _prefetch(dataset: tf.data.Dataset) -> tf.data.Dataset:
    dataset = untuned(dataset)
    if tf.config.list_physical_devices("GPU") and len(replicas.current().devices) == 1:
        # The next batches wait in the GPU's own memory.
        return dataset.apply(
            tf.data.experimental.prefetch_to_device("/GPU:0", buffer_size=_BATCHES_AHEAD)
        )
    return dataset.prefetch(_BATCHES_AHEAD)
