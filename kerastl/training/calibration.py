"""Whether a model is right as often as it is confident."""

import dataclasses

import numpy as np

from kerastl.training.scores import accuracy_interval

# Bins of equal width, as many as in https://arxiv.org/abs/1706.04599, are more than hundreds of
# images fill; ten can be read at a glance.
NUM_BINS = 10
CALIBRATION = (
    *("confidence_from", "confidence_to", "num_images", "confidence", "accuracy"),
    *("calibration_error", "brier_score", "accuracy_low", "accuracy_high"),
)
_ERROR, _BRIER = (CALIBRATION.index(name) for name in ("calibration_error", "brier_score"))


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Images by their confidence, the probability of the class that the model names.

    Attributes:
        rows: Values of CALIBRATION for each bin with images, and last for all images.
            `accuracy_low` to `accuracy_high` is `accuracy_interval`. In the last,
            `calibration_error` is the expected one, the mean distance of confidence and accuracy
            over the bins, weighted by their images, https://arxiv.org/abs/1706.04599.
            `brier_score` is the mean squared distance of the probabilities from 1 for the true
            class and 0 for others, 0 to 2, https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2;
            None where not every class has its probability.
    """

    rows: tuple[tuple[float | None, ...], ...]

    @property
    def expected_error(self) -> float:
        """The expected calibration error, 0 to 1."""
        return float(self.rows[-1][_ERROR] or 0.0)

    @property
    def brier_score(self) -> float | None:
        """The Brier score, None where not every class has its probability."""
        return self.rows[-1][_BRIER]


def measure_calibration(
    confidence: np.ndarray, correct: np.ndarray, squares: np.ndarray | None
) -> Calibration:
    """Measures the calibration.

    Args:
        confidence: Probability of the class that is named for each image, (images,), at least 1.
        correct: Whether it is the true one, bool (images,).
        squares: The Brier score of each image, (images,), if it is known.
    """
    confidence = confidence.astype(np.float64)
    bins = find_bins(confidence)
    rows: list[tuple[float | None, ...]] = []
    for number in np.unique(bins).tolist():
        own = bins == number
        mean, accuracy = float(confidence[own].mean()), float(correct[own].mean())
        brier = None if squares is None else float(squares[own].mean())
        edges = (number / NUM_BINS, (number + 1) / NUM_BINS)
        scores = (mean, accuracy, abs(mean - accuracy), brier)
        rows.append((*edges, int(own.sum()), *scores, *_interval(correct[own])))
    error = sum(float(row[2] or 0) * float(row[_ERROR] or 0) for row in rows) / len(confidence)
    whole = (float(confidence.mean()), float(correct.mean()))
    brier = None if squares is None else float(squares.mean())
    own = (*whole, error, brier, *_interval(correct))
    return Calibration((*rows, (0.0, 1.0, len(confidence), *own)))


def find_bins(confidence: np.ndarray) -> np.ndarray:
    """Finds the bin of each value, int64 (images,); one on an edge is in the bin below it."""
    bins = np.ceil(confidence * NUM_BINS).astype(np.int64) - 1
    return np.asarray(np.clip(bins, 0, NUM_BINS - 1))


def _interval(correct: np.ndarray) -> tuple[float, float]:
    return accuracy_interval(int(correct.sum()), len(correct))


def brier_scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Computes the Brier score of each image, float64 (images,), from all (images, classes)."""
    values = probabilities.astype(np.float64)
    true = values[np.arange(len(labels)), labels]
    squares: np.ndarray = (values**2).sum(axis=1) - 2 * true + 1
    return squares
