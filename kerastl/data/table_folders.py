"""Rows that name a folder of images each, as of a study or a video, made rows of its images."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Sequence

from kerastl.data.split_words import split_named
from kerastl.data.table_names import USUAL
from kerastl.data.table_paths import is_image_name
from kerastl.data.table_reading import Table
from kerastl.data.tree import list_images

# Rows that are looked at first.
_SAMPLE_ROWS = 50


def spread_folders(table: Table) -> Table:
    """Returns a table with a row for each image in the folder of a row, which becomes its group.

    It is returned as it is if it names images, or no column names a folder in each row.
    """
    columns = {name: [*map(_as_path, cells)] for name, cells in table.columns.items()}
    if any(map(is_image_name, itertools.chain.from_iterable(columns.values()))):
        return table
    roots = (table.path.parent, table.path.parent.parent, pathlib.Path())
    for name, cells in columns.items():
        # Few may be classes or splits, which folders are named for, too.
        may_be = 2 * len(set(cells)) > len(cells) and not any(map(split_named, cells))
        for root in roots if may_be else ():
            sample = cells[:: max(1, len(cells) // _SAMPLE_ROWS)]
            if all(cell and os.path.isdir(root / cell) for cell in (*sample, *cells)):
                return _spread(table, name, [root / cell for cell in cells])
    return table


def _spread(table: Table, name: str, folders: Sequence[pathlib.Path]) -> Table:
    images = [list(list_images(folder)) for folder in folders]
    rows = [row for row, inside in enumerate(images) for _ in inside]
    if not rows:
        return table
    columns = {other: [cells[row] for row in rows] for other, cells in table.columns.items()}
    columns.setdefault(USUAL["group"][0].split()[0], columns[name])
    paths = itertools.chain.from_iterable(images)
    columns[name] = [os.path.relpath(path, table.path.parent) for path in paths]
    return dataclasses.replace(table, columns=columns, lines=[table.lines[row] for row in rows])


def _as_path(cell: str) -> str:
    return cell.replace("\\", "/")
