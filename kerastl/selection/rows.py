"""What is known of the networks that are compared, and how they are ordered."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Collection, Sequence

from kerastl.config import Config

FOLDS = 5
# Images in a batch, where many are classified at once.
BATCH = 32
_SHORTENINGS: tuple[Callable[[str], str], ...] = (
    lambda path: pathlib.PurePath(path).name.split(".")[0],
    lambda path: pathlib.PurePath(path).name,
    lambda path: "/".join(pathlib.PurePath(path).parts[-2:]),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What is known of one network at one size.

    Attributes:
        config: The run that would train it.
        reason: Why it could not be judged; empty where it was.
        images: Training images that it was judged on.
        accuracy: Share of them that a probe judged right that had not seen them.
        low: Lower end of its 95 % interval over the folds.
        high: Upper end.
        strength: L2 penalty of the probe, as a variance of the logits.
        h_score: See `transferability.h_score`.
        logme: See `transferability.logme`.
        milliseconds: The network alone, for an image by itself.
        milliseconds_in_batch: The same, for each of `BATCH` images at once.
        parameters: Of the network with its head.
        num_bytes: Of the weights in an export.
        seconds: What all this took.
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


def unbeaten(rows: Sequence[Row]) -> list[bool]:
    """Says of each row whether no other is as good in accuracy and speed and better in one."""
    return [
        not row.reason and not any(_beats(other, row) for other in rows if not other.reason)
        for row in rows
    ]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Sorts rows by accuracy, then by speed; those without one come last."""
    judged = [row for row in rows if not row.reason]
    return [
        *sorted(judged, key=lambda row: (-row.accuracy, row.milliseconds)),
        *(row for row in rows if row.reason),
    ]


def names(rows: Sequence[Row]) -> list[str]:
    """Names the network of each row, with its weights where one backbone has several.

    Weights are named by as much of their path as tells them apart.
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


def _beats(other: Row, row: Row) -> bool:
    gain, saving = other.accuracy - row.accuracy, row.milliseconds - other.milliseconds
    return min(gain, saving) >= 0 < max(gain, saving)
