"""All phases of a run, one after the other, keeping the best weights."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.pipeline import evaluation_dataset, training_dataset, view_indices
from kerastl.data.splits import Splits, count_per_class
from kerastl.errors import bad_value
from kerastl.model.boundaries import Boundary
from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.progress import Progress, count_of, format_duration
from kerastl.settings import Phase
from kerastl.training.checks import Check, ExpectedMoves, check_first_loss, require
from kerastl.training.evaluate import Evaluation, evaluate, evaluator
from kerastl.training.features import FrozenPart, StoredFeatures, fold
from kerastl.training.fit import Best, EpochRow, PhaseData, train_phase
from kerastl.training.scores import class_weights
from kerastl.writing import in_the_end


@dataclasses.dataclass(frozen=True)
class Trained:
    """What came of training.

    Attributes:
        classifier: Model from images to logits, with the best weights.
        best: The epoch that they come from.
        validation: What they said of the validation images when it ended.
        accuracies: Highest validation accuracy of each phase, by the phase's name.
        seconds: Time of each phase, and of computing and checking stored features.
        evaluate: Evaluates the classifier on images of the source, by their indices, from
            stored features where there are some.
        evaluate_whole: Likewise, from the images through the whole network.
        stored: Whether there are stored features.
        pooled: Reads pooled features of the pretrained network by images' indices, float32
            (images, channels); None where they are not stored.
    """

    classifier: keras.Model
    best: EpochRow
    validation: Evaluation
    accuracies: dict[str, float]
    seconds: dict[str, float]
    evaluate: Callable[[np.ndarray], Evaluation]
    evaluate_whole: Callable[[np.ndarray], Evaluation]
    stored: bool
    pooled: Callable[[np.ndarray], np.ndarray] | None


class Recorder(Protocol):
    """Where epochs, checks and the best weights are kept while training goes on."""

    def add_check(self, check: Check) -> None:
        """Keeps a check, passed or not."""

    def add_epoch(self, row: EpochRow) -> None:
        """Keeps an epoch's row."""

    def save_checkpoint(self, classifier: keras.Model) -> None:
        """Keeps the classifier's weights, the best so far."""


def check_phases(network: Network, config: Config) -> None:
    """Plans each phase, before anything is written; `train` goes by the same plans.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`, or a batch is too
            small to train from scratch.
    """
    plans = [network.plan(phase) for phase in config.phases]
    # A name that no phase of this run uses is checked too: it was meant for something.
    if config.unfreeze_from and not any(plan.phase.unfreeze_from for plan in plans):
        network.find(config.unfreeze_from)
    for plan in plans:
        is_scratch = plan.phase.name == "scratch"
        if is_scratch and config.batch_size == 1 and _has_batch_norm(network):
            raise bad_value(
                "batch_size",
                1,
                "gives batch norm a single image to take its statistics from, as weights=none",
                "Use 2 or more",
            )


def train(
    network: Network,
    splits: Splits,
    config: Config,
    *,
    record: Recorder,
    progress: Progress,
    frozen: FrozenPart | None = None,
) -> Trained:
    """Trains every phase of `config`; each starts from the best weights so far.

    However a phase ends, the classifier and the checkpoint hold the best weights so far.

    Args:
        network: The classifier, with its head at zero.
        splits: Images to learn from and to choose by.
        config: What to do.
        record: Keeps the epochs, the checks and the best weights.
        progress: Gets a line for each epoch and phase.
        frozen: What `open_frozen` gave for the same network, images and phases, with its weights
            as they are now; opened here by default.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`, before any training.
        KerastlError: If the loss is not finite, or a check of the run failed.
    """
    classifier = network.model
    plans = [network.plan(phase) for phase in config.phases]
    started = time.monotonic()
    frozen = frozen or open_frozen(network, splits, config, progress)
    # Before any training, since the upper boundaries' features would not be the same after it.
    frozen.compute(progress)
    seconds: dict[str, float] = {"features": time.monotonic() - started}
    best = Best(config.best_by)
    weights = _class_weights(splits, config, progress)
    epochs_done = 0
    for plan in plans:
        started = time.monotonic()
        phase = plan.phase
        network.set_trainable(plan)
        features = frozen.get(plan.boundary)
        data = _phase_data(plan, splits, config, features, weights, first_epoch=epochs_done)
        epochs_done += phase.epochs
        if best.row is None:
            require(_first_loss(plan, data), record=record, progress=progress)
        progress.line(
            f"{phase.name} phase: {count_of(phase.epochs, 'epoch')} at {phase.learning_rate:g}, "
            f"training from {plan.first_name} up: {plan.count_trained():,} of "
            f"{classifier.count_params():,} parameters."
        )
        expected = ExpectedMoves(network, phase, plan.first)
        best.begin(plan.upper.weights)
        with in_the_end(functools.partial(_keep_best, best, classifier, record)):
            steps = train_phase(
                plan, data, config, best=best, progress=progress, on_epoch=record.add_epoch
            )
            moves = expected.check(
                plan.upper, steps=steps, batch=functools.partial(_first_batch, data)
            )
        require(moves, record=record, progress=progress)
        seconds[phase.name] = time.monotonic() - started
        if features is not None and data.lower is None:
            _tell_savings(phase, features, splits, seconds[phase.name], progress)
    if best.row is None or best.validation is None:
        raise AssertionError("training ended without an epoch")
    progress.line(
        f"Best: {best.row.phase} epoch {best.row.epoch}, validation "
        f"{config.best_by.replace('_', ' ')} {abs(best.row.score(config.best_by)):.4f}."
    )
    # Nothing below the lowest boundary has changed, so its features hold for the result.
    lowest = min(plans, key=lambda plan: plan.boundary.position)
    features = frozen.get(lowest.boundary)
    lower = _folded(lowest.lower) if features is None else None
    return Trained(
        classifier=classifier,
        best=best.row,
        validation=best.validation,
        accuracies=best.accuracies,
        seconds=seconds,
        evaluate=_evaluator(_from_boundary(lowest.upper, lower), splits, config, features),
        evaluate_whole=_evaluator(classifier, splits, config, None),
        stored=features is not None,
        pooled=_pooled_reader(frozen, network.pooled),
    )


def open_frozen(network: Network, splits: Splits, config: Config, progress: Progress) -> FrozenPart:
    """Opens the store for every phase of `config`.

    Args:
        network: The classifier.
        splits: The images that the run uses.
        config: What to do.
        progress: Is told of a phase whose features are not stored.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`.
    """
    boundaries = {network.plan(phase).boundary: None for phase in config.phases}
    return FrozenPart(network, list(boundaries), splits, config, progress)


def _pooled_reader(
    frozen: FrozenPart, boundary: Boundary
) -> Callable[[np.ndarray], np.ndarray] | None:
    pooled = frozen.get(boundary)
    if pooled is None:
        return None
    return pooled.take


def _class_weights(splits: Splits, config: Config, progress: Progress) -> np.ndarray | None:
    if config.class_weights == "none":
        return None
    weights = class_weights(count_per_class(splits.source, splits.train), config.class_weights)
    named = ", ".join(
        f"{name} {weight:.4g}"
        for name, weight in zip(splits.source.class_names, weights.tolist(), strict=True)
    )
    formula = "images / (classes x images of the class)"
    if config.class_weights == "sqrt":
        formula = f"proportional to the root of {formula}"
    progress.line(f"Class weights ({config.class_weights}, {formula}): {named}.")
    return weights


def _has_batch_norm(network: Network) -> bool:
    return any(isinstance(call.layer, keras.layers.BatchNormalization) for call in network.calls)


def _keep_best(best: Best, classifier: keras.Model, record: Recorder) -> None:
    best.restore()
    if best.row is not None:
        record.save_checkpoint(classifier)


def _first_batch(data: PhaseData) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the first batch of a phase, as it is at its boundary."""
    inputs, labels, *_ = next(iter(data.train))
    if data.lower is not None:
        inputs = data.lower(inputs)
    return inputs, labels


def _phase_data(
    plan: Plan,
    splits: Splits,
    config: Config,
    features: StoredFeatures | None,
    class_weights: np.ndarray | None,
    *,
    first_epoch: int,
) -> PhaseData:
    # With new changes in every epoch there is nothing of the training images to be stored.
    repeats = len(view_indices(splits.source, splits.train, config)) > 0
    train_features = features if repeats else None
    lower = _folded(plan.lower) if train_features is None else None
    return PhaseData(
        train=training_dataset(
            splits.source,
            splits.train,
            config,
            batch_size=config.batch_size,
            epochs=range(first_epoch, first_epoch + plan.phase.epochs),
            features=train_features,
            class_weights=class_weights,
        ),
        num_train=len(splits.train),
        lower=lower,
        validate=evaluator(
            _from_boundary(plan.upper, lower if features is None else None),
            evaluation_dataset(
                splits.source,
                splits.validation,
                config,
                batch_size=config.batch_size,
                features=features,
                repeats=True,
            ),
            splits.source.labels[splits.validation],
        ),
    )


def _from_boundary(
    upper: keras.Model, lower: Callable[[tf.Tensor], tf.Tensor] | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function to logits, from images or, with no `lower`, from stored features."""

    def compute(inputs: tf.Tensor) -> tf.Tensor:
        return upper(inputs if lower is None else lower(inputs), training=False)

    return compute


def _folded(lower: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    function = fold(lower)
    return lambda images: function(images)[0]


def _evaluator(
    classifier: Callable[[tf.Tensor], tf.Tensor],
    splits: Splits,
    config: Config,
    features: StoredFeatures | None,
) -> Callable[[np.ndarray], Evaluation]:
    def evaluate_images(indices: np.ndarray) -> Evaluation:
        dataset = evaluation_dataset(
            splits.source, indices, config, batch_size=config.batch_size, features=features
        )
        return evaluate(classifier, dataset, splits.source.labels[indices])

    return evaluate_images


def _first_loss(plan: Plan, data: PhaseData) -> Check:
    inputs, labels = _first_batch(data)
    logits = plan.upper(inputs, training=False).numpy()
    return check_first_loss(logits, labels.numpy(), logits.shape[1])


def _tell_savings(
    phase: Phase, features: StoredFeatures, splits: Splits, seconds: float, progress: Progress
) -> None:
    computed = phase.epochs * (len(splits.train) + len(splits.validation))
    plain = seconds + computed * features.seconds_per_image
    instead = f" instead of about {format_duration(plain)}" if plain > seconds else ""
    progress.line(
        f"{count_of(phase.epochs, f'{phase.name} epoch')} on stored features: "
        f"{format_duration(seconds)}{instead}."
    )
