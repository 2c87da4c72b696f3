"""What is delivered, made of the best weights of a training."""

import dataclasses
from typing import Literal

from kerastl.progress import Progress
from kerastl.training.checks import CheckRecorder, check_restored, require
from kerastl.training.evaluation import Evaluation
from kerastl.training.train import Trained


def deliver(
    trained: Trained, *, record: CheckRecorder, progress: Progress
) -> tuple[Trained, Evaluation]:
    """Checks the best weights, and does with them what the validation images decide.

    The test images have no part in it.

    Returns:
        The result, and its evaluation on the validation images, as it was before a refit.
    """
    validation = trained.evaluate(trained.splits.validation)
    best = trained.best.row.val_accuracy
    restored = check_restored(validation.accuracy, best, len(validation.labels))
    require(restored, record=record, progress=progress)
    if trained.images.average_mirrored == "auto":
        trained, validation = _choose_mirrored(trained, validation, progress)
    if trained.refit is not None:
        trained.refit()
        fitted = len(trained.splits.train) + len(trained.splits.validation)
        progress.line(
            f"Head fitted once more, to all {fitted} training and validation images; scores on "
            "validation images are from before."
        )
    return trained, validation


def _choose_mirrored(
    trained: Trained, averaged: Evaluation, progress: Progress
) -> tuple[Trained, Evaluation]:
    """Keeps the mean with the mirror image if the validation images gain from it."""
    alone = _predicting(trained, "no")
    plain = alone.evaluate(trained.splits.validation)
    gains = (averaged.accuracy, -averaged.loss) > (plain.accuracy, -plain.loss)
    progress.line(
        f"Mirror images {'are averaged with' if gains else 'are left out of'} the prediction: "
        f"validation accuracy {averaged.accuracy:.4f} with them, {plain.accuracy:.4f} without."
    )
    return (_predicting(trained, "yes"), averaged) if gains else (alone, plain)


def _predicting(trained: Trained, average_mirrored: Literal["yes", "no"]) -> Trained:
    images = dataclasses.replace(trained.images, average_mirrored=average_mirrored)
    return dataclasses.replace(trained, images=images)
