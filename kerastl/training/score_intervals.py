"""Intervals of the scores of a split that are no proportions."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from kerastl.training.bootstrap import Means, find_intervals, in_columns
from kerastl.training.calibration import NUM_BINS, brier_scores, find_bins
from kerastl.training.evaluation import Evaluation


def score_intervals(evaluation: Evaluation, *, seed: int) -> dict[str, Any]:
    """Computes intervals for the entry of a split in `metrics.json`, see `find_intervals`.

    Returns:
        `NAME_low` and `NAME_high` of balanced_accuracy, macro_f1, loss, calibration_error and
        brier_score; under `uncalibrated`, if there is such an evaluation, those of the last three,
        and of `loss_change`, how much higher the loss is with the temperature.
    """
    found: dict[str, Any] = find_intervals(
        class_tables(evaluation.labels, evaluation.predicted) | _tables(evaluation),
        lambda means: class_scores(means) | _scores(means),
        seed=seed,
    )
    if before := evaluation.uncalibrated:
        change = in_columns(evaluation.losses - before.losses)
        found["uncalibrated"] = find_intervals(
            _tables(before) | {"change": change},
            lambda means: _scores(means) | {"loss_change": means["change"][:, 0]},
            seed=seed,
        )
    return found


def class_tables(labels: np.ndarray, predicted: np.ndarray) -> dict[str, csr_array]:
    """Returns what `class_scores` are made of, from classes of images, both int64 (images,)."""
    count, ones = 1 + int(max(labels.max(), predicted.max())), np.ones(len(labels))
    return {
        "images": in_columns(ones, labels, count),
        "predicted": in_columns(ones, predicted, count),
        "right": in_columns(labels == predicted, labels, count),
    }


def class_scores(means: Means) -> dict[str, np.ndarray]:
    """Computes what `scores.balanced_accuracy` and `scores.macro_f1` do, for each draw."""
    images, right = means["images"], means["right"]
    return {
        "balanced_accuracy": _mean_of_shares(right, images),
        "macro_f1": _mean_of_shares(2 * right, images + means["predicted"]),
    }


def _mean_of_shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    shares = np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)
    return np.asarray(shares.sum(axis=1) / np.sum(wholes > 0, axis=1))


def _tables(evaluation: Evaluation) -> dict[str, csr_array]:
    confidence = evaluation.probabilities.max(axis=1).astype(np.float64)
    gaps = confidence - evaluation.right
    tables = {
        "gaps": in_columns(gaps, find_bins(confidence), NUM_BINS),
        "losses": in_columns(evaluation.losses),
    }
    if evaluation.classes is None:
        tables["squares"] = in_columns(brier_scores(evaluation.probabilities, evaluation.labels))
    return tables


def _scores(means: Means) -> dict[str, np.ndarray]:
    """Computes what `measure_calibration` does, and the loss, for each draw."""
    scores = {
        "loss": means["losses"][:, 0],
        "calibration_error": np.abs(means["gaps"]).sum(axis=1),
    }
    if "squares" in means:
        scores["brier_score"] = means["squares"][:, 0]
    return scores
