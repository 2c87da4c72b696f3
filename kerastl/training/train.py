"""All phases of a run, one after the other, keeping the best weights."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np

from kerastl import replicas
from kerastl.config import Config
from kerastl.data.pipeline import (
    count_steps,
    training_dataset,
    view_indices,
)
from kerastl.data.splits import Splits, count_per_class
from kerastl.errors import KerastlError, UsageError, bad_value
from kerastl.model.backbones import bundled_size_note
from kerastl.model.folding import fold_one
from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.progress import Progress, count_of, format_duration
from kerastl.settings import FitSettings, ImageSettings, Phase, TrainingSettings
from kerastl.settings.training import LAST, score_of, why_kept
from kerastl.split_names import TRAIN, VALIDATION
from kerastl.training.best import Best, EpochRow
from kerastl.training.checks import Check, check_first_loss, require
from kerastl.training.course import Course, Recorder
from kerastl.training.evaluate import build_evaluator
from kerastl.training.evaluation import Evaluation
from kerastl.training.features import StoredFeatures
from kerastl.training.fit import BOTH, PhaseData, PhaseResult, StoredImages, train_phase
from kerastl.training.frozen import FrozenPart
from kerastl.training.largest_batch import check_memory, explained_memory
from kerastl.training.named_head import name_phase
from kerastl.training.scores import class_weights
from kerastl.training.solved_head import refit_head, solve_phase
from kerastl.training.teaching import open_teacher
from kerastl.training.trained import Trained, from_boundary
from kerastl.writing import finally_call

# Up to this many classes the weight of each is printed.
_MOST_WEIGHTS_SHOWN = 20


def check_phases(network: Network, config: FitSettings) -> list[str]:
    """Plans each phase, before anything is written; `train` uses the same plans.

    Returns:
        Remarks on the network, and on settings that no phase uses or that are probably not meant.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`, or a batch is too
            small to train from scratch, or the devices cannot share it evenly.
    """
    replicas.check_batch(config.batch_size, replicas.current().count)
    plans = [network.plan(phase) for phase in config.phases]
    for plan in plans:
        is_scratch = plan.phase.name == "scratch"
        if is_scratch and config.batch_size == 1 and _has_batch_norm(network):
            raise bad_value(
                "batch_size",
                1,
                "gives batch norm a single image to take its statistics from, as weights=none",
                "Use 2 or more",
            )
    remarks = [*config_warnings(config)]
    try:
        network.find(config.unfreeze_from or None)
    except UsageError as error:
        return [*remarks, f"{error} It is not used, as finetune_epochs=0."]
    return [*remarks, *(f"{note}." for note in network.notes)]


def config_warnings(config: FitSettings) -> Iterator[str]:
    """Yields what is allowed and probably not meant."""
    rates = [phase.learning_rate for phase in config.phases if phase.has_steps]
    if len(rates) > 1 and rates[1] >= rates[0]:
        yield (
            f"finetune_learning_rate={rates[1]:g} is not below head_learning_rate={rates[0]:g}; "
            "rates this high can destroy pretrained features."
        )
    if note := bundled_size_note(config.weights, config.image_size):
        yield f"{note}."


def train(
    network: Network,
    splits: Splits,
    config: Config,
    frozen: FrozenPart,
    *,
    record: Recorder,
    progress: Progress,
) -> Trained:
    """Trains every phase of `config`; each starts from the best weights so far.

    However a phase ends, the classifier and the checkpoint hold the best weights so far.

    Args:
        network: The classifier, with its head at zero.
        splits: Images to train on and to choose by.
        config: Phases, and how they are trained.
        frozen: Result of `open_frozen` for the same; the returned value reads from it too.
        record: Keeps the epochs, the checks and the best weights.
        progress: Gets a line for each epoch and phase.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`, before any training.
        KerastlError: If the loss is not finite, or a check of the run failed.
    """
    plans = [network.plan(phase) for phase in config.phases]
    check_memory(network, config, _list_steps(plans, splits, config, frozen), progress)
    # Before any training, since the upper boundaries' features would not be the same after it.
    frozen.compute(progress)
    record.end_stage("features")
    course = Course(network, plans, record, config, minutes=config.checkpoint_minutes)
    if words := str(course):
        progress.line(words)
    weights = _class_weights(splits, config.class_weights, progress)
    steps = _list_steps(plans, splits, config, frozen)
    for plan, epochs in course.phases():
        network.set_trainable(plan)
        data = _phase_data(plan, splits, config, frozen, weights, epochs=epochs)
        with explained_memory(network, config, steps if plan.phase.has_steps else []):
            _run_phase(course, plan, data, config, record=record, progress=progress)
        if data.lower is None and (features := frozen.get(plan.boundary)) is not None:
            progress.line(_describe_savings(course.done, features, splits, course.seconds))
    network.set_trainable(plans[-1])  # Also where no phase was left: it is saved with the model.
    progress.line(_describe_best(course.best.row, config))
    refit = None
    if config.refit and course.strength is not None and course.best.row.phase == "head":
        features = frozen.get(network.pooled)
        read = functools.partial(_read_stored, splits, config, features, weights, BOTH)
        refit = functools.partial(refit_head, network, read, course.strength)
    return Trained(
        network=network,
        frozen=frozen,
        best=course.best,
        seconds=course.seconds,
        lowest=min(plans, key=lambda plan: plan.boundary.position),
        splits=splits,
        images=config,
        batch_size=config.batch_size,
        refit=refit,
    )


def _run_phase(
    course: Course,
    plan: Plan,
    data: PhaseData,
    settings: TrainingSettings,
    *,
    record: Recorder,
    progress: Progress,
) -> None:
    """Trains a phase, or what is left of it; its layers are trainable."""
    best, model = course.best, course.network.model
    if plan.phase.name == "scratch":
        _check_last_batch(settings.batch_size, data.num_train)
    if not best.accuracies and course.first is None:
        require(_first_loss(plan, data), record=record, progress=progress)
    progress.line(_describe_phase(plan, course.network))
    expected = course.begin_phase(plan)
    with finally_call(functools.partial(_keep_best, best, model, record)):
        keep = functools.partial(_keep, best, record)
        run_phase: Callable[..., PhaseResult] = train_phase
        if not plan.phase.has_steps:
            run_phase = solve_phase if plan.phase.is_solved else name_phase
        done = run_phase(plan, data, settings, progress=progress, on_epoch=keep, places=course)
        moves = expected.check(plan.upper, steps=done.steps, batch=data.first_batch)
    require(moves, record=record, progress=progress)
    course.end_phase(done.strength)


def open_frozen(
    network: Network, splits: Splits, config: FitSettings, progress: Progress
) -> FrozenPart:
    """Opens the feature store for every phase of `config`, see `FrozenPart.open`.

    Raises:
        UsageError: If the backbone has no such layer as `unfreeze_from`.
    """
    if config.refit:
        # In the end these are trained on too, with their views.
        splits = dataclasses.replace(splits, train=_fitted(splits))
    boundaries = {network.plan(phase).boundary: None for phase in config.phases}
    frozen = FrozenPart.open(
        network, list(boundaries), splits, model=config, store=config, progress=progress
    )
    try:
        frozen.teacher = open_teacher(splits, images=config, store=config, progress=progress)
    except BaseException:
        frozen.close()
        raise
    return frozen


def _keep(best: Best, record: Recorder, row: EpochRow, validation: Evaluation) -> None:
    best.offer(row, validation)
    record.add_epoch(row)


def _describe_phase(plan: Plan, network: Network) -> str:
    phase = plan.phase
    how = f"{count_of(phase.epochs, 'epoch')} at {phase.learning_rate:g}"
    if phase.is_solved:
        how = "logistic regression"
    if phase.name == "prompts":
        return "prompts phase: a head of the names of the classes, without any training."
    return (
        f"{phase.name} phase: {how}, "
        f"training from {plan.first_name} up: {plan.count_trained():,} of "
        f"{network.model.count_params():,} parameters."
    )


def _describe_best(row: EpochRow, settings: FitSettings) -> str:
    best_by, score = settings.best_by, abs(row.score(settings.best_by))
    measured = f"validation {score_of(best_by).replace('_', ' ')} {score:.4f}"
    if best_by != LAST:
        return f"Best: {row.phase} epoch {row.epoch}, {measured}."
    reason = why_kept(row.phase, row.epoch, last_phase=settings.phases[-1].name, best_by=best_by)
    return f"Kept: {row.phase} epoch {row.epoch}, {measured}, {reason}."


def _class_weights(splits: Splits, rule: str, progress: Progress) -> np.ndarray | None:
    if rule == "none":
        return None
    weights = class_weights(count_per_class(splits.source, splits.train), rule)
    named = [
        f"{name} {weight:.4g}"
        for name, weight in zip(splits.source.class_names, weights.tolist(), strict=True)
    ]
    shown = ", ".join(named)
    if len(named) > _MOST_WEIGHTS_SHOWN:
        lowest, highest = named[weights.argmin()], named[weights.argmax()]
        shown = f"{len(named)} classes, lowest {lowest}, highest {highest}"
    formula = "images / (classes x images of the class)"
    if rule == "sqrt":
        formula = f"proportional to the root of {formula}"
    progress.line(f"Class weights ({rule}, {formula}): {shown}.")
    return weights


def _has_batch_norm(network: Network) -> bool:
    return any(isinstance(call.layer, keras.layers.BatchNormalization) for call in network.calls)


def _keep_best(best: Best, classifier: keras.Model, record: Recorder) -> None:
    best.restore()
    if best.accuracies:
        record.save_best(classifier)


def _list_steps(
    plans: Sequence[Plan], splits: Splits, config: FitSettings, frozen: FrozenPart
) -> list[tuple[Plan, bool]]:
    """Lists the plans that have steps, and whether these begin with images."""
    return [
        (plan, _find_trained_on(plan, splits, config, frozen) is None)
        for plan in plans
        if plan.phase.has_steps
    ]


def _find_trained_on(
    plan: Plan, splits: Splits, config: FitSettings, frozen: FrozenPart
) -> StoredFeatures | None:
    """Finds the stored features that a phase trains on; None if its steps begin with images."""
    # With new changes in every epoch no features of the training images are stored.
    repeats = len(view_indices(splits.source, splits.train, config))
    return frozen.get(plan.boundary) if repeats else None


def _phase_data(
    plan: Plan,
    splits: Splits,
    config: FitSettings,
    frozen: FrozenPart,
    class_weights: np.ndarray | None,
    *,
    epochs: range,
) -> PhaseData:
    features = frozen.get(plan.boundary)
    train_features = _find_trained_on(plan, splits, config, frozen)
    lower = fold_one(plan.lower) if train_features is None else None
    steps = count_steps(len(splits.train), config.batch_size)
    return PhaseData(
        train=lambda step: training_dataset(
            splits.source,
            splits.train,
            config,
            batch_size=config.batch_size,
            epochs=epochs[step // steps :],
            first_step=step % steps,
            features=train_features,
            class_weights=class_weights,
            answers=frozen.answers,
            share=replicas.current().share,
        ),
        num_train=len(splits.train),
        class_names=splits.source.class_names,
        lower=lower,
        validate=build_evaluator(
            from_boundary(plan.upper, lower if features is None else None, config),
            splits.source,
            splits.validation,
            config,
            batch_size=config.batch_size,
            features=features,
        ),
        read_stored=functools.partial(_read_stored, splits, config, train_features, class_weights),
    )


def _check_last_batch(batch_size: int, num_train: int) -> None:
    """Refuses a last batch of fewer images than devices, for batch norm that trains."""
    rest, count = num_train % batch_size, replicas.current().count
    if 1 < rest < count:
        sizes = range(batch_size + count, num_train + batch_size + count, count)
        good = next(size for size in sizes if not 1 < num_train % size < count)
        problem = f"leaves {rest} images for {count} devices, too few for batch norm that trains"
        raise bad_value("batch_size", batch_size, problem, f"Use {good}")


def _fitted(splits: Splits) -> np.ndarray:
    return np.concatenate([splits.train, splits.validation])


def _read_stored(
    splits: Splits,
    images: ImageSettings,
    features: StoredFeatures | None,
    class_weights: np.ndarray | None,
    part: str,
) -> StoredImages:
    if features is None:
        raise KerastlError(
            "head='solved': needs stored features, for which the cache has no room. Raise "
            "--cache_limit_gb, choose another --cache_dir, or use --head=sgd."
        )

    indices = splits.validation
    if part != VALIDATION:
        fitted = splits.train if part == TRAIN else _fitted(splits)
        indices = view_indices(splits.source, fitted, images)
    places = indices % len(splits.source)
    labels = splits.source.labels[places]
    weights = None if class_weights is None else class_weights[labels]
    return StoredImages(features.take(indices), labels, splits.clusters[places], weights)


def _first_loss(plan: Plan, data: PhaseData) -> Check:
    inputs, labels = data.first_batch()
    logits = plan.upper(inputs, training=False).numpy()
    return check_first_loss(logits, labels.numpy(), logits.shape[1])


def _describe_savings(
    phase: Phase, features: StoredFeatures, splits: Splits, seconds: Mapping[str, float]
) -> str:
    spent = format_duration(seconds[phase.name])
    if not phase.has_steps:
        made = "solved on stored features" if phase.is_solved else "made of the names"
        return f"Head {made} in {spent}."
    computed = phase.epochs * (len(splits.train) + len(splits.validation))
    plain = seconds[phase.name] + computed * features.seconds_per_image
    return (
        f"{count_of(phase.epochs, f'{phase.name} epoch')} on stored features: {spent}. With "
        f"features computed in each epoch about {format_duration(plain)}."
    )
