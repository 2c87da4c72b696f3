"""Labelled image files as people keep them: a folder for each class, or a table of paths."""

import collections
import contextlib
import csv
import dataclasses
import io
import os
import pathlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn

from kerastl.data.sources import Finding, order_classes, readable
from kerastl.errors import UsageError, bad_value, closest

# Folders above the class folders that bring their own splits.
_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
# What file managers, archives, notebooks and network drives leave behind.
_LITTER_FOLDERS = frozenset(
    ["__macosx", "@eadir", "$recycle.bin", "lost+found", "system volume information", "__pycache__"]
)
_LITTER_FILES = frozenset(["thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"])
# Files that stand beside images and are none.
_OTHER_ENDINGS = frozenset([".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".py"])

# Names of a table's columns.
_COLUMNS = {
    "image": ("image", "path", "file", "filename", "file_name", "filepath", "image_path"),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "set", "subset"),
    "group": ("group", "group_id", "patient", "subject"),
}
_SPLIT_VALUES = _SPLIT_FOLDERS | {"dev": "validation", "eval": "validation"}
# Says of a table that it brings no such column, whatever its columns are called.
_NO_COLUMN = "none"


@dataclasses.dataclass(frozen=True)
class LabelledFile:
    """One image file and what is said of it.

    Attributes:
        path: Where it is.
        example: Its name for people, relative to the folder or the table; bytes that are no
            text are escaped.
        class_name: Its class, in Unicode's composed form.
        split: "train", "validation" or "test", as the data bring it.
        group: What it shares with others that belong on the same side; empty for nothing.
    """

    path: pathlib.Path
    example: str
    class_name: str
    split: str = "train"
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Listing:
    """What was found.

    Attributes:
        files: Image files in a stable order.
        class_names: Every class, in the order of the labels, those without files included.
        ignored: How many other files there are, by what they are.
        findings: What a person should know of the names.
    """

    files: tuple[LabelledFile, ...]
    class_names: tuple[str, ...]
    ignored: dict[str, int]
    findings: tuple[Finding, ...] = ()


def list_folder(folder: str) -> Listing:
    """Lists a folder of class folders, or of train, val and test folders with those in them.

    Without train, val stands in for it, and without val too, test: what is missing can only be
    split off what is there. A class folder is searched to any depth; links are followed, but none
    twice. Hidden files and what file managers leave behind are counted and not listed.

    Raises:
        UsageError: If there is no such folder, or no class folder in it.
    """
    root = pathlib.Path(folder).expanduser()
    if not root.is_dir():
        problem = "is a file and no folder" if root.exists() else "does not exist"
        raise bad_value("dataset", f"folder:{folder}", problem, "Check its path")
    try:
        return _list_folder(root, folder)
    except PermissionError as error:
        raise bad_value(
            "dataset",
            f"folder:{folder}",
            f"holds {error.filename}, which cannot be read ({error.strerror})",
            "Give yourself the right to read it, or move it away",
        ) from error


def _list_folder(root: pathlib.Path, folder: str) -> Listing:
    ignored: collections.Counter[str] = collections.Counter()
    findings: list[Finding] = []
    children = _class_folders(root, ignored)
    by_split = {child: _SPLIT_FOLDERS.get(child.name.lower()) for child in children}
    stock = None
    if any(by_split.values()):
        strange = [child.name for child, split in by_split.items() if split is None]
        if strange:
            raise bad_value(
                "dataset",
                f"folder:{folder}",
                f"mixes split folders with others ({', '.join(strange[:3])})",
                "Put class folders into train, val and test, or directly below the folder",
            )
        # The first of these that is there is what others are split off.
        stock = min(filter(None, by_split.values()), key=["train", "validation", "test"].index)
        places = [
            (place, "train" if split == stock else split)
            for child, split in by_split.items()
            if split is not None
            for place in _class_folders(child, ignored)
        ]
        if stock != "train":
            names = ", ".join(child.name for child in children)
            findings.append(Finding(names, "no folder train", f"train is split off {stock}"))
    else:
        places = [(child, "train") for child in children]
    if len(places) == 1 and stock is None and (inner := _class_folders(children[0], ignored)):
        raise bad_value(
            "dataset",
            f"folder:{folder}",
            f"holds one folder alone, {children[0].name}, with {inner[0].name} and others in it",
            f"Give folder:{children[0]}",
        )
    if not places:
        images = sum(path.is_file() for path in root.iterdir())
        raise bad_value(
            "dataset",
            f"folder:{folder}",
            f"holds {images} files and no class folders" if images else "holds no class folders",
            "Give the folder above, with a folder for each class in it",
        )
    files = [
        LabelledFile(path, readable(path.relative_to(root)), readable(place.name), split)
        for place, split in places
        for path in _walk(place, [root, *(place for place, _ in places)], ignored)
    ]
    class_names = [readable(place.name) for place, _ in places]
    listing = _listing(files, class_names, ignored, field=f"folder:{folder}")
    return dataclasses.replace(listing, findings=(*findings, *listing.findings))


def list_table(table: str, *, columns: dict[str, str]) -> Listing:
    """Lists the rows of a CSV or TSV file in UTF-8 with a header.

    Args:
        table: Its path; paths in it are relative to its folder.
        columns: Names for "image", "label", "split" and "group" that the user chose; empty ones
            are found by their usual names.

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
    return _listing(files, names, collections.Counter(), field=field)


def list_paths(table: pathlib.Path, *, column: str = "") -> Iterator[pathlib.Path]:
    """Lists the paths in a CSV or TSV file, as `list_table` does, without any labels.

    Args:
        table: Its path.
        column: Name of the column of paths; empty to find it by its usual names.

    Raises:
        UsageError: If the file cannot be read, or has no such column.
    """
    with _open_table(table, str(table), flag="paths") as rows:
        header = list(rows.fieldnames or ())
        if column and column not in header:
            raise _no_column("image", column, header, str(table))
        name = column or _usual_column(header, "image", str(table), flag="paths")
        # A row without a path has a row with an error, so that none is missing.
        yield from (
            table.parent / (row[name] or "").strip() for row in rows if name and any(row.values())
        )


def list_images(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Lists the files below a folder, to any depth, that may be images, in the order of names.

    Links are followed, but none twice; hidden files, what file managers leave behind and files
    that are no images by their ending are left out.

    Raises:
        OSError: If a folder cannot be read.
    """
    yield from _walk(folder, [folder], collections.Counter())


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
            f"{flag}={field!r}: cannot be read behind line {rows.line_num} ({error}). Close "
            "every double quote, and write one inside a cell twice."
        ) from error


def _read_rows(text: str, *, is_tabbed: bool) -> "csv.DictReader[str]":
    text = text.lstrip("\r\n")
    header_line, _, rest = text.partition("\n")
    # Spreadsheets may write first of all what stands between the cells.
    if named := re.fullmatch(r"sep=(.)\r?", header_line):
        delimiter, text = named[1], rest
    elif is_tabbed and "\t" in header_line:
        delimiter = "\t"
    else:
        delimiter = max("\t;,", key=header_line.count)
    rows = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    # And cells without a name at the end, as many as there ever were columns.
    names = list(rows.fieldnames or ())
    while names and not names[-1].strip():
        names.pop()
    rows.fieldnames = names
    return rows


def _find_columns(
    header: Sequence[str], asked: dict[str, str], field: str
) -> dict[str, str | None]:
    if twice := [name for name, count in collections.Counter(header).items() if count > 1]:
        raise bad_value(
            "dataset", field, f"has two columns named {twice[0]!r}", "Give each its own name"
        )
    if not header:
        raise bad_value("dataset", field, "is empty", "Give it a header and a row for each image")
    found: dict[str, str | None] = {}
    for kind in _COLUMNS:
        name = asked.get(kind)
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
        f"{kind}_column", name, f"is no column of {table}", f"{advice}Columns: {', '.join(header)}"
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
) -> LabelledFile:
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
    if split and split not in _SPLIT_VALUES:
        raise UsageError(
            f"dataset={field!r}: has {values['split']!r} as {columns['split']} in line {number}. "
            f"Use train, validation or test, or --split_column={_NO_COLUMN}."
        )
    return LabelledFile(
        path=table.parent / values["image"],
        example=values["image"],
        class_name=values["label"],
        split=_SPLIT_VALUES.get(split, "train"),
        group=values["group"],
    )


def _listing(
    files: Iterable[LabelledFile],
    class_names: Iterable[str],
    ignored: collections.Counter[str],
    *,
    field: str,
) -> Listing:
    # macOS takes names apart into letters and accents; the same class may come in both forms.
    composed = {name: unicodedata.normalize("NFC", name) for name in class_names}
    if strange := [name for name in composed.values() if not name.isprintable()]:
        raise bad_value(
            "dataset",
            field,
            f"has a class named {strange[0]!r}, which is not one line of text",
            "Give it another name",
        )
    joined = collections.Counter(composed.values())
    return Listing(
        tuple(dataclasses.replace(file, class_name=composed[file.class_name]) for file in files),
        order_classes(composed.values()),
        dict(ignored),
        tuple(
            Finding(name, "class name in two forms of Unicode", "taken as one class")
            for name, count in sorted(joined.items())
            if count > 1
        ),
    )


def _class_folders(root: pathlib.Path, ignored: collections.Counter[str]) -> list[pathlib.Path]:
    folders = []
    for child in sorted(root.iterdir()):
        if child.is_dir():
            if _is_litter(child.name, _LITTER_FOLDERS):
                ignored["hidden or litter"] += _count_files(child)
            elif root.resolve().is_relative_to(child.resolve()):
                ignored["links that lead back"] += 1
            else:
                folders.append(child)
        else:
            ignored["outside the class folders"] += 1
    return folders


def _walk(
    folder: pathlib.Path, listed: Sequence[pathlib.Path], ignored: collections.Counter[str]
) -> Iterator[pathlib.Path]:
    """Yields the files below `folder`.

    Args:
        folder: Where to begin.
        listed: The root, and what else is listed by itself.
        ignored: Counts what is left out.
    """
    seen = set()
    of_class, of_all, *others = (
        pathlib.Path(os.path.realpath(place)) for place in (folder, *listed)
    )
    for directory, names, files in os.walk(folder, followlinks=True, onerror=_raise):
        real = pathlib.Path(os.path.realpath(directory))
        # A link that leads back, or to what has a class of its own.
        elsewhere = not real.is_relative_to(of_class)
        back = of_all.is_relative_to(real) or any(map(real.is_relative_to, others))
        if real in seen or (elsewhere and back):
            ignored["links that lead back"] += 1
            names.clear()
            continue
        seen.add(real)
        for name in [name for name in names if _is_litter(name, _LITTER_FOLDERS)]:
            ignored["hidden or litter"] += _count_files(pathlib.Path(directory, name))
            names.remove(name)
        names.sort()
        for name in sorted(files):
            if _is_litter(name, _LITTER_FILES):
                ignored["hidden or litter"] += 1
            elif pathlib.PurePath(name).suffix.lower() in _OTHER_ENDINGS:
                ignored["no images by their ending"] += 1
            elif _is_special(path := pathlib.Path(directory, name)):
                ignored["pipes and devices"] += 1
            else:
                yield path


def _raise(error: OSError) -> NoReturn:
    raise error


def _count_files(folder: pathlib.Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def _is_special(path: pathlib.Path) -> bool:
    # A link that leads nowhere is listed, so that it is told as unusable.
    return path.exists() and not path.is_file()


def _is_litter(name: str, known: frozenset[str]) -> bool:
    return name.startswith(".") or name.lower() in known
