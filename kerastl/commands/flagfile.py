"""Reads flag files, strictly: what absl would ignore silently is refused or applied."""

import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Self

from kerastl.config import flag_file_words
from kerastl.errors import UsageError
from kerastl.paths import local_path

_NAME = "flagfile"
_COMMAND_LINE = "command line"
# Pattern of a line -> what is wrong with it.
_PROBLEMS = (
    ("\0", "contains a NUL character; is the file saved as UTF-8?"),
    (r"^[^-]", "is not a flag"),
    (r"^-+\w+(\s+=|=\s)", "has a space beside its equals sign"),
    (r"^-+\w+\s", "has a space where its equals sign belongs"),
    (r"\s--?\w+=", "holds a second flag, which would be part of the value"),
    (r"\s#\s", "has a comment behind the flag, where it would be part of the value"),
)


class Argument(str):
    """An argument that knows where it was written.

    Attributes:
        where: In words, as "flag file x.flags".
    """

    where: str

    def __new__(cls, text: str, where: str) -> Self:
        """Makes it of its text."""
        argument = super().__new__(cls, text)
        argument.where = where
        return argument


def expand_flag_files(arguments: Sequence[str]) -> list[Argument]:
    """Replaces each `--flagfile=PATH` by the flags of that file, in its place.

    A file has one flag a line; empty lines and lines that start with `#` or `//` are
    comments. It may name further flag files, whose paths are relative to the working
    directory, as on the command line. A byte-order mark is skipped.

    Raises:
        UsageError: If a file cannot be read, has a line that is not a flag, or includes itself.
    """
    return list(_expand(arguments, opened=()))


def _expand(arguments: Sequence[str], opened: tuple[str, ...]) -> Iterator[Argument]:
    remaining = iter(arguments)
    for argument in remaining:
        name, has_value, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or name != _NAME:
            # One that was expanded already is left as it is.
            yield argument if isinstance(argument, Argument) else Argument(argument, _COMMAND_LINE)
            continue
        path = value if has_value else next(remaining, "")
        if not path:
            raise UsageError("flagfile='': is empty. Give the path of a flag file.")
        yield from _expand(*_read(local_path(path, field=_NAME), opened))


def _read(path: pathlib.Path, opened: tuple[str, ...]) -> tuple[list[Argument], tuple[str, ...]]:
    # Path.resolve would raise a RuntimeError for a link to itself.
    real = os.path.realpath(path)
    if real in opened:
        raise UsageError(f"flagfile={str(path)!r}: includes itself. Remove one of the two lines.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"flagfile={str(path)!r}: cannot be read ({error.strerror}). Check its path."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"flagfile={str(path)!r}: is not UTF-8. Save it as UTF-8.") from error
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        flag = line.strip()
        if not flag or flag.startswith(("#", "//")):
            continue
        problem = next((why for pattern, why in _PROBLEMS if re.search(pattern, flag)), None)
        if problem is not None:
            raise UsageError(f"{path}:{number}: {flag!r} {problem}. Lines look like --name=value.")
        lines.append(Argument(flag, flag_file_words(path)))
    return lines, (*opened, real)
