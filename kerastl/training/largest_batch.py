"""Finds the largest batch whose training step fits in memory, and the rates that go with it."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from kerastl import replicas
from kerastl.device import has_gpu, is_out_of_memory
from kerastl.errors import bad_value
from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.progress import Progress, format_bytes
from kerastl.resources import free_memory, most_memory
from kerastl.settings import TrainingSettings
from kerastl.training.schedule import LearningRate
from kerastl.training.steps import TrainingSteps

# An epoch keeps so many steps, unless the usual batch has fewer.
_FEWEST_STEPS = 10
# Up to here the linear rule holds on ImageNet, https://arxiv.org/abs/1706.02677.
_MOST = 8192
# Share of the free memory that an estimate may fill: it knows no temporary values of kernels.
_SHARE = 0.5
# A step takes at least this share of its estimate: MobileNetV2 at 96 px took all of it.
_LEAST = 0.3
_SMALLER = "Lower image_size"
_SHOULD = "should fit"  # By an estimate.
# Each output is held until its gradient has been computed.
_HELD = 2
# Batches that the pipeline holds beside that of the step.
_WAITING = 3
# Small enough to leave the weights what they are, as numbers that take long to multiply.
_RATE = 1e-6


class LargestBatch(NamedTuple):
    """The largest batch of a run.

    Attributes:
        size: Images in it; 0 if not one fits.
        reason: Why it is not larger, in words.
    """

    size: int
    reason: str


def find_largest_batch(
    network: Network,
    plan: Plan,
    training: TrainingSettings,
    *,
    from_images: bool,
    num_train: int,
    devices: int = 1,
) -> LargestBatch:
    """Finds the largest batch that fits, up to 8192: that of `training`, doubled or halved.

    On a GPU each is tried by a real step. Where the memory is the processor's, a system ends
    a process that takes too much of it, so an estimate of the step comes first, which may
    fill half of the free memory, and the result is tried by a real step.

    Args:
        network: The network; its weights change a little.
        plan: The phase that trains the most.
        training: The settings, with the usual batch size.
        from_images: Whether the frozen part is computed in each step.
        num_train: Training images; an epoch keeps ten steps, or those of the usual batch.
        devices: How many share it, each an equal part, which has to fit on one.
    """
    most = min(_MOST, max(training.batch_size, num_train // _FEWEST_STEPS))
    usual = max(1, training.batch_size // devices)

    def works(size: int) -> bool:
        return try_step(network, plan, training, size, from_images=from_images)

    def has_room(size: int) -> bool:
        each = bytes_per_image(network, plan, from_images=from_images)
        return size * each <= _SHARE * free_memory()

    rising = (usual << doubled for doubled in range(most.bit_length()))
    sizes = [size for size in rising if size * devices <= most]
    largest = _last_of(sizes, works if has_gpu() else has_room)
    # Below the usual batch a system is not to end this process for a step that is only tried.
    largest = largest or (usual if has_gpu() else _first_of(usual, has_room) or 1)
    size = devices * _first_of(largest, works)
    return LargestBatch(size, _why_not_larger(size, most))


def _why_not_larger(size: int, most: int) -> str:
    if 2 * size <= most:
        return "twice as many images do not fit in the memory that is free"
    if 2 * size > _MOST:
        return f"the rule for the rates holds up to {_MOST}"
    return f"twice as many images would leave fewer than {_FEWEST_STEPS} steps an epoch"


def check_memory(
    network: Network,
    training: TrainingSettings,
    steps: Sequence[tuple[Plan, bool]],
    progress: Progress,
) -> None:
    """Warns if the largest step of a training may not fit in the memory of the processor.

    Where that runs out, the system may end the process without a word. Nothing is known of a GPU.

    Args:
        network: The network.
        training: The settings, with the batch size.
        steps: As `explained_memory` takes them.
        progress: Gets the warning.

    Raises:
        UsageError: If it cannot fit.
    """
    if has_gpu() or not steps:
        return
    # Of several machines each computes its part of a batch.
    each = _bytes_per_image(network, steps) / replicas.current().num_workers
    size, free, most = training.batch_size, free_memory(), most_memory()
    fitting, needed = _first_of(size, lambda size: size * each <= _SHARE * free), round(size * each)
    if _LEAST * needed > most:
        raise bad_value(
            "batch_size",
            size,
            f"takes about {format_bytes(needed)} in a step, and this process can have "
            f"{format_bytes(most)}",
            f"Use {fitting}, which {_SHOULD}, with --overwrite" if fitting else _SMALLER,
        )
    if needed > free:
        advice = f"use --batch_size={fitting} --overwrite" if fitting else "lower --image_size"
        progress.line(
            f"Warning: a step of {size} images may take {format_bytes(needed)}, and "
            f"{format_bytes(free)} are free. If the system ends this process, {advice}."
        )


@contextlib.contextmanager
def explained_memory(
    network: Network, training: TrainingSettings, steps: Sequence[tuple[Plan, bool]]
) -> Iterator[None]:
    """Turns memory that runs out in a phase into a line with a batch that fits.

    On a GPU by real steps. On a processor it is an estimate: where memory has run out, a library
    that needs some fails in ways of its own, or ends the process.

    Args:
        network: The network.
        training: The settings, with the batch size.
        steps: The plan of each phase that has steps, and whether each of its steps begins with
            images. The batch that is named fits in all of them. Without any, as where a head is
            solved, the error stays what it is.

    Raises:
        UsageError: If it runs out.
    """
    free = free_memory()

    def fits(size: int) -> bool:
        if not has_gpu():
            return size * _bytes_per_image(network, steps) <= _SHARE * free
        return all(
            try_step(network, plan, training, size, from_images=images) for plan, images in steps
        )

    try:
        yield
    except Exception as error:
        if not steps or not is_out_of_memory(error):
            raise
        size, words = _first_of(training.batch_size // 2, fits), "fits" if has_gpu() else _SHOULD
        raise bad_value(
            "batch_size",
            training.batch_size,
            "needs more memory than is free",
            f"Use {size}, which {words}, with --overwrite" if size else _SMALLER,
        ) from error


def scale_rates(training: TrainingSettings, batch_size: int) -> dict[str, float]:
    """Scales the rates of the phases that have steps from their batch size to another.

    For sgd by the ratio, https://arxiv.org/abs/1706.02677; for adamw by its root,
    https://arxiv.org/abs/2205.10782.
    """
    factor = batch_size / training.batch_size
    if training.optimizer == "adamw":
        factor = math.sqrt(factor)
    return {name: factor * rate for name, rate in training.rates.items()}


def bytes_per_image(network: Network, plan: Plan, *, from_images: bool) -> int:
    """Estimates what an image takes in a step: the outputs of trained layers, and the pipeline."""
    above = network.calls[plan.boundary.position :]
    held = sum(_bytes(tensor) for call in above for tensor in call.outputs)
    waiting = _bytes(network.inputs if from_images else plan.boundary.tensor)
    below = network.calls[: plan.boundary.position] if from_images else ()
    passing = max((_bytes(tensor) for call in below for tensor in call.outputs), default=0)
    return _HELD * held + _WAITING * (waiting + passing)


def _bytes_per_image(network: Network, steps: Sequence[tuple[Plan, bool]]) -> int:
    return max(bytes_per_image(network, plan, from_images=images) for plan, images in steps)


def try_step(
    network: Network, plan: Plan, training: TrainingSettings, size: int, *, from_images: bool
) -> bool:
    """Takes a training step of a batch of zeros; returns whether it fits in memory."""
    network.set_trainable(plan)
    try:
        take_step = make_step(
            plan, dataclasses.replace(training, batch_size=size), from_images=from_images
        )
        take_step()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def make_step(
    plan: Plan, training: TrainingSettings, *, from_images: bool = False
) -> Callable[[], float]:
    """Makes a function that takes a training step at a tiny rate, and returns the loss.

    The plan's layers are trainable. The inputs are random, a batch of `training`.
    """
    schedule = LearningRate(peak=_RATE, warmup_steps=0, total_steps=1, falls=False)
    lower = plan.lower if from_images else None
    # Other machines take no part in it.
    with replicas.using(replicas.ONE):
        steps = TrainingSteps(plan, lower, training, schedule, at_once=1)
    tensor = plan.lower.inputs[0] if from_images else plan.boundary.tensor
    inputs = tf.random.stateless_uniform([training.batch_size, *tensor.shape[1:]], [0, 0])
    labels = tf.zeros([training.batch_size], tf.int64)
    batches = iter(tf.data.Dataset.from_tensors((inputs, labels)).repeat())
    return lambda: float(steps.run(batches)[0])


def _bytes(tensor: tf.Tensor) -> int:
    """Counts the bytes of a tensor for an image."""
    # An unknown side, as of a sequence, counts as one.
    count: int = math.prod(side or 1 for side in tensor.shape[1:])
    return count * int(tf.as_dtype(tensor.dtype).size)


def _last_of(sizes: Iterable[int], fits: Callable[[int], bool]) -> int:
    """Returns the last before one that does not fit; 0 if the first does not."""
    last = 0
    for size in sizes:
        if not fits(size):
            break
        last = size
    return last


def _first_of(size: int, fits: Callable[[int], bool]) -> int:
    """Returns the first that fits of a size, its half and so on; 0 if none does."""
    while size and not fits(size):
        size //= 2
    return size
