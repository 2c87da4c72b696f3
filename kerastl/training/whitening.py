"""Features made comparable: of one length, or in units of the deviations within classes."""

import numpy as np

# Features of zeros are divided by it.
_LEAST = 1e-12


def of_length_1(features: np.ndarray) -> np.ndarray:
    """Divides the features of each image by their length, (images, channels)."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    divided: np.ndarray = features / np.maximum(lengths, _LEAST)
    return divided


def find_whitening(covariance: np.ndarray, count: int) -> np.ndarray:
    """Finds what makes deviations from the means of classes independent, each of variance 1.

    Args:
        covariance: Of the deviations, float64 (channels, channels); it is shrunk.
        count: Images that it is of.

    Returns:
        Float64 (channels, directions), the direction of the largest variance last.
    """
    variances, directions = np.linalg.eigh(_shrink(covariance, count))
    whitening: np.ndarray = directions / np.sqrt(variances)
    return whitening


def _shrink(covariance: np.ndarray, count: int) -> np.ndarray:
    """Shrinks the covariance of few images, https://arxiv.org/abs/0907.4698, equation 23.

    As scikit-learn's `OAS`, which takes the images themselves.
    """
    size = len(covariance)
    mean_square, mean_variance = np.mean(covariance**2), np.trace(covariance) / size
    spread = (count + 1) * (mean_square - mean_variance**2 / size)
    shrinkage = min(1.0, (mean_square + mean_variance**2) / spread) if spread else 1.0
    floor = max(mean_variance, np.finfo(np.float32).eps ** 2)
    shrunk: np.ndarray = (1 - shrinkage) * covariance + shrinkage * floor * np.eye(size)
    return shrunk
