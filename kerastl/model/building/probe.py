"""Tries a network on a few pictures: with a wrong scaling its features often show it."""

import keras
import numpy as np

from kerastl.errors import bad_value
from kerastl.model.backbones import Scaling
from kerastl.model.build import scale_pixels

# Of the largest feature, by which features must differ between pictures to tell them apart.
_LEAST_CHANGE = 1e-6


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
