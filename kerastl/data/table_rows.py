"""The rows of a CSV or TSV file, whatever its encoding, its delimiter and its quotes."""

import codecs
import contextlib
import csv
import io
import itertools
import math
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence

from kerastl.data.conversions import way_of_kind, way_of_tool
from kerastl.data.table_names import KNOWN, key_of
from kerastl.data.tool_files import tool_of
from kerastl.errors import UsageError

# Builds the error for a table from what is wrong and what to do, see `kerastl.errors.bad_value`.
Wrong = Callable[[str, str], UsageError]
# What to do about a table that holds images instead of paths.
GIVE_ARRAYS = "In Python, give the images as arrays to kerastl.Source.from_arrays"

# Sides of the smallest images that people write so, in pixels.
_SMALLEST = 8


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


_GIVE_FILE = "Give arrays of images and labels as arrays:FILE"
# Of a file that is read as a table wherever it is found.
ENDINGS = (".csv", ".tsv", ".jsonl")
_SAVE_AS_CSV = "Save it as CSV in UTF-8"
# First bytes, what such a file is, and what to do.
_OTHER_KINDS = (
    (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an OpenDocument file", _SAVE_AS_CSV),
    (rb"PK\x03\x04.{26}[^\0/]{1,200}?\.npy", "a file of NumPy arrays", _GIVE_FILE),
    (rb"PK\x03\x04", "an Excel file or a ZIP archive", _SAVE_AS_CSV),
    (rb"\xd0\xcf\x11\xe0", "an old Excel file", _SAVE_AS_CSV),
    (
        rb"PAR1",
        "a Parquet file",
        _capital(way_of_kind("Parquet or Arrow files", "")),
    ),
    (rb"ARROW1|FEA1", "an Arrow file", _capital(way_of_kind("Parquet or Arrow files", ""))),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd", "a compressed file", "Unpack it"),
    (rb"\x93NUMPY", "a NumPy array", _GIVE_FILE),
    (rb"\x00\x00[\x08\x09\x0b-\x0e][\x01-\x04]\x00", "an IDX file of arrays", _GIVE_FILE),
    (rb"MATLAB [57]\.", "a MATLAB file", _GIVE_FILE),
    (rb"\x80[\x02-\x05]", "a Python pickle", _SAVE_AS_CSV),
    (rb"\x89HDF", "an HDF5 file", _GIVE_FILE),
    (rb"SQLite format 3", "an SQLite database", _SAVE_AS_CSV),
    (rb"%PDF", "a PDF file", _SAVE_AS_CSV),
    (rb"\xff\xd8\xff|\x89PNG", "an image", "Give a table with its path"),
    (rb"version https://git-lfs", "a Git LFS pointer, not the table", "Run git lfs pull"),
    (
        rb"(?i)\s*<(!doctype html|html|head|body|table|meta|div|style|script|title|p)\b",
        "a web page",
        "Download the table itself",
    ),
    (rb"\s*<(\?xml|[A-Za-z][\w:-]*[\s/>])", "an XML file", _SAVE_AS_CSV),
)
_HEAD = 1 << 16
_REMARK = re.compile(r"(#[^\r\n]*)[\r\n]+")
# What git leaves where two changes of a line could not be joined.
_CONFLICT = re.compile(r"^<<<<<<< .*\n(.*\n)*?=======\n(.*\n)*?>>>>>>> ", re.MULTILINE)
# A table for UTF-32 begins like one for UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Those that come first win where several fit alike.
_DELIMITERS = "\t,;|"
# Others are part of a name, which may differ from another by that alone.
_BLANKS = " \t\r\n"
# The characters and rows that the delimiter is found in.
_SAMPLE_SIZE, SAMPLE_ROWS = 1 << 20, 50
# A list that people separate by blanks, as in `cats/1.png 0`, `p12 1.png cat` and `cats_1 7 1 2`.
_IMAGE = r"\S+\.(png|jpe?g|bmp|gif|webp|tiff?)\"?"
_BLANK_SEPARATED = re.compile(
    rf"{_IMAGE}\s+\S+$|\"?[\w-]*\d[\w-]*\"?\s+{_IMAGE}(\s+\S+){{1,2}}$|\S+(\s+-?\d+)+$",
    re.IGNORECASE,
)


def flat_sides(count: int) -> str:
    """Returns the sides of an image that has so many numbers, as 28 x 28; empty for none.

    Example:
        >>> flat_sides(784), flat_sides(3072), flat_sides(100), flat_sides(12)
        ('28 x 28', '32 x 32 x 3', '10 x 10', '')
    """
    for channels, form in ((1, "{0} x {0}"), (3, "{0} x {0} x 3")):
        side = math.isqrt(count // channels)
        if side**2 * channels == count and side >= _SMALLEST:
            return form.format(side)
    return ""


def read_rows(text: str, ending: str, wrong: Wrong) -> Iterator[tuple[int, list[str]]]:
    """Yields each row that is not blank: its line number in the file, and its cells, stripped.

    Args:
        text: What the file holds.
        ending: That of its name, in lower case.
        wrong: Makes an error about it.

    Raises:
        UsageError: If it breaks a rule of quotes.
    """
    kept = text.lstrip("\r\n")
    first_line = re.split(r"[\r\n]", kept, maxsplit=1)[0]
    delimiter = ""
    # The delimiter may stand on a line of its own.
    if named := re.fullmatch(r"sep=(.)", first_line):
        delimiter, kept = named[1], kept[len(first_line) :].lstrip("\r\n")
    elif ending == ".tsv" and "\t" in first_line:
        delimiter = "\t"
    # As may the number of rows, above their header or without one.
    elif first_line.strip().isdecimal():
        count = sum(map(bool, map(str.strip, kept.splitlines()))) - 1
        if int(first_line) in (count, count - 1):
            kept = kept[len(first_line) :].lstrip("\r\n")
    kept = _without_remarks(kept)
    skipped = len(re.findall(r"\r\n|\r|\n", text[: len(text) - len(kept)]))
    kept = _without_quotes(kept) if not delimiter else kept
    delimiter = delimiter or _find_delimiter(kept)
    _refuse_another_delimiter(kept, delimiter, wrong)
    rows = _parse(kept, delimiter)
    try:
        for row in rows:
            cells = [cell.strip(_BLANKS) for cell in row]
            # Such lists have no header, but remarks.
            if any(cells) and not (delimiter == " " and cells[0].startswith("#")):
                yield skipped + rows.line_num, cells
    except csv.Error as error:
        raise _explain(error, skipped + rows.line_num, wrong) from error


def _without_remarks(text: str) -> str:
    """Leaves out lines above the table that begin with #, but for a header that does."""
    while remark := _REMARK.match(text):
        rest = text[remark.end() :]
        cells, below = (re.split(r"[,;\t|]", line) for line in (remark[1], rest.split("\n", 1)[0]))
        are_names, are_below = (
            any(key_of(cell) in KNOWN for cell in row) for row in (cells, below)
        )
        is_alone = below[0].startswith("#") or len(below) != len(cells)
        if are_names > are_below or not (is_alone or are_below):
            break
        text = rest
    return text


def _explain(error: csv.Error, line: int, wrong: Wrong) -> UsageError:
    if "field larger" in str(error):
        return wrong(
            f"holds a cell of more than {csv.field_size_limit()} characters in line {line}, "
            "such as pixels or a whole image",
            GIVE_ARRAYS,
        )
    return wrong(
        f"cannot be read after line {line} ({error})",
        "Close every double quote, and write one inside a cell twice",
    )


def read_text(path: pathlib.Path, wrong: Wrong) -> str:
    """Reads a table's file.

    Raises:
        UsageError: If it cannot be read, or is no text.
    """
    if os.path.isdir(path):
        tables = [one for one in sorted(path.iterdir()) if one.suffix.lower() in ENDINGS]
        table = f"csv:{tables[0]}" if len(tables) == 1 else "a table in it as csv:FILE"
        raise wrong("is a folder, not a table", f"Give {table}, or the folder as folder:{path}")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            _refuse_other_kinds(head, wrong)
            content = head + file.read()
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror})", "Check its path") from error
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    encoding = encoding or _utf16_without_mark(head) or "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise wrong(
            f"is not {encoding.upper()}: line {line} has the byte 0x{content[error.start]:02x}, "
            "which stands for other letters in each older encoding",
            "Save it as UTF-8",
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise wrong(f"has a NUL character in line {line}", "Remove it")
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        raise wrong(f"has an unresolved merge conflict in line {line}", "Resolve it")
    if not text.strip():
        raise wrong("is empty", "Give it a header and a row for each image")
    return text


def _refuse_other_kinds(head: bytes, wrong: Wrong) -> None:
    if tool := tool_of(head):
        raise wrong(f"is a file of {tool}, not a CSV or TSV file", _capital(way_of_tool(tool)))
    for first_bytes, kind, advice in _OTHER_KINDS:
        if re.match(first_bytes, head, re.DOTALL):
            raise wrong(f"is {kind}, not a CSV or TSV file", advice)


def _utf16_without_mark(head: bytes) -> str:
    """Recognizes UTF-16 by its zeros: of Latin letters every second byte is one."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < len(head) / 4 or min(even, odd):
        return ""
    return "utf-16-le" if odd else "utf-16-be"


def _find_delimiter(text: str) -> str:
    """Chooses the delimiter that divides most rows into as many cells as the first."""

    def fit(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in _sample(text, delimiter)]
        return (widths.count(widths[0]), widths[0]) if widths and widths[0] > 1 else (0, 1)

    best = max(_DELIMITERS, key=fit)
    if fit(best)[1] > 1:
        return best
    lines = text[:_SAMPLE_SIZE].split("\n")[1:SAMPLE_ROWS]
    lines = [line.strip() for line in lines if line.strip() and line[0] != "#"]
    is_by_blanks = lines and all(map(_BLANK_SEPARATED.match, lines))
    return " " if is_by_blanks else ","


def _without_quotes(text: str) -> str:
    """Takes the quotes off a table each row of which is in quotes as a whole."""
    sample = _sample(text, ",")
    if '"' not in text[:1] or any(len(row) > 1 for row in sample):
        return text
    inner = "\n".join(cell for row in sample for cell in row)
    widths = {len(row) for row in _sample(inner, _find_delimiter(inner))}
    if len(widths) != 1 or widths == {1}:
        return text
    with contextlib.suppress(csv.Error):
        return "\n".join("".join(row) for row in _parse(text, ","))
    return text


def _refuse_another_delimiter(text: str, delimiter: str, wrong: Wrong) -> None:
    """Refuses rows that another delimiter divides as this one divides only the header."""
    header, *rows = _sample(text, delimiter) or [[]]
    _, body = (*re.split(r"\r\n|\r|\n", text, maxsplit=1), "")[:2]
    other = _find_delimiter(body)
    if not rows or other == delimiter or any(len(row) > 1 for row in rows):
        return
    widths = {len(row) for row in _sample(body, other)}
    if len(header) > 1 and len(widths) == 1 and widths != {1}:
        raise wrong(
            f"has {delimiter!r} between the cells of its header and {other!r} between those of "
            "its rows",
            "Use one for all",
        )


def _sample(text: str, delimiter: str) -> list[list[str]]:
    """Reads some rows from the beginning, up to the first that breaks a rule of quotes."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        for row in itertools.islice(_parse(text[:_SAMPLE_SIZE], delimiter), SAMPLE_ROWS):
            rows += [row] if row else []
    return rows


def _parse(text: str, delimiter: str):  # type: ignore[no-untyped-def]
    quote = "'" if re.match(rf"'[^'\r\n]*'({re.escape(delimiter)}|$)", text) else '"'
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote,
        strict=True,
        skipinitialspace=True,
    )


def in_lines(lines: Sequence[int]) -> str:
    """Names the lines of rows for a message: "in line 2", or their number and two examples.

    JSON may have several rows in a line, which is no example then.
    """
    if len(lines) == 1:
        return f"in line {lines[0]}"
    first, second, *_ = lines
    return f"in {len(lines)} rows" + (f", as in lines {first} and {second}" * (first != second))
