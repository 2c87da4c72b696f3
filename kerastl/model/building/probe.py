"""Tries a network on a few pictures: with a wrong scaling its features often show it."""

from collections.abc import Mapping

import keras
import numpy as np

from kerastl.errors import bad_value
from kerastl.model.backbones import Scaling
from kerastl.model.boundaries import trace_calls
from kerastl.model.build import scale_pixels

# Of the largest feature, by which features must differ between pictures to tell them apart.
_LEAST_CHANGE = 1e-6
# A scaling is doubted whose pictures are this far from what the network was trained on, in nats a
# channel, and so many times as far as with another. With MobileNetV2's ImageNet weights (-1..1)
# they are 0.05, with 0..1 0.65, with imagenet 1.3, with the others above 10,000.
_FAR, _TIMES_AS_FAR = 0.25, 4.0


def draw_pictures(image_size: int) -> np.ndarray:
    """Draws what differs in every respect: float32 (5, image_size, image_size, 3) in 0..255."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, image_size)
    across = np.broadcast_to(ramp[:, None, None], (image_size, image_size, 3))
    noise = rng.uniform(0, 255, (image_size, image_size, 3))
    red = np.broadcast_to([255, 0, 0], noise.shape)
    pictures = [np.full_like(noise, 64), red, across, across[::-1].transpose(1, 0, 2), noise]
    return np.stack(pictures).astype(np.float32)


def check_features(network: keras.Model, scaling: Scaling | None, *, value: str) -> None:
    """Refuses a network whose features are not finite, or the same for all pictures.

    Args:
        network: The network.
        scaling: How pixels are scaled for it.
        value: What `--input_scaling` names it.

    Raises:
        UsageError: If they are.
    """
    pictures = scale_pixels(draw_pictures(network.input.shape[1]), scaling)
    features = keras.ops.convert_to_numpy(network(pictures, training=False)).astype(np.float64)
    problem = ""
    if not np.isfinite(features).all():
        problem = "that are not finite"
    elif np.ptp(features, axis=0).max() <= _LEAST_CHANGE * np.abs(features).max():
        problem = "that are the same for pictures without likeness"
    if problem:
        raise bad_value(
            "input_scaling",
            value,
            f"gives features {problem}",
            "Give the scaling that the network was trained with, or its weights are damaged",
        )


def compare_scalings(
    network: keras.Model, scalings: Mapping[str, Scaling | None], *, value: str
) -> tuple[str, ...]:
    """Compares what scalings make of pictures with what the network was trained on.

    The first batch normalization tells that: it keeps the mean and variance of each channel over
    the training images. The distance is the median over channels of the Kullback-Leibler divergence
    between normal distributions of both means and variances.

    Args:
        network: The network.
        scalings: All rules, by the names of `--input_scaling`.
        value: The one that is used.

    Returns:
        A remark if another one fits far better, or if nothing can be compared.
    """
    inputs, _, calls = trace_calls(network)
    kept = (call for call in calls if isinstance(call.layer, keras.layers.BatchNormalization))
    first = next(kept, None)
    if first is None or _is_untrained(first.layer):
        problem = "has no batch normalization that was trained"
        return (f"input_scaling={value} cannot be checked, as the network {problem}",)
    below = keras.Model(inputs, first.inputs[0])
    pictures = draw_pictures(network.input.shape[1])
    distances = {
        name: _distance(first.layer, below(scale_pixels(pictures, scaling), training=False))
        for name, scaling in scalings.items()
    }
    given, best = distances[value], min(distances, key=lambda name: distances[name])
    if given < max(_FAR, _TIMES_AS_FAR * distances[best]):
        return ()
    return (
        f"input_scaling={value} is doubtful: drawn pictures are {given:.3g} nats a channel from "
        f"what the network was trained on, and {distances[best]:.2g} with --input_scaling={best}",
    )


def _is_untrained(layer: keras.layers.BatchNormalization) -> bool:
    mean, variance = map(keras.ops.convert_to_numpy, (layer.moving_mean, layer.moving_variance))
    return bool((mean == 0).all() and (variance == 1).all())


def _distance(layer: keras.layers.BatchNormalization, inputs: keras.KerasTensor) -> float:
    mean, variance = (
        keras.ops.convert_to_numpy(weight).astype(np.float64)
        for weight in (layer.moving_mean, layer.moving_variance)
    )
    values = np.moveaxis(keras.ops.convert_to_numpy(inputs).astype(np.float64), layer.axis, -1)
    values = values.reshape(-1, values.shape[-1])
    ratio = (values.var(axis=0) + layer.epsilon) / (variance + layer.epsilon)
    offset = (values.mean(axis=0) - mean) ** 2 / (variance + layer.epsilon)
    return float(np.median((ratio + offset - 1 - np.log(ratio)) / 2))
