"""What is delivered, made of the best weights of a training."""

import dataclasses
import functools
from typing import Any, Literal

import numpy as np

from kerastl.data.splits import spread
from kerastl.progress import Progress
from kerastl.settings import TrainingSettings
from kerastl.training.checks import CheckRecorder, check_restored, require
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluate import ViewLogits
from kerastl.training.evaluation import Evaluation
from kerastl.training.known_distances import Fitted, fit_known
from kerastl.training.known_images import KnownImages
from kerastl.training.set_coverage import fit_sets
from kerastl.training.temperature import MOST_LOGITS, Temperature, fit_temperature
from kerastl.training.trained import Trained


@dataclasses.dataclass(frozen=True, eq=False)
class Delivered:
    """What a run delivers.

    Attributes:
        trained: The classifier, with its temperature in the weights of the head.
        temperature: As the validation images decided it.
        class_sets: Which classes may be the true one; None for too few validation images.
        known_coverage: The share of images that are to be known; 0 if nothing decides that.
        validation: The classifier's evaluation on the validation images, as before a refit.
    """

    trained: Trained
    temperature: Temperature
    class_sets: ClassSets | None
    known_coverage: float
    validation: Evaluation

    @functools.cached_property
    def _fitted(self) -> Fitted | None:
        return fit_known(self.trained, self.known_coverage) if self.known_coverage else None

    @property
    def known(self) -> KnownImages | None:
        """Which images are known; None if nothing decides that. To find out reads features."""
        return self._fitted.known if self._fitted else None

    @property
    def known_validation(self) -> dict[str, float] | None:
        """The share of validation images that are known; None if nothing decides that."""
        return self._fitted.validation if self._fitted else None

    @property
    def decided(self) -> dict[str, Any]:
        """What the validation images have decided, as in `metrics.json`."""
        mirrored = {"average_mirrored": True} if self.trained.images.sees_mirrored else {}
        sets = {"class_sets": dataclasses.asdict(self.class_sets)} if self.class_sets else {}
        known = {}
        if fitted := self._fitted:
            passed = {"left_out": dataclasses.asdict(fitted.left_out)} if fitted.left_out else {}
            known = {"known": fitted.known.numbers | passed}
        return {**mirrored, "temperature": dataclasses.asdict(self.temperature), **sets, **known}

    def evaluate(self, indices: np.ndarray) -> Evaluation:
        """Evaluates images of the source, and what it was for them without the temperature."""
        trained, temperature = self.trained, self.temperature.value
        logits = trained.logits(indices)
        evaluation = trained.evaluate_logits(logits, indices)
        if temperature == 1:
            return evaluation
        before = trained.evaluate_logits(logits, indices, temperature=1 / temperature)
        return dataclasses.replace(evaluation, uncalibrated=before)


def deliver(
    trained: Trained, record: CheckRecorder, progress: Progress, settings: TrainingSettings
) -> Delivered:
    """Checks the best weights, and does with them what the validation images decide.

    The test images have no part in it.
    """
    images = trained.splits.validation
    logits = trained.logits(images)
    validation = trained.evaluate_logits(logits, images)
    best = trained.best.row.val_accuracy
    restored = check_restored(validation.accuracy, best, len(validation.labels))
    require(restored, record=record, progress=progress)
    if trained.images.average_mirrored == "auto":
        trained, validation = _choose_mirrored(trained, logits, validation, progress)
    temperature = _find_temperature(trained, logits, settings.seed)
    progress.line(str(temperature))
    if temperature.value != 1:
        calibrated = trained.evaluate_logits(logits, images, temperature=temperature.value)
        validation = dataclasses.replace(calibrated, uncalibrated=validation)
    if trained.refit is not None:
        trained.refit()
        fitted = len(trained.splits.train) + len(images)
        progress.line(
            f"Head fitted once more, to all {fitted} training and validation images; scores on "
            "validation images are from before."
        )
    # Last, since a refit sets the weights anew.
    trained.divide_logits(temperature.value)
    sets, coverage = fit_sets(validation), settings.known_coverage
    return Delivered(trained, temperature, sets, coverage, validation)


def _find_temperature(trained: Trained, logits: ViewLogits, seed: int) -> Temperature:
    splits = trained.splits
    sizes = 2 * len(splits.source.class_names)
    chosen = spread(count := len(splits.validation), min(count, max(1, MOST_LOGITS // sizes)))
    indices = splits.validation[chosen]
    labels, groups = splits.source.labels[indices], splits.clusters[indices]
    views = logits.take(chosen)[:, : 2 if trained.images.sees_mirrored else 1]
    return fit_temperature(views, labels, groups, seed=seed)


def _choose_mirrored(
    trained: Trained, logits: ViewLogits, averaged: Evaluation, progress: Progress
) -> tuple[Trained, Evaluation]:
    """Keeps the mean with the mirror image unless it clearly harms on the validation images.

    A mean is seldom worse, so a few images by which it seems so are no reason against it.
    """
    alone = _predicting(trained, "no")
    plain = alone.evaluate_logits(logits, trained.splits.validation)
    harms = plain.is_clearly_better(averaged)
    is_lower = averaged.accuracy < plain.accuracy
    progress.line(
        f"Mirror images are {'left out of' if harms else 'averaged with'} the prediction"
        f"{'' if harms else ', which takes twice the time'}: validation accuracy "
        f"{averaged.accuracy:.4f} with them, {plain.accuracy:.4f} without"
        f"{', which may be chance' if is_lower and not harms else ''}."
    )
    return (alone, plain) if harms else (_predicting(trained, "yes"), averaged)


def _predicting(trained: Trained, average_mirrored: Literal["yes", "no"]) -> Trained:
    images = dataclasses.replace(trained.images, average_mirrored=average_mirrored)
    return dataclasses.replace(trained, images=images)
