"""The flag that leaves folders out, as errors name it."""

import glob
import pathlib
import shlex
from collections.abc import Iterable, Mapping, Sequence

from kerastl.errors import printable

# Patterns of the folders of each class, by its name.
Patterns = Mapping[str, Sequence[str]]


def flag_without(places: Iterable[pathlib.PurePath]) -> str:
    """Writes the flag that leaves folders out, given the last parts of their paths."""
    return _flag(patterns_of(places))


def patterns_of(places: Iterable[pathlib.PurePath]) -> list[str]:
    """Returns the patterns of folders, as `flag_without` joins them."""
    return [glob.escape(place.as_posix()).replace(",", "?") for place in places]


def leave_out_classes(names: Iterable[str], patterns: Patterns) -> str:
    """Writes how to leave classes out, to follow "leave it"."""
    found = [pattern for name in names for pattern in patterns.get(name, ())]
    return f"out with {_flag(found)}" if found else "out"


def _flag(patterns: Iterable[str]) -> str:
    return f"--leave_out={shlex.quote(printable(','.join(dict.fromkeys(patterns))))}"
