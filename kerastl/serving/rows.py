"""One row an image: as a table on a terminal, as CSV, as JSON lines or as Parquet."""

import contextlib
import csv
import io
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastl.data.content import readable
from kerastl.errors import bad_value
from kerastl.progress import Progress
from kerastl.writing import explained, replacing

if TYPE_CHECKING:
    from kerastl.serving.predictor import Prediction

Write = Callable[[Sequence["Prediction"]], None]
_FIELD = "output"


class Columns:
    """Turns predictions into rows.

    The columns are `image`, `class_name` and `confidence` of the likeliest class, the same with
    `_2`, `_3` and so on for those that follow, and `error`, which is empty for a file that could
    be used.
    """

    def __init__(self, class_names: Sequence[str], top_k: int) -> None:
        self._class_names = class_names
        self._top_k = top_k
        ranks = ["", *(f"_{rank}" for rank in range(2, 1 + top_k))]
        of_ranks = [f"{name}{rank}" for rank in ranks for name in ("class_name", "confidence")]
        self.names = ["image", *of_ranks, "error"]

    def row(self, prediction: "Prediction") -> list[Any]:
        """Gives the values of the columns; None for what is not there."""
        image = readable(prediction.path)
        if prediction.probabilities is None:
            return [image, *[None] * (2 * self._top_k), prediction.problem]
        best = np.argsort(-prediction.probabilities, kind="stable")[: self._top_k]
        # The shortest digits that give the same number of 32 bits again.
        values = [float(str(prediction.probabilities[label])) for label in best]
        names = [self._class_names[label] for label in best]
        pairs = [value for pair in zip(names, values, strict=True) for value in pair]
        return [image, *pairs, None]


def check_output(output: str) -> None:
    """Looks at where rows are to go before there are any.

    Raises:
        UsageError: If the ending is of no kind that can be written.
    """
    ending = pathlib.PurePath(output).suffix.lower()
    if output and ending not in _WRITERS:
        raise bad_value(
            _FIELD, output, "has an ending of no known kind", f"Use one of {', '.join(_WRITERS)}"
        )


@contextlib.contextmanager
def open_rows(output: str, columns: Columns, progress: Progress) -> Iterator[Write]:
    """Yields a function that writes predictions as rows.

    Args:
        output: File that takes its place when all is written; its ending is its kind. Without
            one they go to `progress` as they come: a table on a terminal, or else CSV.
        columns: The columns.
        progress: Standard output.

    Raises:
        KerastlError: If the file cannot be written.
    """
    if not output:
        yield (
            _to_terminal(columns, progress)
            if progress.on_terminal
            else _to_lines(columns, progress)
        )
        return
    path = pathlib.Path(output).expanduser()
    writer = _WRITERS[path.suffix.lower()]
    with explained(path, field=_FIELD):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, field=_FIELD) as temporary, writer(temporary, columns) as write:
        yield write


def _to_terminal(columns: Columns, progress: Progress) -> Write:
    progress.line("confidence  class and image")

    def write(predictions: Sequence["Prediction"]) -> None:
        for prediction in predictions:
            image, *pairs, error = columns.row(prediction)
            if error:
                progress.line(f"         -  {image}: {error}")
                continue
            others = "".join(
                f"  {name} {confidence:.4f}"
                for name, confidence in zip(pairs[2::2], pairs[3::2], strict=True)
            )
            progress.line(f"{pairs[1]:>10.4f}  {pairs[0]}  {image}{others}")

    return write


def _to_lines(columns: Columns, progress: Progress) -> Write:
    progress.line(_csv_line(columns.names))

    def write(predictions: Sequence["Prediction"]) -> None:
        for prediction in predictions:
            progress.line(_csv_line(columns.row(prediction)))

    return write


def _csv_line(values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


@contextlib.contextmanager
def _csv(path: pathlib.Path, columns: Columns) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns.names)
        yield lambda predictions: writer.writerows(map(columns.row, predictions))


@contextlib.contextmanager
def _json_lines(path: pathlib.Path, columns: Columns) -> Iterator[Write]:
    def write(predictions: Sequence["Prediction"]) -> None:
        for prediction in predictions:
            row = dict(zip(columns.names, columns.row(prediction), strict=True))
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    with path.open("w", encoding="utf-8", newline="") as file:
        yield write


@contextlib.contextmanager
def _parquet(path: pathlib.Path, columns: Columns) -> Iterator[Write]:
    import pyarrow as pa  # noqa: PLC0415  slow to import, and no other kind needs it
    from pyarrow import parquet  # noqa: PLC0415

    kinds = [pa.float32() if "confidence" in name else pa.string() for name in columns.names]
    schema = pa.schema(list(zip(columns.names, kinds, strict=True)))

    def write(predictions: Sequence["Prediction"]) -> None:
        rows = [columns.row(prediction) for prediction in predictions]
        values = [list(column) for column in zip(*rows, strict=True)]
        arrays = [pa.array(column, kind) for column, kind in zip(values, kinds, strict=True)]
        file.write_batch(pa.record_batch(arrays, schema=schema))

    with parquet.ParquetWriter(path, schema) as file:
        yield write


_WRITERS = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
