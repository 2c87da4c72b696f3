"""One row of a ranking: a network at one size, its accuracy, speed and size."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Collection, Sequence

from kerastl.config import Config

FOLDS = 5
# Batch size of the second latency.
BATCH = 32
_SHORTENINGS: tuple[Callable[[str], str], ...] = (
    lambda path: pathlib.PurePath(path).name.split(".")[0],
    lambda path: pathlib.PurePath(path).name,
    lambda path: "/".join(pathlib.PurePath(path).parts[-2:]),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankingRow:
    """One network at one image size.

    Attributes:
        config: Config of the run that would train it.
        reason: Why it could not be evaluated; empty if it was.
        images: Number of training images that it was evaluated on.
        accuracy: Cross-validated accuracy of a linear probe on them.
        low: Lower end of its 95 % interval over the folds.
        high: Upper end.
        strength: L2 penalty of the probe, as the prior variance of a logit.
        h_score: See `transferability.h_score`.
        logme: See `transferability.logme`.
        milliseconds: Latency of the network by itself, for a batch of one image.
        milliseconds_in_batch: Time per image in a batch of `BATCH`.
        parameters: Number of parameters, head included.
        num_bytes: Size of the weights in an export.
        seconds: Time that evaluating it took.
    """

    config: Config
    reason: str = ""
    images: int = 0
    accuracy: float = math.nan
    low: float = math.nan
    high: float = math.nan
    strength: float = math.nan
    h_score: float = math.nan
    logme: float = math.nan
    milliseconds: float = math.nan
    milliseconds_in_batch: float = math.nan
    parameters: int = 0
    num_bytes: int = 0
    seconds: float = 0.0


def pareto_front(rows: Sequence[RankingRow]) -> list[bool]:
    """Returns for each row whether it is Pareto-optimal in accuracy and milliseconds."""
    return [
        not row.reason and not any(_beats(other, row) for other in rows if not other.reason)
        for row in rows
    ]


def sort_rows(rows: Sequence[RankingRow]) -> list[RankingRow]:
    """Sorts rows by accuracy, then by speed; rows with a `reason` come last."""
    evaluated = [row for row in rows if not row.reason]
    return [
        *sorted(evaluated, key=lambda row: (-row.accuracy, row.milliseconds)),
        *(row for row in rows if row.reason),
    ]


def label_rows(rows: Sequence[RankingRow]) -> list[str]:
    """Returns a label for each row: its backbone, with the weights if one backbone has several.

    A weights file is named by the shortest part of its path that is unique.
    """
    weights: dict[str, set[str]] = {}
    for row in rows:
        weights.setdefault(row.config.backbone, set()).add(row.config.weights)
    return [
        f"{row.config.backbone} ({_short(row.config.weights, weights[row.config.backbone])})"
        if len(weights[row.config.backbone]) > 1
        else row.config.backbone
        for row in rows
    ]


def _short(path: str, others: Collection[str]) -> str:
    for shorten in _SHORTENINGS:
        if len({shorten(other) for other in others}) == len(others):
            return shorten(path)
    return path


def _beats(other: RankingRow, row: RankingRow) -> bool:
    gain, saving = other.accuracy - row.accuracy, row.milliseconds - other.milliseconds
    return min(gain, saving) >= 0 < max(gain, saving)
