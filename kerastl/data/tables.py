"""Image files that a CSV or TSV file names."""

import collections
import contextlib
import csv
import io
import pathlib
import re
from collections.abc import Iterator, Sequence

from kerastl.data.files import LabeledFile, Listing, make_listing, open_listing
from kerastl.data.labels import SPLIT_NAMES
from kerastl.data.source import Source
from kerastl.errors import UsageError, bad_value, closest
from kerastl.progress import Progress
from kerastl.settings import DataSettings

# Names of a table's columns, in lower case.
_COLUMNS = {
    "image": ("image", "path", "file", "filename", "file_name", "filepath", "image_path"),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "set", "subset"),
    "group": ("group", "group_id", "patient", "subject"),
}
# Value of a column's flag if the table has no such column.
_NO_COLUMN = "none"


def open_source(
    place: str, data: DataSettings, *, memory: pathlib.Path | None, progress: Progress
) -> Source:
    """Opens a table, see `list_table`, as `kerastl.data_sources` describes."""
    columns = {kind: getattr(data, f"{kind}_column") for kind in _COLUMNS}
    listing = list_table(place, columns=columns)
    return open_listing(data.dataset, listing, memory=memory, progress=progress)


def list_table(table: str, *, columns: dict[str, str]) -> Listing:
    """Lists the rows of a CSV or TSV file in UTF-8 with a header.

    Args:
        table: Its path; paths in it are relative to its folder.
        columns: Names of the columns "image", "label", "split" and "group" as the user gave
            them; an empty one is found by its usual names.

    Raises:
        UsageError: If the file cannot be read, or lacks a column or a value.
    """
    path = pathlib.Path(table).expanduser()
    field = f"csv:{table}"
    with _open_table(path, field) as rows:
        found = _find_columns(rows.fieldnames or (), columns, field)
        files = [
            _read_row(row, rows.line_num, found, path, field) for row in rows if any(row.values())
        ]
    if not files:
        raise bad_value("dataset", field, "has no rows", "Give a row for each image")
    names = [file.class_name for file in files]
    return make_listing(files, names, collections.Counter(), field=field)


def list_paths(table: pathlib.Path, *, column: str = "") -> Iterator[pathlib.Path]:
    """Lists the paths in a CSV or TSV file, as `list_table` does, without labels.

    An empty `column` is found by its usual names.

    Raises:
        UsageError: If the file cannot be read, or has no such column.
    """
    with _open_table(table, str(table), flag="paths") as rows:
        header = list(rows.fieldnames or ())
        if column and column not in header:
            raise _no_column("image", column, header, str(table))
        name = column or _usual_column(header, "image", str(table), flag="paths")
        # A row without a path becomes a row with an error, so that none is missing.
        yield from (
            table.parent / (row[name] or "").strip() for row in rows if name and any(row.values())
        )


@contextlib.contextmanager
def _open_table(
    path: pathlib.Path, field: str, *, flag: str = "dataset"
) -> Iterator["csv.DictReader[str]"]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise bad_value(
            flag, field, f"cannot be read ({error.strerror})", "Check its path"
        ) from error
    except UnicodeDecodeError as error:
        raise bad_value(flag, field, "is not UTF-8", "Save it as UTF-8") from error
    rows = _read_rows(text, is_tabbed=path.suffix.lower() == ".tsv")
    try:
        yield rows
    except csv.Error as error:
        raise UsageError(
            f"{flag}={field!r}: cannot be read after line {rows.line_num} ({error}). Close "
            "every double quote, and write one inside a cell twice."
        ) from error


def _read_rows(text: str, *, is_tabbed: bool) -> "csv.DictReader[str]":
    text = text.lstrip("\r\n")
    header_line, _, rest = text.partition("\n")
    # Spreadsheets may write the delimiter on a separate line.
    if named := re.fullmatch(r"sep=(.)\r?", header_line):
        delimiter, text = named[1], rest
    elif is_tabbed and "\t" in header_line:
        delimiter = "\t"
    else:
        delimiter = max("\t;,", key=header_line.count)
    rows = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    # And unnamed cells at the end, as many as there ever were columns.
    names = list(rows.fieldnames or ())
    while names and not names[-1].strip():
        names.pop()
    rows.fieldnames = names
    return rows


def _find_columns(
    header: Sequence[str], given: dict[str, str], field: str
) -> dict[str, str | None]:
    if twice := [name for name, count in collections.Counter(header).items() if count > 1]:
        raise bad_value(
            "dataset", field, f"has two columns named {twice[0]!r}", "Give each its own name"
        )
    if not header:
        raise bad_value("dataset", field, "is empty", "Give it a header and a row for each image")
    found: dict[str, str | None] = {}
    for kind in _COLUMNS:
        name = given.get(kind)
        if name == _NO_COLUMN and name not in header and kind in ("split", "group"):
            found[kind] = None
        elif name and name not in header:
            raise _no_column(kind, name, header, field.removeprefix("csv:"))
        else:
            found[kind] = name or _usual_column(header, kind, field)
    return found


def _no_column(kind: str, name: str, header: Sequence[str], table: str) -> UsageError:
    near = closest(name, header)
    advice = f"Did you mean {near[0]!r}? " if near else ""
    return bad_value(
        f"{kind}_column",
        name,
        f"is not a column of {table}",
        f"{advice}Columns: {', '.join(header)}",
    )


def _usual_column(
    header: Sequence[str], kind: str, field: str, *, flag: str = "dataset"
) -> str | None:
    usual = _COLUMNS[kind]
    named = [name for name in header if name.strip().lower() in usual]
    problem = ""
    if not named and kind in ("image", "label"):
        problem = f"has no column named {' or '.join(usual[:3])}"
    elif len(named) > 1:
        problem = f"has {len(named)} columns for the {kind} ({', '.join(named)})"
    if problem:
        advice = f"Choose one with --{kind}_column. Columns: {', '.join(header)}"
        raise bad_value(flag, field, problem, advice)
    return named[0] if named else None


def _read_row(
    row: dict[str, str],
    number: int,
    columns: dict[str, str | None],
    table: pathlib.Path,
    field: str,
) -> LabeledFile:
    if any(map(str.strip, row.get(None, ()))):  # type: ignore[call-overload]
        raise UsageError(
            f"dataset={field!r}: has more cells than its header in line {number}. Put a cell that "
            "holds the delimiter in double quotes."
        )
    values = {
        kind: (row[name] or "").strip() if name is not None else ""
        for kind, name in columns.items()
    }
    for kind in ("image", "label"):
        if not values[kind]:
            raise UsageError(
                f"dataset={field!r}: has no {columns[kind]} in line {number}. Fill it in or "
                "remove the line."
            )
        if "\0" in values[kind]:
            raise UsageError(f"dataset={field!r}: has a NUL character in line {number}. Remove it.")
    split = values["split"].lower()
    if split and split not in SPLIT_NAMES:
        raise UsageError(
            f"dataset={field!r}: has {values['split']!r} as {columns['split']} in line {number}. "
            f"Use train, validation or test, or --split_column={_NO_COLUMN}."
        )
    return LabeledFile(
        path=table.parent / values["image"],
        example=values["image"],
        class_name=values["label"],
        split=SPLIT_NAMES.get(split, "train"),
        group=values["group"],
    )
