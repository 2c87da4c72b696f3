"""Tables beside class folders that have splits, groups or other classes of the images there."""

import dataclasses
import functools
import itertools
import pathlib
import shlex
from collections.abc import Iterable, Iterator, Sequence

from kerastl.data.content import readable
from kerastl.data.table_groups import are_within
from kerastl.data.table_paths import Folders, find_places
from kerastl.data.table_reading import Table, read_table
from kerastl.data.table_rows import ENDINGS
from kerastl.data.table_shape import say_the_same
from kerastl.data.tables import finder_of
from kerastl.errors import UsageError, bad_value, name_some, printable

# More are rather of an image each, and larger ones take long to read.
_MOST_TABLES, _MOST_BYTES = 5, 1 << 26
# A column of the classes that the folders name; no table has one of that name.
_FOLDER = "\0folder"


def describe_tables(
    tables: Iterable[pathlib.Path], top: pathlib.Path, *, has_splits: bool, has_groups: bool
) -> Iterator[tuple[pathlib.Path, str]]:
    """Yields each table whose splits, groups or classes are not used, and how to use them.

    Args:
        tables: Files.
        top: The folder that is read.
        has_splits: Whether the folders name the splits.
        has_groups: Whether they name the groups.
    """
    known = [path for path in tables if path.suffix.lower() in ENDINGS]
    for path in known if len(known) <= _MOST_TABLES else ():
        try:
            found, label = _find_uses(path, has_splits=has_splits, has_groups=has_groups)
        # What cannot be read says nothing of the images.
        except (UsageError, OSError):
            continue
        place = shlex.quote(f"csv:{path}")
        advice = (
            f"--dataset={place} --label_column={shlex.quote(label)} uses it"
            if label
            else f"with a column of classes added, --dataset={place} uses it"
        )
        if found:
            name = printable(readable(path.relative_to(top)))
            yield path, f"{name} has {' and '.join(found)} and is not used: {advice}"


def _find_uses(path: pathlib.Path, *, has_splits: bool, has_groups: bool) -> tuple[list[str], str]:
    """Finds what a table tells of images in folders, and its column of classes."""
    if path.stat().st_size > _MOST_BYTES:
        return [], ""
    data = read_table(path, functools.partial(bad_value, "dataset", f"csv:{path}"))
    folders = Folders()
    image = finder_of(data, {}, folders, str(path)).find_image()
    places = find_places(data.columns[image], path.parent, folders)
    is_found = [place.is_found for place in places]
    if 2 * sum(is_found) <= len(places):
        return [], ""
    columns = {
        **data.columns,
        _FOLDER: [pathlib.PurePath(place.path).parent.name for place in places],
    }
    columns = {name: [*itertools.compress(cells, is_found)] for name, cells in columns.items()}
    whole = dataclasses.replace(data, columns=columns)
    roles = finder_of(whole, {"image": image, "label": _FOLDER}, folders, str(path)).find_roles()
    same = (name for name in roles.others if say_the_same(columns[name], columns[_FOLDER]))
    splits = [roles.split] if roles.split else roles.split_flags
    found = [f"splits in {name_some(map(repr, splits))}"] if splits and not has_splits else []
    if roles.group and not has_groups:
        found.append(f"groups in {roles.group!r}")
    label = _find_classes(whole, image, columns[_FOLDER], folders)
    found += [f"classes in {label!r}"] if label else []
    return found, label or next(same, "")


def _find_classes(data: Table, image: str, names: Sequence[str], folders: Folders) -> str:
    """Returns a table's column of classes, if these neither follow from the folders nor reverse."""
    columns = {name: cells for name, cells in data.columns.items() if name != _FOLDER}
    whole = dataclasses.replace(data, columns=columns)
    try:
        label = finder_of(whole, {"image": image}, folders, str(data.path)).find_roles().label
    except UsageError:
        return ""
    cells = columns.get(label, names)
    are_others = not (are_within(cells, names) or are_within(names, cells))
    return label if label and are_others else ""
