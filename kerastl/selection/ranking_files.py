"""The files of a ranking, and its table on the screen."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Sequence

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

# Columns of the table behind the name.
_COLUMNS: dict[str, Callable[[RankingRow], str]] = {
    "px": lambda row: str(row.config.image_size),
    "accuracy": lambda row: f"{row.accuracy:.4f}",
    "interval": lambda row: f"{row.low:.4f}-{row.high:.4f}",
    "ms": lambda row: f"{row.milliseconds:.2f}",
    f"ms of {BATCH}": lambda row: f"{row.milliseconds_in_batch:.2f}",
    "parameters": lambda row: f"{row.parameters / _MEGA:.2f} M",
    "export": lambda row: f"{row.num_bytes / _MEGA:.1f} MB",
    "H-score": lambda row: f"{row.h_score:.2f}",
    "LogME": lambda row: f"{row.logme:.3f}",
}


def write_rows(
    rows: Sequence[RankingRow], run_dir: pathlib.Path, *, source_name: str, num_train: int
) -> None:
    """Writes `ranking.csv` and `ranking.svg`, the best row first; no chart without an accuracy."""
    ordered = sort_rows(rows)
    fields = list(map(_fields, ordered, pareto_front(ordered)))
    table = csv_text(tuple(fields[0]), (list(each.values()) for each in fields))
    replace_text(run_dir / RANKING_TABLE, table, field="run_dir")
    if not ordered[0].reason:
        chart = draw_ranking(
            rows,
            title=f"Pretrained networks on {source_name}",
            images=_images(ordered[0], num_train),
        )
        replace_text(run_dir / RANKING_CHART, chart, field="run_dir")


def write_best_flags(
    rows: Sequence[RankingRow], run_dir: pathlib.Path, *, source_name: str, num_train: int
) -> None:
    """Writes `best.flags`, which trains the network of the first row in `RUN_DIR/best`."""
    best = rows[0]
    # The budget was that of the ranking.
    config = dataclasses.replace(best.config, run_dir=str(run_dir / "best"), budget="")
    comments = (
        f"{best.config.backbone} at {best.config.image_size} px, the most accurate of "
        f"{sum(not row.reason for row in rows)} on {source_name}:",
        f"{best.accuracy:.4f} ({best.low:.4f}-{best.high:.4f}), cross-validated with a linear "
        f"probe on {_images(best, num_train)}.",
    )
    replace_text(run_dir / RANKING_FLAGS, config.to_flagfile(comments), field="run_dir")


def _images(row: RankingRow, num_train: int) -> str:
    """Describes what a network was evaluated on: with a budget, perhaps on a part."""
    part = f"{row.images} of " if row.images < num_train else ""
    return f"{part}{num_train} training images"


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
    failed = [
        f"  {row.config.backbone} at {row.config.image_size} px: {row.reason}"
        for row in rows
        if row.reason
    ]
    if not evaluated:
        return failed
    cells = [("network", *_COLUMNS)]
    for row, name in zip(evaluated, label_rows(evaluated), strict=True):
        cells.append((name, *(column(row) for column in _COLUMNS.values())))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    marks = (False, *pareto_front(evaluated))
    lines = []
    for mark, (name, *numbers) in zip(marks, cells, strict=True):
        columns = map(str.rjust, numbers, widths[1:])
        lines.append("  ".join((f"{'*' if mark else ' '} {name.ljust(widths[0])}", *columns)))
    star = "* no other network is both as accurate and as fast for a batch of one image."
    return [*lines, *failed, star]


def _fields(row: RankingRow, is_in_front: bool) -> dict[str, object]:
    values = {
        "backbone": row.config.backbone,
        "weights": row.config.weights,
        "image_size": row.config.image_size,
        "accuracy": row.accuracy,
        "accuracy_low": row.low,
        "accuracy_high": row.high,
        "images": row.images,
        "unbeaten": int(is_in_front),
        "milliseconds": row.milliseconds,
        f"milliseconds_of_{BATCH}": row.milliseconds_in_batch,
        "parameters": row.parameters,
        "export_megabytes": row.num_bytes / _MEGA,
        "h_score": row.h_score,
        "logme": row.logme,
        "logit_variance": row.strength,
        "seconds": row.seconds,
        "reason": row.reason,
    }
    return {
        name: value if not isinstance(value, float) else "" if math.isnan(value) else f"{value:.6g}"
        for name, value in values.items()
    }
