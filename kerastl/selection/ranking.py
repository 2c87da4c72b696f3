"""Ranks pretrained networks by a linear probe on their features, and measures their speed."""

import dataclasses
import gc
import math
import pathlib
import shlex
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from threadpoolctl import threadpool_limits

from kerastl.config import Config
from kerastl.data.finding import given_or_found
from kerastl.data.folds import check_enough, make_folds, subsample
from kerastl.data.opening import open_data
from kerastl.data.source import Source
from kerastl.data.splits import Splits, baseline_accuracy
from kerastl.errors import KerastlError
from kerastl.model.building.finding import NETWORK, own_resize
from kerastl.model.network import First, Network, open_network
from kerastl.outputs.directories import remove_files
from kerastl.progress import Progress, format_duration
from kerastl.selection import budget
from kerastl.selection.file_names import RANKING_FILES, RANKING_FLAGS
from kerastl.selection.logistic_regression import cross_validate
from kerastl.selection.measurements import (
    adapt_config,
    compute_features,
    count_bytes,
    measure_milliseconds,
)
from kerastl.selection.ranking_files import (
    describe_row,
    describe_table,
    write_best_flags,
    write_rows,
)
from kerastl.selection.ranking_row import BATCH, FOLDS, RankingRow, sort_rows
from kerastl.selection.transferability import h_score, logme
from kerastl.settings import ModelSettings
from kerastl.short_form import ShortForm


@dataclasses.dataclass(frozen=True, eq=False)
class Ranking(ShortForm):
    """Result of a comparison of networks.

    Attributes:
        rows: The networks, the most accurate first; those with a `reason` come last.
        run_dir: Directory with `ranking.csv`, `ranking.svg` and `best.flags`.
    """

    rows: tuple[RankingRow, ...]
    run_dir: pathlib.Path

    @property
    def best(self) -> RankingRow:
        """The most accurate network; its `config` trains it."""
        return self.rows[0]

    @property
    def flags_path(self) -> pathlib.Path:
        """Flag file that trains the best network."""
        return self.run_dir / RANKING_FLAGS

    def lines(self) -> Iterator[str]:
        """Yields the table and the best network, as `kerastl rank` prints them."""
        yield from describe_table(self.rows)
        yield self.sentence()

    def sentence(self) -> str:
        """Returns a line that names the best network and the command that trains it."""
        config = self.best.config
        return (
            f"Best: {config.backbone} with {config.weights} at {config.image_size} px. Train it "
            f"with python -m kerastl.main --flagfile={shlex.quote(str(self.flags_path))}"
        )


def rank(
    candidates: Sequence[Config], *, deadline: float, source: Source | None, progress: Progress
) -> Ranking:
    """Evaluates networks on the training images, and writes the files of the ranking.

    Args:
        candidates: The networks and sizes, see `read_candidates`.
        deadline: When it has to end, on the clock of `time.monotonic`; infinite for no limit.
            With a limit the cheapest network comes first, and if time is short all networks are
            evaluated on the same part of the images.
        source: Images from Python; None opens the data set that the candidates name.
        progress: Receives a line for each network, and the table.

    Raises:
        UsageError: If there are too few images for cross-validation.
        KerastlError: If no network can be evaluated; before the look at the images if none opens.
    """
    source = given_or_found(source, candidates[0], progress)
    first = _open_first(candidates)
    # Each network of the same size takes the same pixels.
    splits = open_data(candidates[0], source, progress, needed_again=len(candidates) > 1)
    check_enough(splits)
    run_dir = pathlib.Path(candidates[0].run_dir)
    about: dict[str, Any] = {"source_name": splits.source.name, "num_train": len(splits.train)}
    remove_files(run_dir, RANKING_FILES)
    baseline = baseline_accuracy(splits, splits.train)
    progress.line(f"Baseline accuracy {baseline:.4f}, for always naming the largest class.")
    rows = []
    for row in _evaluate_all(candidates, splits, first, progress, deadline=deadline):
        rows.append(row)
        write_rows(rows, run_dir, **about)
        progress.line(describe_row(row))
    rows = sort_rows(rows)
    for line in describe_table(rows):
        progress.line(line)
    if rows[0].reason:
        raise _none_evaluated(rows[0].reason)
    write_best_flags(rows, run_dir, **about)
    return Ranking(tuple(rows), run_dir)


def _open_first(candidates: Sequence[ModelSettings]) -> First:
    """Opens a network before the look at the images, which is for nothing if none opens."""
    try:
        return First.that_opens(candidates)
    except KerastlError as error:
        raise _none_evaluated(str(error)) from error


def _none_evaluated(reason: str) -> KerastlError:
    return KerastlError(f"backbones: none could be evaluated; the first: {reason}")


def _evaluate_all(
    candidates: Sequence[Config],
    splits: Splits,
    first: First,
    progress: Progress,
    *,
    deadline: float,
) -> Iterator[RankingRow]:
    """Yields the row of each network, and computes other features for a later run if it can.

    Those of validation and test images have no influence on the rows.
    """
    if math.isinf(deadline):
        for config in candidates:
            yield _evaluate(config, splits, progress, first)
        return
    costs, failures = budget.estimate_costs(candidates, splits, progress, first)
    for config, reason in failures:
        yield RankingRow(config=config, reason=reason)
    seconds = max(0.0, deadline - time.monotonic())
    allocation = budget.allocate(costs, splits, seconds=seconds)
    part = splits if allocation.is_whole else _part(splits, allocation.fraction)
    num_train = len(part.train)
    progress.line(
        budget.describe_allocation(allocation, splits, num_evaluated=num_train, seconds=seconds)
    )
    slowness = 1.0
    for number, cost in enumerate(allocation.costs):
        estimate = cost.seconds(computed=len(part.used), evaluated=num_train)
        left = deadline - time.monotonic()
        # The first is always evaluated, or the ranking would be empty.
        if number and slowness * estimate > left:
            yield _over_budget(cost.config, slowness * estimate, left)
            continue
        row = _evaluate(cost.config, part, progress)
        if not row.reason:
            slowness = row.seconds / estimate
        yield row
    for cost, least in allocation.left_out:
        yield _over_budget(cost.config, least, max(0.0, deadline - time.monotonic()))


def _part(splits: Splits, fraction: float) -> Splits:
    """Keeps only a subset of the training images, with a group of each class per fold."""
    labels, clusters = splits.source.labels[splits.train], splits.clusters[splits.train]
    drawn = subsample(labels, clusters, fraction=fraction, seed=0, fewest_groups=FOLDS)
    none = splits.train[:0]
    return dataclasses.replace(splits, train=splits.train[drawn], validation=none, test=none)


def _over_budget(config: Config, estimate: float, left: float) -> RankingRow:
    times = f"takes about {format_duration(estimate)}, and {format_duration(left)} are left"
    return RankingRow(config=config, reason=f"budget: {times}")


def _evaluate(
    config: Config, splits: Splits, progress: Progress, first: First | None = None
) -> RankingRow:
    started = time.monotonic()
    progress.line(f"{config.backbone} at {config.image_size} px, weights {config.weights}:")
    try:
        config = config.changed(NETWORK, **own_resize(config, progress))
        network = open_network(config, num_classes=len(splits.source.class_names), first=first)
    except KerastlError as error:
        return RankingRow(config=config, reason=str(error))
    config, notes = adapt_config(config, network)
    for note in notes:
        progress.line(f"{note}.")
    try:
        row = _measure(network, config, splits, progress)
    except tf.errors.ResourceExhaustedError:
        row = RankingRow(config=config, reason="out of memory")
    finally:
        # Networks contain reference cycles, and the next one needs their memory.
        del network
        gc.collect()
    return dataclasses.replace(row, seconds=time.monotonic() - started)


def _measure(network: Network, config: Config, splits: Splits, progress: Progress) -> RankingRow:
    features = compute_features(network, splits, config, progress)
    if features is None:
        limit = f"cache_limit_gb={config.cache_limit_gb:g}"
        return RankingRow(config=config, reason=f"{limit} leaves no room for its features")
    if not np.isfinite(features).all():
        return RankingRow(config=config, reason="its features are not finite")
    labels, clusters = splits.source.labels[splits.train], splits.clusters[splits.train]
    probe = cross_validate(
        features,
        labels,
        make_folds(labels, clusters, count=FOLDS, seed=config.seed),
        on_step=lambda step: progress.status(f"{config.backbone} probe: {step}"),
    )
    progress.status(f"{config.backbone}: other scores")
    with threadpool_limits(1):
        separation, evidence = h_score(features, labels), logme(features, labels)
    progress.status(f"{config.backbone}: latency")
    alone, in_batch = measure_milliseconds(network, 1, BATCH)
    low, high = probe.interval()
    return RankingRow(
        config=config,
        images=len(labels),
        accuracy=probe.accuracy,
        low=low,
        high=high,
        strength=probe.strength,
        h_score=separation,
        logme=evidence,
        milliseconds=alone,
        milliseconds_in_batch=in_batch,
        parameters=network.model.count_params(),
        num_bytes=count_bytes(network),
    )
