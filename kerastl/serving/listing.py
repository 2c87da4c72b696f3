"""From what a person names to image files, one after another."""

import pathlib
import re
import sys
from collections.abc import Iterable, Iterator

from kerastl.data.folders import list_images
from kerastl.data.tables import list_paths
from kerastl.errors import bad_value

# Reads paths from standard input.
STANDARD_INPUT = "-"
_TABLES = (".csv", ".tsv")


def find_images(names: Iterable[str], *, image_column: str = "") -> Iterator[pathlib.Path]:
    """Yields image files in the order of `names`, and within each in the order of their names.

    Nothing is looked at before it is asked for, so files of any number take no memory.

    Args:
        names: Files; folders, searched to any depth; globs; CSV or TSV files with a column of paths
            relative to them; or "-" for paths on standard input, one a line.
        image_column: The column of paths; empty to find it by its usual names.

    Raises:
        UsageError: If a folder or a glob has no images, or a table no such column.
        OSError: If a folder cannot be read.
    """
    for name in names:
        yield from _find(name, image_column)


def check_names(names: Iterable[str], *, image_column: str = "") -> None:
    """Refuses what `find_images` would in the end, before the first image.

    Raises:
        UsageError: See `find_images`, as of OSError.
    """
    for name in names:
        if name != STANDARD_INPUT:
            next(_find(name, image_column), None)


def _find(name: str, image_column: str) -> Iterator[pathlib.Path]:
    path = pathlib.Path(name).expanduser()
    if name == STANDARD_INPUT:
        yield from (pathlib.Path(line) for line in map(_path_of, sys.stdin) if line)
    elif path.suffix.lower() in _TABLES:
        yield from list_paths(path, column=image_column)
    elif path.is_dir():
        yield from _some(name, list_images(path), "holds no images")
    elif not path.exists() and re.search(r"[*?\[]", name):
        yield from _some(name, _match(path), "matches no file")
    else:
        # One that is missing gets a row that says so.
        yield path


def _match(pattern: pathlib.Path) -> Iterator[pathlib.Path]:
    # Unlike the glob module's, this one follows no link round and round.
    found = pathlib.Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
    yield from (path for path in sorted(found) if path.is_file() and path.name[0] != ".")


def _path_of(line: str) -> str:
    return line.rstrip("\r\n")


def _some(name: str, paths: Iterator[pathlib.Path], problem: str) -> Iterator[pathlib.Path]:
    first = next(paths, None)
    if first is None:
        raise bad_value("paths", name, problem, "Give files, folders, globs, a CSV file or -")
    yield first
    yield from paths
