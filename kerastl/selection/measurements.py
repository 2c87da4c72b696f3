"""Measures a network for a comparison: its features, latency and size."""

import dataclasses
import time
from collections.abc import Callable
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf

from kerastl.data.splits import Splits
from kerastl.errors import UsageError
from kerastl.model.backbones import bundled_size_note
from kerastl.model.folding import fold
from kerastl.model.network import Network
from kerastl.progress import Progress
from kerastl.settings import Decides, FitSettings, ModelSettings
from kerastl.training.frozen import FrozenPart, count_stored

Fitted = TypeVar("Fitted", bound=FitSettings)
# Repetitions of a timed call: total seconds, and the largest and smallest number.
_SECONDS_TO_TIME = 1.5
MOST_CALLS, _FEWEST_CALLS = 100, 5


def adapt_config(config: Fitted, network: Network) -> tuple[Fitted, list[str]]:
    """Fits settings that are meant for another network to this one.

    An `unfreeze_from` that the network does not have is reset to its top block.

    Returns:
        The config, and notes on what was changed and on what does not suit the network.
    """
    notes = [*filter(None, [bundled_size_note(config.weights, config.image_size)])]
    try:
        if config.unfreeze_from:
            network.find(config.unfreeze_from)
    except UsageError:
        notes.append(
            f"unfreeze_from={config.unfreeze_from} is not part of {config.backbone}, whose top "
            "block is used instead"
        )
        config = dataclasses.replace(config, unfreeze_from="")
    return config, notes


def compute_features(
    network: Network, splits: Splits, config: FitSettings, progress: Progress
) -> np.ndarray | None:
    """Computes and stores the missing features of all splits, under the key of a run.

    Images are not augmented, regardless of `augment`.

    Returns:
        Pooled features of the training images, float32 (images, channels); None if the store
        has no room for them.
    """
    plain = ModelSettings(**config.deciding(Decides.FEATURES, of=ModelSettings))
    with FrozenPart.open(
        network, [network.pooled], splits, model=plain, store=config, progress=progress
    ) as frozen:
        frozen.compute(progress)
        stored = frozen.get(network.pooled)
        return None if stored is None else stored.take(splits.train)


def count_missing(network: Network, splits: Splits, config: FitSettings) -> int:
    """Counts the images of the splits whose features are not in the store."""
    hashes = splits.source.hashes[splits.used]
    return len(hashes) - count_stored(network, network.pooled, hashes, model=config, store=config)


def count_bytes(network: Network) -> int:
    """Returns the size of the weights in an export, without its graph."""
    return sum(weight.value.numpy().nbytes for weight in network.model.weights)


def measure_milliseconds(network: Network, *batch_sizes: int) -> list[float]:
    """Measures the time per image of the network itself, from pixels to logits.

    It is the fastest of several calls, since slower ones are due to other processes,
    https://docs.python.org/3/library/timeit.html#timeit.Timer.repeat
    """
    function = fold(keras.Model(network.inputs, [network.outputs]))
    times = []
    for batch_size in batch_sizes:
        shape = (batch_size, *network.inputs.shape[1:])
        images = tf.random.stateless_uniform(shape, (0, 0), 0.0, 255.0)
        times.append(1e3 * _fastest(function, images) / batch_size)
    return times


def _fastest(function: Callable[[tf.Tensor], list[tf.Tensor]], images: tf.Tensor) -> float:
    function(images)
    seconds: list[float] = []
    while len(seconds) < (MOST_CALLS if sum(seconds) < _SECONDS_TO_TIME else _FEWEST_CALLS):
        started = time.perf_counter()
        # Only reading the result waits for it on a GPU.
        function(images)[0].numpy()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
