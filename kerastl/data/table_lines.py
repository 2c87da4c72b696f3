"""Lines for people on what a table was taken for."""

import pathlib
import shlex
from collections.abc import Iterator, Sequence

from kerastl.data.table_columns import Roles
from kerastl.data.table_paths import Place
from kerastl.data.table_reading import Table
from kerastl.data.table_shape import count_left_out
from kerastl.data.table_split_reading import say_split
from kerastl.errors import name_some, shorten
from kerastl.progress import count_of


def describe_table(
    data: Table, roles: Roles, places: Sequence[Place], meaning: str, splits: Sequence[str]
) -> Iterator[str]:
    """Yields lines on what each column was taken for."""
    if not data.has_header:
        yield f"The table has no header; its columns are {name_some(list(data.columns))}."
    classes = (
        f"one-hot columns ({name_some(roles.one_hot)})" if roles.one_hot else repr(roles.label)
    )
    parts = [f"paths in {roles.image!r}", f"classes in {classes}"]
    if roles.split:
        parts.append(f"splits in {roles.split!r}" + (f" ({meaning})" if meaning else ""))
    elif roles.split_flags:
        parts.append(f"splits in {name_some(roles.split_flags)}")
    elif len(set(splits)) > 1:
        parts.append("splits in the folders of the paths")
    if roles.group:
        count = len(set(filter(None, data.columns[roles.group])))
        parts.append(f"{count_of(count, 'group')} in {roles.group!r}")
    others = f"; not used: {name_some(roles.others)}" if roles.others else ""
    yield f"Table: {count_of(len(places), 'row')}, {', '.join(parts)}{others}."
    paths = data.columns[roles.image]
    found = sum(place.is_found for place in places)
    for path, place in zip(paths, places, strict=True):
        if place.is_found and place.example != path:
            shown = f"{shorten(path)!r} is {place.example}"
            yield f"Paths: {shown}, and so on; {found} of {len(places)} lead to a file."
            break


def note_folders(places: Sequence[Place], labels: Sequence[str]) -> Iterator[str]:
    """Yields a line if the folders of most images are named as classes, and some as another one."""
    names, folders = set(labels), [pathlib.PurePath(place.path).parent.name for place in places]
    named = [
        (place, folder, label)
        for place, folder, label in zip(places, folders, labels, strict=True)
        if folder in names
    ]
    others = [(place, label) for place, folder, label in named if folder != label]
    if others and 2 * len(named) > len(labels):
        place, label = others[0]
        yield (
            f"The folders of {count_of(len(others), 'image')} are named as other classes, as "
            f"{place.example} of class {label!r}: the table counts."
        )


def note_unused(data: Table, roles: Roles) -> Iterator[str]:
    """Yields lines on columns that matter though nothing is made of them."""
    if roles.boxes:
        yield f"Boxes ({name_some(roles.boxes)}) are not used: an image counts as a whole."
    for name in roles.others:
        if count := count_left_out(name, data.columns[name]):
            yield (
                f"Column {name!r} marks {count_of(count, 'row')} as not to be used, "
                "but they are: remove them from the table if they should not be."
            )
            break
    if roles.may_split:
        values = sorted(set(data.columns[roles.may_split]))
        yield (
            f"Column {roles.may_split!r} has values such as splits or folds have "
            f"({name_some(values)}): if it is the split, add "
            f"--split_column={shlex.quote(roles.may_split)} "
            f"{say_split(values[-1])}."
        )
    if roles.may_group:
        yield (
            f"Column {roles.may_group!r} has {len(set(data.columns[roles.may_group]))} values in "
            f"{count_of(len(data.lines), 'row')}: if images with the same one belong on one side "
            f"of a split, add --group_column={shlex.quote(roles.may_group)}."
        )
