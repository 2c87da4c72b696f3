"""Fits a power law with an offset to the error as a function of the number of images."""

import dataclasses

import numpy as np

# Grid of exponents. Smaller ones make the curve practically constant, and larger ones do not occur
# in learning from images.
_EXPONENTS = np.linspace(0.02, 2.0, 100)
# The Huber loss: residuals beyond this many standard deviations count linearly instead of squared,
# https://doi.org/10.1214/aoms/1177703732
_HUBER = 1.345
_ROUNDS = 10


@dataclasses.dataclass(frozen=True)
class PowerLaw:
    """Errors `a n^-b + c` for `n` images, with all three non-negative.

    Attributes:
        scale: `a`, for each curve, float64 (curves,).
        exponent: `b`, float64 (curves,).
        floor: `c`, float64 (curves,).
    """

    scale: np.ndarray
    exponent: np.ndarray
    floor: np.ndarray

    def accuracy(self, images: np.ndarray) -> np.ndarray:
        """Computes accuracies for numbers of images, within 0..1, float64 (curves, sizes)."""
        falling = self.scale[:, None] * images ** -self.exponent[:, None]
        accuracies: np.ndarray = np.clip(1 - falling - self.floor[:, None], 0.0, 1.0)
        return accuracies


def fit_power_law(images: np.ndarray, errors: np.ndarray, deviations: np.ndarray) -> PowerLaw:
    """Fits a curve to each row of errors by weighted least squares, robust to outliers.

    For a fixed exponent the problem is linear, so it is solved exactly for every exponent of a
    fine grid; this avoids local minima.

    Args:
        images: Numbers of images, float64 (sizes,).
        errors: Error rates, float64 (curves, sizes).
        deviations: Standard deviation of each size's error, float64 (sizes,).
    """
    deviations = np.maximum(deviations, 1e-6)
    weights = np.broadcast_to(deviations**-2.0, errors.shape)
    # A size in the middle, so that the power is near one for any exponent.
    unit = float(np.exp(np.log(images).mean()))
    basis = (images / unit) ** -_EXPONENTS[:, None]
    for _ in range(_ROUNDS):
        scale, floor, losses = _solve(basis, errors, weights)
        best = losses.argmin(axis=1)
        chosen = np.arange(len(errors)), best
        fitted = scale[chosen][:, None] * basis[best] + floor[chosen][:, None]
        far = np.abs(errors - fitted) / deviations
        weights = deviations**-2.0 * np.minimum(1.0, _HUBER / np.maximum(far, 1e-12))
    exponent = _EXPONENTS[best]
    return PowerLaw(scale[chosen] * unit**exponent, exponent, floor[chosen])


def _solve(
    basis: np.ndarray, errors: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solves for scale and floor at every exponent, each float64 (curves, exponents).

    If one of the two is negative, it is set to zero and the problem solved for the other.
    """
    w, wx, wxx = weights.sum(1)[:, None], weights @ basis.T, weights @ (basis**2).T
    wy, wxy = (weights * errors).sum(1)[:, None], (weights * errors) @ basis.T
    determinant = np.maximum(w * wxx - wx**2, 1e-300)
    scale = (w * wxy - wx * wy) / determinant
    floor = (wxx * wy - wx * wxy) / determinant
    no_floor, no_scale = floor < 0, scale < 0
    scale = np.where(no_floor, wxy / wxx, np.where(no_scale, 0.0, scale))
    floor = np.where(no_floor, 0.0, np.where(no_scale, wy / w, floor))
    losses = scale**2 * wxx + 2 * scale * floor * wx + floor**2 * w - 2 * (scale * wxy + floor * wy)
    return scale, floor, losses
