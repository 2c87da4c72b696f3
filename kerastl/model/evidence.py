"""Where in an image the evidence for a class is."""

import keras
import numpy as np

from kerastl.model.build import POOLED
from kerastl.model.network import Network

_ROW_AND_COLUMN = 2


def find_feature_map(network: Network) -> keras.KerasTensor | None:
    """Finds what is averaged over its places, (batch, rows, columns, channels); None if nothing is.

    Above it there is no more than a mean and the head, so it is the last place that still knows
    where something was.
    """
    (pooled,) = [call for call in network.calls if call.layer.name == POOLED]
    (tensor,) = pooled.inputs
    return tensor if len(tensor.shape) == 2 + _ROW_AND_COLUMN else None


def locate_evidence(features: np.ndarray, kernel: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Computes the class activation map of each image, https://arxiv.org/abs/1512.04150, eq. 2.

    A logit is the mean of its map plus a bias, so the map is exact; Grad-CAM,
    https://arxiv.org/abs/1610.02391, is the same times a constant for such a network. As adding
    the same to all logits changes no probability, a map is that of the class less the mean of
    those of all classes.

    Args:
        features: Feature maps, (images, rows, columns, channels).
        kernel: Of the head, (channels, classes).
        classes: The class of each map, int64 (images,).

    Returns:
        Float32 (images, rows, columns), above 0 where something speaks for the class.
    """
    centered = kernel - kernel.mean(axis=1, keepdims=True)
    maps = np.einsum("nhwc,cn->nhw", features.astype(np.float32), centered[:, classes])
    return np.asarray(maps, np.float32)
