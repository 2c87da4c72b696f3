"""A pretrained network to compare: its features, cost and latency."""

import dataclasses
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.splits import Splits
from kerastl.errors import KerastlError
from kerastl.model import network as model
from kerastl.model.backbones import bundled_size_note
from kerastl.model.boundaries import Boundary
from kerastl.progress import Progress
from kerastl.training.features import FrozenPart, count_stored, fold, seconds_per_image

# Repetitions of a timed call: total seconds, and the largest and smallest number.
_SECONDS_TO_TIME = 1.5
_MOST_CALLS, _FEWEST_CALLS = 100, 5


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A network as the head phase of a run uses it.

    Attributes:
        config: Config of a run that trains it.
        flat: The classifier, with its head at zero.
        boundary: Boundary of the head phase: the pooled features.
        notes: Settings that were changed because they do not fit this network, and warnings.
    """

    config: Config
    flat: model.Network
    boundary: Boundary
    notes: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Number of parameters, head included."""
        return int(self.flat.model.count_params())

    @property
    def num_bytes(self) -> int:
        """Size of the weights in an export, without its graph."""
        return sum(weight.value.numpy().nbytes for weight in self.flat.model.weights)

    def count_missing(self, splits: Splits) -> int:
        """Counts the images of the splits whose features are not in the store."""
        used = np.concatenate([splits.train, splits.validation, splits.test])
        digests = splits.source.digests[used]
        return len(used) - count_stored(self.flat, self.boundary, digests, self.config)

    def seconds_per_image(self) -> float:
        """Estimates the time to compute the features of an image."""
        return seconds_per_image(self.flat, self.boundary)

    @property
    def channels(self) -> int:
        """Number of pooled features of an image."""
        return int(self.boundary.tensor.shape[-1])

    def compute(self, splits: Splits, progress: Progress) -> np.ndarray | None:
        """Computes and stores the missing features of all splits, under the key of a run.

        Images are not augmented, whatever `augment` is.

        Returns:
            Pooled features of the training images, float32 (images, channels); None if the store
            has no room for them.
        """
        plain = dataclasses.replace(self.config, augment="", augment_views=0)
        frozen = FrozenPart(self.flat, [self.boundary], splits, plain, progress)
        frozen.compute(progress)
        stored = frozen.get(self.boundary)
        if stored is None:
            return None
        return stored.take(splits.train)

    def milliseconds(self, *batch_sizes: int) -> list[float]:
        """Measures the time per image of the network alone, from pixels to logits.

        It is the fastest of several calls, since slower ones are due to other processes,
        https://docs.python.org/3/library/timeit.html#timeit.Timer.repeat
        """
        function = fold(keras.Model(self.flat.inputs, [self.flat.outputs]))
        side = self.config.image_size
        times = []
        for batch_size in batch_sizes:
            shape = (batch_size, side, side, 3)
            images = tf.random.stateless_uniform(shape, (0, 0), 0.0, 255.0)
            times.append(1e3 * _fastest(function, images) / batch_size)
        return times


def _fastest(function: Callable[[tf.Tensor], list[tf.Tensor]], images: tf.Tensor) -> float:
    function(images)
    seconds: list[float] = []
    while len(seconds) < _FEWEST_CALLS or (
        len(seconds) < _MOST_CALLS and sum(seconds) < _SECONDS_TO_TIME
    ):
        started = time.perf_counter()
        # Only reading the result waits for it on a GPU.
        function(images)[0].numpy()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def open_network(config: Config, *, num_classes: int) -> Network:
    """Builds the network of a config, as a run does.

    An `unfreeze_from` that this network does not have is reset to its top block.

    Raises:
        KerastlError: If its weights are not available.
    """
    flat = model.open_network(config, num_classes=num_classes)
    notes = [*filter(None, [bundled_size_note(config.weights, config.image_size)])]
    if config.unfreeze_from:
        try:
            flat.find(config.unfreeze_from)
        except KerastlError:
            notes.append(
                f"unfreeze_from={config.unfreeze_from} is not part of {config.backbone}, whose top "
                "block is used instead"
            )
            config = dataclasses.replace(config, unfreeze_from="")
    return Network(config, flat, flat.pooled, tuple(notes))
