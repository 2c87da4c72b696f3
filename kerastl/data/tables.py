"""Image files that a CSV or TSV file names."""

import collections
import contextlib
import dataclasses
import functools
import glob
import itertools
import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kerastl.data.content import readable
from kerastl.data.files import LabeledFile, Listing, make_listing, open_listing
from kerastl.data.labels import refuse_alike, refuse_twins
from kerastl.data.source import Source
from kerastl.data.split_words import split_within
from kerastl.data.table_columns import Finder
from kerastl.data.table_folders import spread_folders
from kerastl.data.table_lines import describe_table, note_folders, note_unused
from kerastl.data.table_names import NO_COLUMN, TOTALS, USUAL, is_missing, key_of
from kerastl.data.table_paths import ADDRESS, Folders, Place, find_near, find_places
from kerastl.data.table_reading import Table, read_table
from kerastl.data.table_repeats import use_each_once
from kerastl.data.table_rows import GIVE_ARRAYS
from kerastl.data.table_split_reading import read_splits, splits_of_folders
from kerastl.data.table_values import leave_unlabeled_out, read_labels
from kerastl.errors import UsageError, bad_value, name_some, shorten
from kerastl.paths import local_path
from kerastl.progress import Progress, count_of
from kerastl.settings import DataSettings
from kerastl.split_names import SPLITS, TRAIN

# What cells hold in place of a path, and what to do.
_NO_PATHS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, advice)
    for pattern, kind, advice in (
        (
            r"b['\"]\\x|['\"]bytes['\"]\s*:(?!\s*(none|null))",
            "bytes of images as text",
            "Save each as a file",
        ),
        (
            r"^(iVBORw0KGgo|/9j/|R0lGOD|UklGR)\S{99}",
            "images as base64 text",
            "Save each as a file",
        ),
        (r"^[\[({]+\s*(['\"]|[^\[\]]+\.[a-z]+\s*[\])])", "lists", "Write one path in a cell"),
        (r"^(array|tensor)?[\[(]+\s*-?[\d.]+[\s,]", "arrays as text", GIVE_ARRAYS),
        (r"^<\w+[\s>/].*(src|href)\s*=", "HTML", "Write the path alone"),
        (r"^<.* at 0x[0-9a-f]+>$", "Python objects as text", "Save each image as a file"),
        (r"\.[a-z]{3,4}\s*[;,|]\s*\S.*\.[a-z]{3,4}$", "several paths in a cell", "Write one"),
        (r"^(['\"]).*\1$|^'", "quotes within the cells", "Write the path alone"),
        (r"^=", "formulas of a spreadsheet", "Write the path alone"),
        (r"\.[a-z]{3,4}\?\S*=", "addresses with queries", "Write the path alone"),
    )
)
_NUMBERED = re.compile(r"column \d+")
_ROUNDED = re.compile(r"\d([.,]\d+)?e\+\d+", re.IGNORECASE)


def open_source(
    place: str, data: DataSettings, *, memory: pathlib.Path | None, progress: Progress
) -> Source:
    """Opens a table, see `list_table`, as `kerastl.data_sources` describes."""
    columns = {kind: getattr(data, f"{kind}_column") for kind in USUAL}
    listing = list_table(
        place, columns=columns, split_values=data.meanings_of_splits, progress=progress
    )
    return open_listing(data.dataset, listing, memory=memory, progress=progress)


def list_table(
    table: str,
    *,
    columns: Mapping[str, str],
    split_values: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Listing:
    """Lists the images of a CSV or TSV file, each once, and of those for other splits beside it.

    Args:
        table: Its path. `table_paths.find_places` defines what the paths in it mean.
        columns: Names of the columns "image", "label", "split" and "group" as the user gave
            them; an empty one is found by its values and its usual names.
        split_values: The splits that values of the split column stand for, as the user gave them.
        progress: Gets lines on what was found and on what a person should know.

    Raises:
        UsageError: If the file cannot be read, lacks something, or contradicts itself.
    """
    path, field = local_path(table, field="dataset"), f"csv:{table}"
    progress = progress or Progress()
    data = read_table(path, functools.partial(bad_value, "dataset", field))
    data = spread_folders(data)
    rows = _read_rows(data, table, columns, progress, split_values)
    if not rows.has_splits and columns.get("split") != NO_COLUMN:
        rows = _with_beside(rows, path, columns, progress)
    if parts := _find_parts(path):
        progress.line(
            f"Not read, though named like {path.name}: {name_some(parts)}. To use them, join all "
            "in one table, with a column fold if they are folds."
        )
    return _make_listing(rows.files, rows.labels, field)


class _Rows(NamedTuple):
    """What a table lists.

    Attributes:
        files: Each image once.
        labels: The classes of all rows.
        has_splits: Whether it tells the splits of its images.
        table: The table itself.
        columns: Its columns of paths, classes and groups.
    """

    files: list[LabeledFile]
    labels: list[str]
    has_splits: bool
    table: Table
    columns: dict[str, str]


def _read_rows(
    data: Table,
    table: str,
    columns: Mapping[str, str],
    progress: Progress,
    split_values: Mapping[str, str] | None = None,
) -> _Rows:
    folders = Folders()
    roles = finder_of(data, columns, folders, table).find_roles()
    data, unlabeled = leave_unlabeled_out(data, roles)
    places = _find_images(data, roles.image, folders)
    labels, notes = read_labels(data, roles)
    splits, meaning = read_splits(data, roles, split_values or {})
    has_column = bool(roles.split or roles.split_flags)
    named = splits if has_column else [split_within(data.path.stem) or ""] * len(places)
    places = _settle(data, roles.image, places, named)
    if not has_column and columns.get("split") != NO_COLUMN:
        splits = splits_of_folders([place.example for place in places], labels) or splits
    lines = (
        describe_table(data, roles, places, meaning, splits),
        unlabeled,
        note_unused(data, roles),
        notes,
        note_folders(places, labels),
    )
    for line in itertools.chain(*lines):
        progress.line(line)
    groups = data.columns.get(roles.group, [""] * len(places))
    files = list(map(_label_file, places, labels, splits, groups))
    whole = [folders.real(place.path) for place in places]
    files, note = use_each_once(files, whole, data)
    if note:
        progress.line(note)
    has_splits = bool(meaning) or len(set(splits)) > 1
    return _Rows(files, labels, has_splits, data, roles.as_given())


def _with_beside(
    rows: _Rows, path: pathlib.Path, columns: Mapping[str, str], progress: Progress
) -> _Rows:
    """Adds the rows of the tables for other splits, if each has one, with the same columns.

    Raises:
        UsageError: If an image is in several.
    """
    own, others = _find_beside(path)
    parts = {own: rows}
    for split, tables in others.items():
        part = _read_beside(tables, rows, columns)
        if isinstance(part, _Rows):
            parts[split] = part
        else:
            names = name_some([_name_beside(one, path) for one in tables])
            are = "are" if tables[1:] else "is"
            progress.line(f"{names} {are} not read with {path.name} for {split}: {part}")
    if len(parts) == 1:
        return rows
    base = min(parts, key=SPLITS.index)
    files = [
        dataclasses.replace(
            file,
            example=file.example if split == own else _name_beside(file.path, path),
            split=TRAIN if split == base else split,
        )
        for split, part in parts.items()
        for file in part.files
    ]
    names = name_some(
        [f"{_name_beside(part.table.path, path)} is {split}" for split, part in parts.items()]
    )
    alone = f"--split_column={NO_COLUMN} reads {path.name} alone"
    progress.line(f"Tables of splits are read together: {names}; {alone}.")
    files, _ = use_each_once(files, [os.path.realpath(file.path) for file in files], rows.table)
    labels = [label for part in parts.values() for label in part.labels]
    return _Rows(files, labels, True, rows.table, rows.columns)


def _name_beside(other: pathlib.Path, table: pathlib.Path) -> str:
    return readable(os.path.relpath(other, table.parent))


def _read_beside(
    tables: Sequence[pathlib.Path], rows: _Rows, columns: Mapping[str, str]
) -> _Rows | str:
    """Reads the only table for a split, or returns why it is not used."""
    [path, *more] = tables
    if more:
        return "each may be it."
    try:
        data = read_table(path, functools.partial(bad_value, "dataset", f"csv:{path}"))
        if _named(data) != _named(rows.table):
            return "has other columns."
        # In few rows, the roles of columns may be less clear.
        given = {role: name or rows.columns.get(role, "") for role, name in columns.items()}
        part = _read_rows(data, str(path), rows.columns | given, Progress())
    except UsageError as error:
        return str(error).partition("': ")[2]
    return "tells splits of its own." if part.has_splits else part


def _named(data: Table) -> set[str]:
    """Returns the names of columns that have one of their own."""
    return {name for name in data.columns if not _NUMBERED.fullmatch(name)}


def _find_beside(table: pathlib.Path) -> tuple[str, dict[str, list[pathlib.Path]]]:
    """Finds the split that a table is named for, and tables for other splits.

    It may be so by its own name, or by that of its folder, beside tables of the same name.
    """
    here = table.absolute()
    own, pattern, part = split_within(here.stem), f"*{glob.escape(here.suffix)}", -1
    if not own:
        own, pattern, part = split_within(here.parent.name), f"*/{glob.escape(here.name)}", -2
    found: dict[str, list[pathlib.Path]] = collections.defaultdict(list)
    with contextlib.suppress(OSError):
        for one in sorted(here.parents[-1 - part].glob(pattern)) if own else []:
            split = split_within(one.with_suffix("").parts[part])
            if split not in (None, own):
                found[str(split)].append(one)
    # Of several folds, only that with the same number belongs to it.
    for split, tables in found.items():
        same = [one for one in tables if _numbers(one, part) == _numbers(here, part)]
        found[split] = same if len(same) == 1 else tables
    return own or TRAIN, found


def _find_parts(table: pathlib.Path) -> list[str]:
    """Names the tables beside one whose names differ from its own by numbers alone."""
    pattern = re.compile(r"\d+".join(map(re.escape, re.split(r"\d+", table.name))))
    with contextlib.suppress(OSError):
        names = [readable(name) for name in sorted(os.listdir(table.parent)) if name != table.name]
        return [name for name in names if pattern.fullmatch(name)]
    return []


def _numbers(table: pathlib.Path, part: int) -> list[str]:
    return re.findall(r"\d+", table.with_suffix("").parts[part])


def _make_listing(files: Sequence[LabeledFile], labels: Sequence[str], field: str) -> Listing:
    listing = make_listing(files, labels, collections.Counter(), field=field)
    refuse_alike(listing.class_names, name=field)
    refuse_twins(listing.class_names, name=field, patterns=listing.patterns)
    return listing


def _label_file(place: Place, label: str, split: str, group: str) -> LabeledFile:
    group = "" if is_missing(group) else group
    return LabeledFile(pathlib.Path(place.path), place.example, label, split, group)


def list_paths(table: pathlib.Path, *, column: str = "") -> Iterator[pathlib.Path]:
    """Lists the files that the rows of a CSV or TSV file mean, as `list_table` does.

    An empty `column` is found by its values and its usual names.

    Raises:
        UsageError: If the file cannot be read, or has no such column.
    """
    data = read_table(table, functools.partial(bad_value, "paths", str(table)))
    folders = Folders()
    name = finder_of(data, {"image": column}, folders, str(table)).find_image()
    cells = data.columns[name]
    paths = [cell for cell in cells if not is_missing(cell)]
    found = (pathlib.Path(place.path) for place in _find_places(data, name, paths, folders))
    # A row without a path becomes a row with an error, so that none is missing.
    yield from (table.parent if is_missing(cell) else next(found) for cell in cells)


def finder_of(data: Table, columns: Mapping[str, str], folders: Folders, table: str) -> Finder:
    """Returns what finds the roles of a table's columns, some of which the user may have named."""

    def count_files(values: Sequence[str]) -> int:
        return sum(place.is_found for place in find_places(values, data.path.parent, folders))

    return Finder(data.columns, columns, wrong=data.wrong, table=table, count_files=count_files)


def _find_images(data: Table, column: str, folders: Folders) -> list[Place]:
    """Finds the files of all rows.

    Raises:
        UsageError: If a row has no path, or no path leads to a file.
    """
    paths = data.columns[column]
    data.refuse_rows(
        [is_missing(path) for path in paths],
        f"has no {column}",
        "Fill it in or remove the line",
    )
    places = _find_places(data, column, paths, folders)
    data.refuse_rows(
        [
            key_of(path) in TOTALS and not place.is_found
            for path, place in zip(paths, places, strict=True)
        ],
        f"has a sum as {column}, not an image,",
        "Remove that row",
    )
    return places


def _settle(
    data: Table, column: str, places: Sequence[Place], splits: Sequence[str]
) -> list[Place]:
    """Chooses among the files that a path may mean the one in a folder named for its split.

    Competitions have images of the same names in `train` and in `test`.

    Raises:
        UsageError: If several remain.
    """
    settled = []
    for place, split in zip(places, splits, strict=True):
        fitting = [
            one
            for one in (place.example, *place.others)
            if any(split_within(part) == split for part in one.split("/")[:-1])
        ]
        is_settled = bool(place.others and split and len(fitting) == 1)
        settled.append(_move(place, data.path.parent, fitting[0]) if is_settled else place)
    for cell, place in zip(data.columns[column], settled, strict=True):
        if place.others:
            data.refuse_rows(
                [bool(one.others) for one in settled],
                f"has {shorten(cell)!r} as {column}, which fits {place.example} and "
                f"{place.others[0]}, and the like",
                "Write the folder and the ending, or remove one of the files",
            )
    return settled


def _move(place: Place, folder: pathlib.Path, example: str) -> Place:
    return Place(place.text, os.path.join(folder, example), example, is_found=True)


def _find_places(data: Table, column: str, paths: Sequence[str], folders: Folders) -> list[Place]:
    places = find_places(paths, data.path.parent, folders)
    examples = " and ".join(repr(shorten(path)) for path in paths[:2])
    are_addresses = 2 * sum(ADDRESS.match(path) is not None for path in paths) > len(paths)
    if are_addresses and 2 * sum(place.is_found for place in places) <= len(paths):
        raise data.wrong(
            f"has web addresses as {column}, as {examples}, and images are not downloaded",
            "Download them and give their paths",
        )
    if paths and not any(place.is_found for place in places):
        if _ROUNDED.match(paths[0]):
            raise data.wrong(
                f"has numbers that a spreadsheet has rounded as {column}, as {examples}",
                "Write the table again with that column as text",
            )
        for pattern, kind, advice in _NO_PATHS:
            if all(map(pattern.search, paths[:2])):
                raise data.wrong(
                    f"column {column!r} holds {kind}, not paths, as {examples}", advice
                )
        near = find_near(paths[0], data.path.parent, folders)
        raise data.wrong(
            f"has {count_of(len(paths), 'path')} as {column}, and none leads to a file: no "
            f"{examples} from or below {data.path.parent}, nor from the working folder"
            f"{f', but {shorten(near)}' if near else ''}",
            "Give paths relative to the table",
        )
    return places
