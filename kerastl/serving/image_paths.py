"""Finds image files: in folders, by globs, in tables, and on standard input."""

import collections
import os
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator

from kerastl.data.table_rows import ENDINGS
from kerastl.data.tables import list_paths
from kerastl.data.tree import list_images
from kerastl.errors import bad_value
from kerastl.paths import local_path
from kerastl.serving.in_memory import InMemory

# Stands for paths on standard input.
STANDARD_INPUT = "-"


def find_images(
    names: Iterable[str | InMemory],
    *,
    image_column: str = "",
    ignored: collections.Counter[str] | None = None,
) -> Iterator[pathlib.Path | InMemory]:
    """Yields image files in the order of `names`, and within each in the order of their names.

    Each path is found when the iterator reaches it, so memory does not grow with their number; only
    a table is read as a whole.

    Args:
        names: Files; folders, searched to any depth; globs; CSV or TSV files with a column of paths
            relative to them; or "-" for paths on standard input, one per line. Images in memory
            are passed on.
        image_column: The column of paths; empty to find it by its usual names.
        ignored: Counts the other files in folders by kind, as the iterator meets them.

    Raises:
        UsageError: If a folder or a glob contains no images, or a table lacks the column.
        OSError: If a folder cannot be read.
    """
    for name in names:
        if isinstance(name, InMemory):
            yield name
        else:
            yield from _find(name, image_column, ignored)


def check_names(names: Iterable[str | InMemory], *, image_column: str = "") -> None:
    """Refuses the names that `find_images` would refuse when it reaches them.

    Raises:
        UsageError: See `find_images`, as for OSError.
    """
    for name in names:
        if not isinstance(name, InMemory) and name != STANDARD_INPUT:
            next(_find(name, image_column), None)


def _find(
    name: str, image_column: str, ignored: collections.Counter[str] | None = None
) -> Iterator[pathlib.Path]:
    if name == STANDARD_INPUT:
        lines = (line.rstrip("\r\n") for line in sys.stdin)
        yield from (pathlib.Path(line) for line in lines if line)
        return
    path = local_path(name, field="paths")
    if path.suffix.lower() in ENDINGS:
        yield from list_paths(path, column=image_column)
    elif path.is_dir():
        yield from _not_empty(name, list_images(path, ignored), "contains no images")
    elif re.search(r"[*?\[]", name) and not os.path.lexists(path):
        yield from _not_empty(name, _match(path), "matches no file")
    else:
        # A missing file becomes a prediction with that problem.
        yield path


def _match(pattern: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the files that match a glob; what exists of it as it stands is taken so."""
    root, parts = pathlib.Path(pattern.anchor), list(pattern.relative_to(pattern.anchor).parts)
    while os.path.lexists(root / parts[0]):
        root /= parts.pop(0)
    # Unlike glob.glob, pathlib's does not follow links in circles.
    found = sorted(root.glob("/".join(parts)))
    if not found:
        # Below a star too, a name may have brackets.
        found = sorted(root.glob("/".join(part.replace("[", "[[]") for part in parts)))
    yield from (path for path in found if path.is_file() and path.name[0] != ".")


def _not_empty(name: str, paths: Iterator[pathlib.Path], problem: str) -> Iterator[pathlib.Path]:
    first = next(paths, None)
    if first is None:
        raise bad_value("paths", name, problem, "Give files, folders, globs, CSV files or -")
    yield first
    yield from paths
