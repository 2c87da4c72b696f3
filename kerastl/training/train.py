"""All phases of a run, one after the other, keeping the best weights."""

import dataclasses
import time
from typing import Protocol

import keras

from kerastl.config import Config
from kerastl.data.pipeline import evaluation_dataset, training_dataset
from kerastl.data.splits import Splits
from kerastl.model.backbones import Blocks
from kerastl.model.boundaries import flatten
from kerastl.model.phases import find_first, prepare_phase
from kerastl.progress import Progress
from kerastl.training.checks import Check, Snapshot, check_first_loss, check_moves
from kerastl.training.fit import Best, EpochRow, PhaseData, train_phase


@dataclasses.dataclass(frozen=True)
class Trained:
    """What came of training; the classifier holds the best weights.

    Attributes:
        best: The epoch that they come from.
        checks: What the run has checked of itself; all passed.
        seconds: Time of each phase.
    """

    best: EpochRow
    checks: tuple[Check, ...]
    seconds: dict[str, float]


class Recorder(Protocol):
    """Where epochs and the best weights are kept while training goes on."""

    def add_epoch(self, row: EpochRow) -> None:
        """Keeps an epoch's row."""

    def save_checkpoint(self, classifier: keras.Model) -> None:
        """Keeps the classifier's weights, the best so far."""


def train(
    classifier: keras.Model,
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
        classifier: Model from images to logits, with its head at zero.
        blocks: How the backbone's layers form blocks.
        splits: Images to learn from and to choose by.
        config: What to do.
        record: Keeps the epochs and the best weights.
        progress: Gets a line for each epoch, phase and check.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`, before any training.
        KerastlError: If the loss is not finite, or a check of the run failed.
    """
    flat = flatten(classifier)
    for phase in config.phases:
        find_first(flat, phase.unfreeze_from, blocks)
    best = Best()
    checks: list[Check] = []
    seconds: dict[str, float] = {}
    checks.append(_first_loss(classifier, splits, config))
    _pass(checks[-1], progress)
    validation = evaluation_dataset(splits.source, splits.validation, config)
    for phase in config.phases:
        started = time.monotonic()
        plan = prepare_phase(classifier, flat, phase, blocks)
        progress.line(
            f"{phase.name} phase: {phase.epochs} epochs at {phase.learning_rate:g}, training "
            f"from {plan.first} up: {plan.count_trained():,} of {classifier.count_params():,} "
            "parameters."
        )
        data = PhaseData(
            train=training_dataset(splits.source, splits.train, config, epochs=phase.epochs),
            validation=validation,
            num_train=len(splits.train),
        )
        frozen, moving = Snapshot(plan.frozen), Snapshot(plan.moving)
        best.begin(plan.upper.weights)
        try:
            steps = train_phase(
                plan, data, config, best=best, progress=progress, on_epoch=record.add_epoch
            )
            checks.append(check_moves(plan, frozen, moving, steps=steps))
        finally:
            best.restore()
            if best.row is not None:
                record.save_checkpoint(classifier)
        _pass(checks[-1], progress)
        seconds[phase.name] = time.monotonic() - started
    if best.row is None:
        raise AssertionError("training ended without an epoch")
    progress.line(
        f"Best: {best.row.phase} epoch {best.row.epoch}, "
        f"validation accuracy {best.row.val_accuracy:.4f}."
    )
    return Trained(best.row, tuple(checks), seconds)


def _first_loss(classifier: keras.Model, splits: Splits, config: Config) -> Check:
    indices = splits.train[: config.batch_size]
    images = evaluation_dataset(splits.source, indices, config).map(lambda images, _: images)
    logits = classifier.predict(images, verbose=0)
    return check_first_loss(logits, splits.source.labels[indices], logits.shape[1])


def _pass(check: Check, progress: Progress) -> None:
    check.require()
    progress.line(f"Check passed: {check.text}.")
