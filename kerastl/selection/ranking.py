"""Compares pretrained networks by a linear probe on their features, and by their speed."""

import dataclasses
import gc
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from threadpoolctl import threadpool_limits

from kerastl.config import Config
from kerastl.data.splits import Splits
from kerastl.errors import KerastlError
from kerastl.progress import Progress, format_duration
from kerastl.selection import budget
from kerastl.selection.folds import check_enough, deal_folds, take_part
from kerastl.selection.linear import judge
from kerastl.selection.network import Network, open_network
from kerastl.selection.rows import BATCH, FOLDS, Row
from kerastl.selection.transferability import h_score, logme


def rank(
    candidates: Sequence[Config],
    splits: Splits,
    progress: Progress,
    *,
    deadline: float = math.inf,
    on_row: Callable[[Row], None],
) -> None:
    """Judges each network on the training images alone.

    Args:
        candidates: The networks and sizes.
        splits: The images. Features of validation and test images are computed too, for the run
            that comes later, unless time is short; nothing is told from them.
        progress: Gets what is computed and how fast.
        deadline: When it has to end, on the clock of `time.monotonic`. With one, the cheapest
            network comes first, and where time is short all are judged on a part of the images.
        on_row: Gets each network's row when it is known.

    Raises:
        UsageError: If a class has too few images to judge by.
    """
    check_enough(splits)
    if math.isinf(deadline):
        for config in candidates:
            on_row(_row(config, splits, progress))
        return

    def failed(config: Config, reason: str) -> None:
        on_row(Row(config=config, reason=reason))

    costs = budget.expect(candidates, splits, progress, on_failure=failed)
    seconds = max(0.0, deadline - time.monotonic())
    chosen = budget.plan(costs, splits, seconds=seconds)
    part = splits if chosen.is_whole else _part(splits, chosen.fraction)
    progress.line(budget.describe(chosen, splits, num_judged=len(part.train), seconds=seconds))
    num_passed = len(part.train) + len(part.validation) + len(part.test)
    slowness = 1.0
    for number, cost in enumerate(chosen.costs):
        expected = cost.seconds(passed=num_passed, judged=len(part.train))
        left = deadline - time.monotonic()
        # The first has to be judged, or all was for nothing.
        if number and slowness * expected > left:
            failed(cost.config, _no_time(slowness * expected, left))
            continue
        row = _row(cost.config, part, progress)
        if not row.reason:
            slowness = row.seconds / expected
        on_row(row)
    for cost, least in chosen.left_out:
        failed(cost.config, _no_time(least, max(0.0, deadline - time.monotonic())))


def _part(splits: Splits, fraction: float) -> Splits:
    """Takes a part of the training images alone, with as many groups of a class as folds."""
    labels, clusters = splits.source.labels[splits.train], splits.clusters[splits.train]
    taken = take_part(labels, clusters, fraction=fraction, seed=0, fewest_groups=FOLDS)
    none = splits.train[:0]
    return dataclasses.replace(splits, train=splits.train[taken], validation=none, test=none)


def _no_time(expected: float, left: float) -> str:
    return (
        f"budget: it takes about {format_duration(expected)}, and {format_duration(left)} are left"
    )


def _row(config: Config, splits: Splits, progress: Progress) -> Row:
    started = time.monotonic()
    progress.line(f"{config.backbone} at {config.image_size} px, weights {config.weights}:")
    try:
        network = open_network(config, num_classes=len(splits.source.class_names))
    except KerastlError as error:
        return Row(config=config, reason=str(error))
    for note in network.notes:
        progress.line(f"{note}.")
    try:
        row = _judged(network, splits, progress)
    except tf.errors.ResourceExhaustedError:
        row = Row(config=config, reason="memory ran out")
    finally:
        # Networks hold themselves in circles, and the next needs their memory.
        del network
        gc.collect()
    return dataclasses.replace(row, seconds=time.monotonic() - started)


def _judged(network: Network, splits: Splits, progress: Progress) -> Row:
    config = network.config
    features = network.compute(splits, progress)
    if features is None:
        limit = f"cache_limit_gb={config.cache_limit_gb:g}"
        return Row(config=config, reason=f"{limit} leaves no room for its features")
    if not np.isfinite(features).all():
        return Row(config=config, reason="its features are not finite")
    labels = splits.source.labels[splits.train]
    clusters = splits.clusters[splits.train]
    judged = judge(
        features,
        labels,
        deal_folds(labels, clusters, count=FOLDS, seed=config.seed),
        on_step=lambda step: progress.status(f"{config.backbone} probe: {step}"),
    )
    progress.status(f"{config.backbone}: other scores")
    with threadpool_limits(1):
        scores = h_score(features, labels), logme(features, labels)
    progress.status(f"{config.backbone}: its speed")
    alone, in_batch = network.milliseconds(1, BATCH)
    low, high = judged.interval()
    return Row(
        config=config,
        images=len(labels),
        accuracy=judged.accuracy,
        low=low,
        high=high,
        strength=judged.strength,
        h_score=scores[0],
        logme=scores[1],
        milliseconds=alone,
        milliseconds_in_batch=in_batch,
        parameters=network.parameters,
        num_bytes=network.num_bytes,
    )
