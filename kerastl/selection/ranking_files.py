"""The files of a ranking, and its table on the screen."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence

from kerastl.selection.file_names import RANKING_CHART, RANKING_FLAGS, RANKING_TABLE
from kerastl.selection.ranking_chart import draw_ranking
from kerastl.selection.ranking_row import (
    BATCH,
    RankingRow,
    label_rows,
    pareto_front,
    sort_rows,
)
from kerastl.writing import csv_text, replace_text

_MEGA = 1e6

_HEADER = (
    "backbone",
    "weights",
    "image_size",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "images",
    "unbeaten",
    "milliseconds",
    f"milliseconds_of_{BATCH}",
    "parameters",
    "export_megabytes",
    "h_score",
    "logme",
    "logit_variance",
    "seconds",
    "reason",
)


def write_rows(rows: Sequence[RankingRow], run_dir: pathlib.Path, *, source_name: str) -> None:
    """Writes `ranking.csv` and `ranking.svg`, the best row first; no chart without an accuracy."""
    ordered = sort_rows(rows)
    fields = map(_fields, ordered, pareto_front(ordered))
    replace_text(run_dir / RANKING_TABLE, csv_text(_HEADER, fields), field="run_dir")
    if not ordered[0].reason:
        chart = draw_ranking(rows, title=f"Pretrained networks on {source_name}")
        replace_text(run_dir / RANKING_CHART, chart, field="run_dir")


def write_best_flags(
    rows: Sequence[RankingRow], run_dir: pathlib.Path, *, source_name: str
) -> None:
    """Writes `best.flags`, which trains the network of the first row in `RUN_DIR/best`."""
    best = rows[0]
    config = dataclasses.replace(best.config, run_dir=str(run_dir / "best"))
    lines = (
        f"# {best.config.backbone} at {best.config.image_size} px, the most accurate of "
        f"{sum(not row.reason for row in rows)} on {source_name}:",
        f"# {best.accuracy:.4f} ({best.low:.4f}-{best.high:.4f}), cross-validated with a linear "
        f"probe on {best.images} training images.",
        *config.to_flags(),
    )
    replace_text(run_dir / RANKING_FLAGS, "".join(f"{line}\n" for line in lines), field="run_dir")


def describe_row(row: RankingRow) -> str:
    """Returns a line on a network's results, or on why it has none."""
    if row.reason:
        return f"  {row.config.backbone} at {row.config.image_size} px left out: {row.reason}"
    return (
        f"  accuracy {row.accuracy:.4f} ({row.low:.4f}-{row.high:.4f}) on {row.images} images, "
        f"{row.milliseconds:.3g} ms an image."
    )


def describe_table(rows: Sequence[RankingRow]) -> list[str]:
    """Returns the lines of a table, the best row first, with a star for the Pareto front."""
    evaluated = [row for row in sort_rows(rows) if not row.reason]
    header = (
        "network",
        "px",
        "accuracy",
        "interval",
        "ms",
        f"ms of {BATCH}",
        "parameters",
        "export",
        "H-score",
        "LogME",
    )
    cells = [header, *map(_cells, evaluated, label_rows(evaluated))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    marks = (False, *pareto_front(evaluated))
    lines = []
    for mark, (name, *numbers) in zip(marks, cells, strict=True):
        columns = map(str.rjust, numbers, widths[1:])
        lines.append("  ".join((f"{'*' if mark else ' '} {name.ljust(widths[0])}", *columns)))
    lines += [
        f"  {row.config.backbone} at {row.config.image_size} px: {row.reason}"
        for row in rows
        if row.reason
    ]
    return [*lines, "* no other network is both as accurate and as fast for a batch of one image."]


def _fields(row: RankingRow, is_in_front: bool) -> tuple[object, ...]:
    return (
        row.config.backbone,
        row.config.weights,
        row.config.image_size,
        *map(_number, (row.accuracy, row.low, row.high)),
        row.images,
        int(is_in_front),
        *map(_number, (row.milliseconds, row.milliseconds_in_batch)),
        row.parameters,
        _number(row.num_bytes / _MEGA),
        *map(_number, (row.h_score, row.logme, row.strength, row.seconds)),
        row.reason,
    )


def _cells(row: RankingRow, name: str) -> tuple[str, ...]:
    return (
        name,
        str(row.config.image_size),
        f"{row.accuracy:.4f}",
        f"{row.low:.4f}-{row.high:.4f}",
        f"{row.milliseconds:.2f}",
        f"{row.milliseconds_in_batch:.2f}",
        f"{row.parameters / _MEGA:.2f} M",
        f"{row.num_bytes / _MEGA:.1f} MB",
        f"{row.h_score:.2f}",
        f"{row.logme:.3f}",
    )


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
