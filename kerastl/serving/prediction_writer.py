"""Writes predictions: as a table on a terminal, as CSV, as JSON lines or as Parquet."""

import collections
import contextlib
import csv
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.data.content import readable
from kerastl.disk_errors import explained
from kerastl.errors import KerastlError, bad_value
from kerastl.progress import Progress, count_of
from kerastl.serving.confusion import Confusion
from kerastl.serving.options import OUTPUT_ENDINGS, PredictOptions
from kerastl.serving.prediction import Prediction
from kerastl.writing import csv_text, replacing

Write = Callable[[Prediction], None]
_FIELD = "output"
# Classes in the line that counts them.
_MOST_COUNTED = 8
# Rows in a group of a Parquet file.
_ROWS_PER_GROUP = 10_000


@dataclasses.dataclass(frozen=True)
class Written:
    """The predictions that were written.

    Attributes:
        num_files: Number of files.
        num_failed: Number of those that could not be used.
        class_counts: How often each class was predicted, the most frequent first.
        score: Lines with the accuracy and the confusion matrix; empty without true classes.
    """

    num_files: int
    num_failed: int
    class_counts: Mapping[str, int]
    score: tuple[str, ...]

    def check(self) -> None:
        """Reports files that could not be used.

        Raises:
            KerastlError: If there are some.
        """
        if self.num_failed:
            rest = "; the others were classified" if self.num_failed < self.num_files else ""
            raise KerastlError(
                f"paths: {self.num_failed} of {count_of(self.num_files, 'file')} could not be "
                f"used. See the errors in their rows{rest}."
            )

    def describe(self) -> str:
        """Returns a line that counts the images and what they were taken for."""
        shown = [*self.class_counts.items()][:_MOST_COUNTED]
        counts = [f"{name} {number}" for name, number in shown]
        if more := len(self.class_counts) - len(shown):
            counts.append(f"{more} more")
        images = count_of(self.num_files - self.num_failed, "image")
        return ": ".join([f"Classified {images}", *([", ".join(counts)] if counts else [])])


def write_predictions(
    predictions: Iterable[Prediction],
    class_names: Sequence[str],
    options: PredictOptions,
    *,
    columns: Sequence[str],
    seen: Mapping[str, str] | None = None,
    progress: Progress,
) -> Written:
    """Writes predictions as they are computed.

    The columns are `image`; `class_name` and `confidence` of the most likely class; the same with
    `_2`, `_3` and so on for the next ones; those of `columns`; and `error`, which is empty for
    files that could be used.

    Args:
        predictions: The predictions.
        class_names: Names of the classes, in the order of the probabilities.
        options: Where they are written, see `Predictions.write`.
        columns: Attributes that each prediction has besides: `class_set`, `is_known`.
        seen: The split of each image of the model's run by its hash; None if that is not known.
        progress: Standard output.

    Raises:
        UsageError: If there are fewer than `top_k` classes.
        KerastlError: If the predictions cannot be written.
    """
    num_classes = len(class_names)
    if options.top_k > num_classes:
        problem = f"is more than the model's {num_classes} classes"
        raise bad_value("top_k", options.top_k, problem, f"Use {num_classes} or fewer")
    confusion = Confusion(class_names, seen)
    num_files = num_failed = 0
    counts: collections.Counter[str] = collections.Counter()
    table = _Columns(class_names, options.top_k, columns)
    with _open(options.output, table, progress) as write:
        for prediction in predictions:
            write(prediction)
            confusion.add(prediction)
            num_files += 1
            num_failed += bool(prediction.problem)
            counts[prediction.class_name] += not prediction.problem
            if progress.failure is not None:
                raise KerastlError(
                    f"stdout: was closed ({progress.failure.strerror}) after "
                    f"{count_of(num_files, 'file')}. The remaining files were not classified."
                )
            if options.output:
                progress.status(f"{count_of(num_files, 'file')} done")
    score = tuple(confusion.lines()) if options.labels_from else ()
    return Written(num_files, num_failed, dict((+counts).most_common()), score)


class _Columns:
    """Turns predictions into rows."""

    def __init__(self, class_names: Sequence[str], top_k: int, others: Sequence[str]) -> None:
        self._class_names = class_names
        self._top_k, self._others = top_k, others
        ranks = ["", *(f"_{rank}" for rank in range(2, 1 + top_k))]
        of_ranks = [f"{name}{rank}" for rank in ranks for name in ("class_name", "confidence")]
        self.names = ["image", *of_ranks, *others, "error"]

    def row(self, prediction: Prediction) -> list[Any]:
        """Returns the values of the columns; None for missing ones, and a tuple for a set."""
        image = readable(prediction.path)
        if prediction.probabilities is None:
            return [image, *[None] * (len(self.names) - 2), prediction.problem]
        best = np.argsort(-prediction.probabilities, kind="stable")[: self._top_k]
        # The shortest digits that give the same 32-bit number again.
        pairs = [
            value
            for label in best
            for value in (self._class_names[label], float(str(prediction.probabilities[label])))
        ]
        others = [getattr(prediction, name) for name in self._others]
        return [image, *pairs, *others, None]

    def record(self, prediction: Prediction) -> dict[str, Any]:
        """Returns the values by the names of the columns."""
        return dict(zip(self.names, self.row(prediction), strict=True))

    def cells(self, prediction: Prediction) -> list[Any]:
        """Returns the values as cells of a table, with sets and truth values as text."""
        return [_as_cell(value) for value in self.row(prediction)]


def _as_cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return "; ".join(value)
    return str(value).lower() if isinstance(value, bool) else value


@contextlib.contextmanager
def _open(output: str, columns: _Columns, progress: Progress) -> Iterator[Write]:
    if not output:
        yield _printer(columns, progress)
        return
    path = pathlib.Path(output)
    writer = _WRITERS[path.suffix.lower()]
    with explained(path, field=_FIELD):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, field=_FIELD) as temporary, writer(temporary, columns) as write:
        yield write


def _printer(columns: _Columns, progress: Progress) -> Write:
    if progress.on_terminal:
        progress.line("confidence  class and image")
        return lambda prediction: progress.line(_table_line(columns.record(prediction)))
    progress.line(_csv_line(columns.names))
    return lambda prediction: progress.line(_csv_line(columns.cells(prediction)))


def _table_line(record: Mapping[str, Any]) -> str:
    if record["error"]:
        return f"         -  {record['image']}: {record['error']}"
    first, *others = (
        (record[name], record[name.replace("class_name", "confidence")])
        for name in record
        if name.startswith("class_name")
    )
    more = "".join(f"  {name} {confidence:.4f}" for name, confidence in others)
    mark = "  (unknown image)" if record.get("is_known") is False else ""
    return f"{first[1]:>10.4f}  {first[0]}  {record['image']}{more}{mark}"


def _csv_line(values: Sequence[Any]) -> str:
    return csv_text(values, []).rstrip("\n")


@contextlib.contextmanager
def _csv(path: pathlib.Path, columns: _Columns) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns.names)
        yield lambda prediction: writer.writerow(columns.cells(prediction))


@contextlib.contextmanager
def _json_lines(path: pathlib.Path, columns: _Columns) -> Iterator[Write]:
    def write(prediction: Prediction) -> None:
        file.write(json.dumps(columns.record(prediction), ensure_ascii=False) + "\n")

    with path.open("w", encoding="utf-8", newline="") as file:
        yield write


@contextlib.contextmanager
def _parquet(path: pathlib.Path, columns: _Columns) -> Iterator[Write]:
    import pyarrow.parquet  # noqa: PLC0415  slow to import, and no other format needs it

    kinds = {"class_set": pyarrow.list_(pyarrow.string()), "is_known": pyarrow.bool_()}
    kinds |= {name: pyarrow.float32() for name in columns.names if "confidence" in name}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in columns.names])
    rows: list[dict[str, Any]] = []

    def write(prediction: Prediction) -> None:
        rows.append(columns.record(prediction))
        if len(rows) == _ROWS_PER_GROUP:
            flush()

    def flush() -> None:
        file.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
        rows.clear()

    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        yield write
        flush()


_WRITERS = dict(zip(OUTPUT_ENDINGS, (_csv, _json_lines, _parquet), strict=True))
