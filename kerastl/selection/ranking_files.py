"""What a ranking leaves in its directory, and its table."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence

from kerastl.progress import Progress
from kerastl.selection.ranking_chart import draw_ranking
from kerastl.selection.rows import BATCH, Row, in_order, names, unbeaten
from kerastl.writing import csv_text, replace_text

TABLE = "ranking.csv"
CHART = "ranking.svg"
# The last to be written: it says that the ranking is finished.
FLAGS = "best.flags"
FILES = (FLAGS, CHART, TABLE)
_FIELD = "run_dir"
_MEGA = 1e6

HEADER = (
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


class RankingFiles:
    """Writes a ranking's files, each of which appears whole or not at all."""

    def __init__(self, run_dir: pathlib.Path, *, source_name: str) -> None:
        """Begins a ranking.

        Args:
            run_dir: Where the files go; it exists.
            source_name: What the data set is called.
        """
        self._run_dir = run_dir
        self._source_name = source_name
        self.rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Adds a row to `ranking.csv` and `ranking.svg`, which are in order at any time."""
        self.rows.append(row)
        self._write(TABLE, table_of(self.rows))
        if any(not row.reason for row in self.rows):
            title = f"Pretrained networks on {self._source_name}"
            self._write(CHART, draw_ranking(self.rows, title=title))

    def finish(self) -> Row:
        """Writes `best.flags`; gives the row that it is of, the first in order."""
        best = in_order(self.rows)[0]
        config = dataclasses.replace(best.config, run_dir=str(self._run_dir / "best"))
        about = (
            f"# {best.config.backbone} at {best.config.image_size} px, the most accurate of "
            f"{sum(not row.reason for row in self.rows)} on {self._source_name}:",
            f"# {best.accuracy:.4f} ({best.low:.4f}-{best.high:.4f}) of a linear probe on "
            f"{best.images} training images.",
        )
        self._write(FLAGS, "".join(f"{line}\n" for line in (*about, *config.to_flags())))
        return best

    def _write(self, name: str, text: str) -> None:
        replace_text(self._run_dir / name, text, field=_FIELD)


def table_of(rows: Sequence[Row]) -> str:
    """Gives `ranking.csv`'s content, the best first."""
    ordered = in_order(rows)
    return csv_text(
        HEADER,
        (
            (
                row.config.backbone,
                row.config.weights,
                row.config.image_size,
                *map(_number, (row.accuracy, row.low, row.high)),
                row.images,
                int(is_unbeaten),
                *map(_number, (row.milliseconds, row.milliseconds_in_batch)),
                row.parameters,
                _number(row.num_bytes / _MEGA),
                *map(_number, (row.h_score, row.logme, row.strength, row.seconds)),
                row.reason,
            )
            for row, is_unbeaten in zip(ordered, unbeaten(ordered), strict=True)
        ),
    )


def tell_row(row: Row) -> str:
    """Says in a line what came of a network."""
    if row.reason:
        return f"  {row.config.backbone} at {row.config.image_size} px left out: {row.reason}"
    return (
        f"  accuracy {row.accuracy:.4f} ({row.low:.4f}-{row.high:.4f}) on {row.images} images, "
        f"{row.milliseconds:.3g} ms an image."
    )


def tell_table(rows: Sequence[Row], progress: Progress) -> None:
    """Writes the rows as a table, the best first, those that none beats with a star."""
    ordered = in_order(rows)
    cells = [
        (
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
        ),
        *(
            _cells(row, name)
            for row, name in zip(ordered, names(ordered), strict=True)
            if not row.reason
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    marks = [False, *unbeaten(ordered)]
    for mark, texts in zip(marks, cells, strict=False):
        name, *numbers = (
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(texts, widths, strict=True))
        )
        progress.line("  ".join((f"{'*' if mark else ' '} {name}", *numbers)).rstrip())
    for row in ordered:
        if row.reason:
            progress.line(f"  {row.config.backbone} at {row.config.image_size} px: {row.reason}")
    progress.line("* no other is both as accurate and as fast, for an image by itself.")


def _cells(row: Row, name: str) -> tuple[str, ...]:
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
