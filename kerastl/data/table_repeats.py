"""Images that have several rows of a table."""

import collections
from collections.abc import Sequence

from kerastl.data.files import LabeledFile
from kerastl.data.table_reading import Table
from kerastl.errors import shorten
from kerastl.progress import count_of

# What the rows of an image must agree on: the field, what it is called, and what to do otherwise.
_AGREED = (
    ("class_name", "classes", "Give each image one class, or remove its rows"),
    ("split", "splits", "Leave each image in one split"),
    ("group", "groups", "Give each image one group, or add --group_column=none"),
)


def use_each_once(
    files: Sequence[LabeledFile], identities: Sequence[str], table: Table
) -> tuple[list[LabeledFile], str]:
    """Keeps the first row of each image.

    Args:
        files: The rows.
        identities: For each, one text for all paths that lead to its file.
        table: Where they stand.

    Returns:
        One row for each image, and a line for people, empty if no image has several.

    Raises:
        UsageError: If rows of an image contradict each other.
    """
    rows_of: dict[str, list[int]] = collections.defaultdict(list)
    for row, identity in enumerate(identities):
        rows_of[identity].append(row)
    repeated = [rows for rows in rows_of.values() if len(rows) > 1]
    _refuse_contradictions(files, repeated, table)
    if not repeated:
        return list(files), ""
    again = sum(map(len, repeated)) - len(repeated)
    first, second = (table.lines[row] for row in repeated[0][:2])
    # JSON may have all rows in one line.
    place = f" in lines {first} and {second}" if first != second else ""
    note = (
        f"Repeats: {count_of(again, 'row')} of images that the table has before, with the same "
        f"class, as {shorten(files[repeated[0][0]].example)}{place}; each image is used once."
    )
    return [files[rows[0]] for rows in rows_of.values()], note


def _refuse_contradictions(
    files: Sequence[LabeledFile], repeated: Sequence[Sequence[int]], table: Table
) -> None:
    for field, what, advice in _AGREED:
        apart = {}
        for rows in repeated:
            values = list(dict.fromkeys(getattr(files[row], field) for row in rows))
            if len(values) > 1:
                apart[files[rows[0]].example] = " and ".join(map(shorten, values[:2]))
        if apart:
            examples = ", ".join(
                f"{shorten(name)} ({values})" for name, values in list(apart.items())[:2]
            )
            raise table.wrong(
                f"has {count_of(len(apart), 'image')} with rows of different {what}: {examples}",
                advice,
            )
