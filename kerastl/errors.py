"""Errors that a user can fix; commands print them as one line, without a traceback."""

import csv
import difflib
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence

# Characters of a long name that are shown at each end.
_SHOWN = 20
# And of a wrong value that is text or a number, or anything else, and of another error's line.
_SHOWN_OF_TEXT, _SHOWN_OF_VALUE, _SHOWN_OF_LINE = 250, 40, 200
# What Python's and NumPy's readers of JSON, CSV, arrays and archives raise for files that are
# missing, cut off or something else.
DAMAGED = (
    *(OSError, ValueError, TypeError, LookupError, EOFError),
    *(csv.Error, zipfile.BadZipFile, zlib.error),
)


class KerastlError(Exception):
    """Something outside the flags (a file, the network, a package) is wrong."""


class UsageError(KerastlError):
    """The value of a flag or field is wrong; commands exit with 2 instead of 1."""


class ListedError(UsageError):
    """Much is wrong: the message sums it up, and a table has it all.

    Commands write the table to their directory, and the message then names its file.

    Attributes:
        header: Names of the table's columns.
        rows: The table's rows.
    """

    def __init__(
        self, message: str, header: Sequence[str], rows: Sequence[Sequence[object]]
    ) -> None:
        super().__init__(message)
        self.header = header
        self.rows = rows


def bad_value(field: str, value: object, problem: str, advice: str) -> UsageError:
    """Builds the error for a wrong value, as `FIELD=VALUE: problem. advice.`."""
    is_plain = isinstance(value, (str, int, float))
    # Arrays have several lines.
    shown = repr(value) if is_plain else " ".join(repr(value).split())
    most = _SHOWN_OF_TEXT if is_plain else _SHOWN_OF_VALUE
    if len(shown) > 2 * most:
        shown = f"{shown[:most]}...{shown[-most:]}"
    return UsageError(f"{field}={shown}: {problem}. {advice}.")


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's text, or its type if that is empty.

    One of more than 200 characters ends behind a sentence, or else with a whole word and "...".
    """
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if len(line) <= _SHOWN_OF_LINE:
        return line
    shown = line[: _SHOWN_OF_LINE + 1]
    if whole := re.match(r".*[.!?](?= [A-Z])", shown):
        return whole[0]
    return f"{shown.rpartition(' ')[0] or shown[:-1]} ..."


def name_some(names: Iterable[str], most: int = 4) -> str:
    """Lists names for a message: the first ones, each shortened, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(map(shorten, listed[:most])) + more


def shorten(text: str) -> str:
    """Leaves out the middle of a long name for a message, and escapes what cannot be seen."""
    seen = printable(text)
    return seen if len(seen) <= 2 * _SHOWN else f"{seen[:_SHOWN]}...{seen[-_SHOWN:]}"


def printable(text: str) -> str:
    """Escapes what cannot be seen, or would begin a new line."""
    return text if text.isprintable() else ascii(text)[1:-1]


def closest(name: str, known: Iterable[str], *, count: int = 1) -> list[str]:
    """Returns the known names most similar to `name`, ignoring case; empty if none is close."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)
    return [by_lower[match] for match in found]


def unknown_name(field: str, value: str, known: Iterable[str], *, what: str) -> UsageError:
    """Builds the error for a name that is not among `known`, with the closest one and all.

    Args:
        field: Flag that holds the name.
        value: The unknown name.
        known: Every valid name.
        what: What the names are, as in "a backbone of keras.applications".
    """
    names = list(known)
    near = closest(value, names)
    advice = f"Did you mean {near[0]!r}? " if near else ""
    return bad_value(field, value, f"is not {what}", f"{advice}Known: {', '.join(names)}")
