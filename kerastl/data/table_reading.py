"""A table as named columns, with or without a header of its own."""

import collections
import dataclasses
import functools
import itertools
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence

from kerastl.data.table_json import is_json, read_json
from kerastl.data.table_names import KNOWN, key_of
from kerastl.data.table_paths import Folders, find_places, is_image_name
from kerastl.data.table_rows import SAMPLE_ROWS, Wrong, in_lines, read_rows, read_text
from kerastl.data.table_shape import has_header, is_number, refuse_blanks, refuse_pixels
from kerastl.errors import shorten
from kerastl.progress import count_of

# Titles and names of groups of columns above the header are no more rows.
_MOST_ABOVE = 4
# A cell of the line that is drawn below a header, as in `|:---|---:|` and `=====`.
_RULE = re.compile(r"[-=─|+: ]{2,}")
# The two halves of a name with a comma in its brackets, as of `Size[width,height]`.
_BRACKETS = {"[": "]", "(": ")"}
_OPENED = re.compile(r"([^][()]*)([\[(])[^][()]+")
_CLOSED = re.compile(r"([^][()]+)([])])")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that has been read.

    Attributes:
        path: The file.
        columns: The cells of each column, by its name.
        lines: The line of each row.
        has_header: Whether the columns' names are its own.
        wrong: Makes an error about it.
    """

    path: pathlib.Path
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    has_header: bool
    wrong: Wrong

    def refuse_rows(self, are_wrong: Sequence[bool], problem: str, advice: str) -> None:
        """Raises one error for all rows with a problem, if there are any."""
        rows = list(itertools.compress(range(len(self.lines)), are_wrong))
        if not rows:
            return
        # JSON may have all rows in one line, which tells nothing.
        if len(self.lines) > 1 and len(set(self.lines)) == 1:
            names = [self._name_row(row) for row in rows[:2]]
            several = f"in {len(rows)} rows, as of {' and '.join(names)}"
            place = several if len(rows) > 1 else f"in the row of {names[0]}"
        else:
            place = in_lines([self.lines[row] for row in rows])
        raise self.wrong(f"{problem} {place}", advice)

    def _name_row(self, row: int) -> str:
        """Returns the path in a row, or else its first cell."""
        cells = [cells[row] for cells in self.columns.values()]
        return shorten(next(filter(is_image_name, cells), next(filter(None, cells), "")))


def read_table(path: pathlib.Path, wrong: Wrong) -> Table:
    """Reads a table.

    Raises:
        UsageError: If it cannot be read, holds pixels, or has no rows.
    """
    text = read_text(path, wrong)
    is_object = is_json(text)
    rows = read_json(text, wrong) if is_object else _read_rows(text, path, wrong)
    # Pixels are refused before millions of them are in memory.
    head = list(itertools.islice(rows, SAMPLE_ROWS))
    head = head if is_object else _with_one_header(head)
    first_rows = [cells for _, cells in head]
    refuse_pixels(first_rows, wrong)
    refuse_blanks(first_rows, wrong)
    is_named = is_object or (has_header(first_rows) and not _leads_to_file(first_rows, path.parent))
    header = _name_columns(first_rows, wrong, is_named=is_named)
    body = [*(head[1:] if is_named else head), *rows]
    # Tables that are printed have a line below the header, and tables that are joined have several.
    is_extra = functools.partial(_is_rule_or_header, header=first_rows[0] if is_named else None)
    body = [row for row in body if not is_extra(row[1])]
    if not body:
        raise wrong("has no rows", "Give a row for each image")
    lines, cells = zip(*body, strict=True)
    width = len(header)
    padded = [[*row, *[""] * (width - len(row))][:width] for row in cells]
    columns = dict(zip(header, zip(*padded, strict=True), strict=True))
    table = Table(path, columns, lines, is_named, wrong)
    too_long = [any(row[width:]) for row in cells]
    if 2 * sum(too_long) > len(too_long):
        raise wrong(
            f"has a header of {count_of(width, 'cell')} above rows of {max(map(len, cells))}",
            "Name every column, and remove lines above the header",
        )
    table.refuse_rows(
        too_long,
        f"has more cells than its {'header' if is_named else 'first row'}",
        "Put a cell that holds the delimiter in double quotes",
    )
    return table


def _with_one_header(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Leaves out what stands above the names of columns, and other names below them."""
    names = [
        place
        for place, (_, cells) in enumerate(rows[:_MOST_ABOVE])
        if sum(key_of(cell) in KNOWN for cell in cells) > 1
    ]
    if not names:
        return rows
    first = names[0]
    below = next(place for place in itertools.count(first + 1) if place not in names)
    return [rows[first], *rows[below:]]


def _is_rule_or_header(cells: list[str], header: list[str] | None) -> bool:
    return cells == header or all(map(_RULE.fullmatch, filter(None, cells)))


def _read_rows(text: str, path: pathlib.Path, wrong: Wrong) -> Iterator[tuple[int, list[str]]]:
    rows = read_rows(text, path.suffix.lower(), wrong)
    head = list(itertools.islice(rows, SAMPLE_ROWS))
    is_divided = _has_file_and_class([cells for _, cells in head], path.parent)
    for line, cells in itertools.chain(head, rows):
        first, *others = cells
        yield line, [*first.split(maxsplit=1), *others] if is_divided else cells


def _has_file_and_class(rows: Sequence[Sequence[str]], folder: pathlib.Path) -> bool:
    """Whether rows are one cell each, of a file and a class that may have blanks within."""
    words = [row[0].split(maxsplit=1) for row in rows]
    body = words[1:] or words
    if any(len(row) > 1 for row in rows) or not all(len(two) > 1 for two in words):
        return False
    # A path may have blanks, too; an arrow and numbers in a row are no class.
    if any(is_image_name(rest) or not rest[0].isalnum() for _, rest in body):
        return False
    if all(is_number(number) for _, rest in body for number in rest.split()):
        return False
    places = find_places([first for first, _ in body], folder, Folders())
    return all(place.is_found for place in places)


def _leads_to_file(rows: Sequence[Sequence[str]], folder: pathlib.Path) -> bool:
    """Whether the first row names a file as most others do, and no column as people name them."""
    if any(key_of(cell) in KNOWN for cell in rows[0]):
        return False
    folders = Folders()
    for cells in zip(*rows, strict=False):
        first, *others = find_places(cells, folder, folders)
        if first.is_found and 2 * sum(place.is_found for place in others) > len(others) > 0:
            return True
    return False


def _name_columns(rows: Sequence[Sequence[str]], wrong: Wrong, *, is_named: bool) -> list[str]:
    first, *others = rows
    names = _close_brackets(first)
    # Spreadsheets write as many cells as there ever were columns.
    while names and not names[-1] and not _is_filled(others, len(names) - 1):
        names.pop()
    # R has no name for the names of rows.
    widths = {len(row) * bool(row[-1]) for row in others}
    if is_named and len(names) > 1 and all(first) and widths == {len(first) + 1}:
        names.insert(0, "")
    numbered = [f"column {number}" for number in range(1, len(names) + 1)]
    if not is_named:
        return numbered
    if len(names) > 1 and not any(names[1:]) and _is_filled(others, 1):
        raise wrong(
            f"has {shorten(names[0])!r} alone above rows of {len(names)} cells",
            "Name every column, and remove lines above the header",
        )
    names[0] = names[0].lstrip("# ")
    counts = collections.Counter(filter(None, names))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise wrong(f"has two columns named {twice[0]!r}", "Give each its own name")
    return [name or number for name, number in zip(names, numbered, strict=True)]


def _close_brackets(names: Sequence[str]) -> list[str]:
    """Gives each name its brackets where a comma within them has divided one.

    Example:
        >>> _close_brackets(["Spacing[x", "y]"])
        ['Spacing[x]', 'Spacing[y]']
    """
    closed = list(names)
    for place, (name, following) in enumerate(itertools.pairwise(names)):
        if (begin := _OPENED.fullmatch(name)) and (end := _CLOSED.fullmatch(following)):
            opening, closing = begin[2], end[2]
            if _BRACKETS[opening] == closing:
                closed[place] = name + closing
                closed[place + 1] = f"{begin[1]}{opening}{end[1]}{closing}"
    return closed


def _is_filled(rows: Sequence[Sequence[str]], place: int) -> bool:
    """Whether most rows have a cell there that is not empty."""
    return 2 * sum(any(row[place : place + 1]) for row in rows) > len(rows)
