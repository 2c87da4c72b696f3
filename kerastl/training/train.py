"""All phases of a run, one after the other, keeping the best weights."""

import dataclasses
import time
from collections.abc import Callable
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config, Phase
from kerastl.data.pipeline import evaluation_dataset, training_dataset
from kerastl.data.splits import Splits
from kerastl.model.backbones import Blocks
from kerastl.model.boundaries import FlatModel
from kerastl.model.phases import Plan, find_boundary, find_first, prepare_phase
from kerastl.progress import Progress, count_of, format_duration
from kerastl.training.checks import Check, Snapshot, check_first_loss, check_moves
from kerastl.training.evaluate import Evaluation, evaluate
from kerastl.training.features import StoredFeatures, store_features
from kerastl.training.fit import Best, EpochRow, PhaseData, train_phase


@dataclasses.dataclass(frozen=True)
class Trained:
    """What came of training; the classifier holds the best weights.

    Attributes:
        best: The epoch that they come from.
        checks: What the run has checked of itself; all passed.
        seconds: Time of each phase, and of computing and checking stored features.
        evaluate: Evaluates the classifier on images of the source, by their indices, from
            stored features where there are some.
        evaluate_whole: Likewise, from the images through the whole network.
        stored: Whether there are stored features.
    """

    best: EpochRow
    checks: tuple[Check, ...]
    seconds: dict[str, float]
    evaluate: Callable[[np.ndarray], Evaluation]
    evaluate_whole: Callable[[np.ndarray], Evaluation]
    stored: bool


class Recorder(Protocol):
    """Where epochs and the best weights are kept while training goes on."""

    def add_epoch(self, row: EpochRow) -> None:
        """Keeps an epoch's row."""

    def save_checkpoint(self, classifier: keras.Model) -> None:
        """Keeps the classifier's weights, the best so far."""


def check_phases(flat: FlatModel, blocks: Blocks, config: Config) -> None:
    """Finds where each phase starts, before anything is written.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`.
    """
    for phase in config.phases:
        find_first(flat, phase.unfreeze_from, blocks)


def train(
    flat: FlatModel,
    blocks: Blocks,
    splits: Splits,
    config: Config,
    *,
    record: Recorder,
    progress: Progress,
) -> Trained:
    """Trains every phase of `config`; each starts from the best weights so far.

    However a phase ends, the classifier and the checkpoint hold the best weights so far.

    Args:
        flat: The classifier, from images to logits, with its head at zero.
        blocks: How the backbone's layers form blocks.
        splits: Images to learn from and to choose by.
        config: What to do.
        record: Keeps the epochs and the best weights.
        progress: Gets a line for each epoch, phase and check.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`, before any training.
        KerastlError: If the loss is not finite, or a check of the run failed.
    """
    classifier = flat.model
    firsts = [find_first(flat, phase.unfreeze_from, blocks) for phase in config.phases]
    boundaries = {
        place.position: place for place in (find_boundary(flat, first) for first in firsts)
    }
    used = np.concatenate([splits.train, splits.validation, splits.test])
    started = time.monotonic()
    stored = store_features(flat, list(boundaries.values()), splits.source, used, config, progress)
    seconds: dict[str, float] = {"features": time.monotonic() - started}
    best = Best()
    checks: list[Check] = []
    for phase in config.phases:
        started = time.monotonic()
        plan = prepare_phase(classifier, flat, phase, blocks)
        features = stored.get(plan.boundary.position)
        data = _phase_data(phase, splits, config, features)
        if not checks:
            _pass(_first_loss(plan, data), checks, progress)
        progress.line(
            f"{phase.name} phase: {count_of(phase.epochs, 'epoch')} at {phase.learning_rate:g}, "
            f"training from {plan.first} up: {plan.count_trained():,} of "
            f"{classifier.count_params():,} parameters."
        )
        try:
            moves = _train_and_check(plan, data, config, best, record, progress)
        finally:
            best.restore()
            if best.row is not None:
                record.save_checkpoint(classifier)
        _pass(moves, checks, progress)
        seconds[phase.name] = time.monotonic() - started
        if features is not None:
            _tell_savings(phase, features, splits, seconds[phase.name], progress)
    if best.row is None:
        raise AssertionError("training ended without an epoch")
    progress.line(
        f"Best: {best.row.phase} epoch {best.row.epoch}, "
        f"validation accuracy {best.row.val_accuracy:.4f}."
    )
    # Nothing below the lowest boundary has changed, so its features hold for the result.
    lowest = boundaries[min(boundaries)]
    features = stored.get(lowest.position)
    whole = _evaluator(classifier, splits, config, None)
    upper = keras.Model(lowest.tensor, flat.outputs)
    return Trained(
        best=best.row,
        checks=tuple(checks),
        seconds=seconds,
        evaluate=_evaluator(upper, splits, config, features) if features else whole,
        evaluate_whole=whole,
        stored=features is not None,
    )


def _train_and_check(
    plan: Plan,
    data: PhaseData,
    config: Config,
    best: Best,
    record: Recorder,
    progress: Progress,
) -> Check:
    frozen, moving = Snapshot(plan.frozen), Snapshot(plan.moving)
    best.begin(plan.upper.weights)
    steps = train_phase(plan, data, config, best=best, progress=progress, on_epoch=record.add_epoch)
    return check_moves(plan, frozen, moving, steps=steps, batch=_first_batch(plan, data))


def _first_batch(plan: Plan, data: PhaseData) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the first batch of a phase, as it is at its boundary."""
    inputs, labels = next(iter(data.train))
    return inputs if data.stored else plan.lower(inputs, training=False), labels


def _phase_data(
    phase: Phase, splits: Splits, config: Config, features: StoredFeatures | None
) -> PhaseData:
    return PhaseData(
        train=training_dataset(
            splits.source, splits.train, config, epochs=phase.epochs, features=features
        ),
        validation=evaluation_dataset(splits.source, splits.validation, config, features=features),
        num_train=len(splits.train),
        stored=features is not None,
    )


def _evaluator(
    model: keras.Model, splits: Splits, config: Config, features: StoredFeatures | None
) -> Callable[[np.ndarray], Evaluation]:
    def evaluate_images(indices: np.ndarray) -> Evaluation:
        dataset = evaluation_dataset(splits.source, indices, config, features=features)
        return evaluate(model, dataset, splits.source.labels[indices])

    return evaluate_images


def _first_loss(plan: Plan, data: PhaseData) -> Check:
    inputs, labels = _first_batch(plan, data)
    logits = plan.upper(inputs, training=False).numpy()
    return check_first_loss(logits, labels.numpy(), logits.shape[1])


def _tell_savings(
    phase: Phase, features: StoredFeatures, splits: Splits, seconds: float, progress: Progress
) -> None:
    computed = phase.epochs * (len(splits.train) + len(splits.validation))
    plain = seconds + computed * features.seconds_per_image
    progress.line(
        f"{count_of(phase.epochs, f'{phase.name} epoch')} on stored features: "
        f"{format_duration(seconds)} instead of about {format_duration(plain)}."
    )


def _pass(check: Check, checks: list[Check], progress: Progress) -> None:
    checks.append(check)
    check.require()
    progress.line(f"Check passed: {check.text}.")
