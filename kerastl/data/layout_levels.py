"""Chooses between two levels of folders for the classes."""

import collections
from collections.abc import Callable, Sequence

from kerastl import layouts
from kerastl.data.folder_names import DATA_FOLDERS, IMAGE_FOLDERS, named_alike
from kerastl.data.labels import plain_name
from kerastl.data.layout_checks import Stop, check_deep, name_place
from kerastl.data.layout_groups import are_called, are_repeated, are_things, with_groups
from kerastl.data.layout_reading import Reading, read_as
from kerastl.data.tree import Folder
from kerastl.errors import UsageError
from kerastl.split_names import SPLITS


def upper_or_lower(
    top: Folder, inside: Sequence[Folder], stop: Stop, levels: Callable[..., str]
) -> str:
    """Chooses the level of the classes where folders only hold folders.

    Args:
        top: The folder that is read.
        inside: The folders that are classes, or hold them.
        stop: Makes an error of a problem and what to do.
        levels: Makes a layout of levels below the splits, if there are any.

    Raises:
        UsageError: If both levels may be it.
    """
    pairs, between = _below(inside)
    upper, lower = levels(layouts.CLASS), levels(layouts.FOLDER, *between, layouts.CLASS)
    above = [("", folder.name) for folder in inside]
    below = [inner for _, inner in pairs]
    named = [(folder.name, inner.name) for folder, inner in pairs]
    is_repeated = all(plain_name(name) == plain_name(other) for name, other in named)
    if (
        {_name(inner) for inner in below} <= IMAGE_FOLDERS
        or is_repeated
        or _are_groups(above, named)
    ):
        check_deep(inside, top, stop)
        return upper
    kinds = [named_alike({one.name for one in level}, has_table=False) for level in (inside, below)]
    if kinds[1] and not kinds[0]:
        return upper
    is_index = all(len(name) == 1 and other.lower()[0] == name.lower() for name, other in named)
    if is_index or (kinds[0] and not kinds[1]):
        return lower
    in_groups = levels(layouts.GROUP, *between, layouts.CLASS)
    if are_things(above) and not are_things(named) and _are_in_many(pairs):
        return in_groups
    readings = [read_as(with_groups(form, top), top, is_given=True) for form in (upper, lower)]
    if not readings[1].class_names[1:]:
        return upper
    raise _several_readings(readings, pairs, in_groups, stop)


def _are_groups(above: Sequence[tuple[str, str]], named: Sequence[tuple[str, str]]) -> bool:
    """Whether inner folders are named as groups, not as classes below those of a higher rank."""
    may_be_classes = are_repeated(named) or _are_counted([name for _, name in named])
    are_inner = are_called(named) or (are_things(named) and not may_be_classes)
    return are_inner and not are_things(above)


def _below(inside: Sequence[Folder]) -> tuple[list[tuple[Folder, Folder]], list[str]]:
    """Returns the folders in some, each with the one that it is in, and the levels between.

    Where each only holds one of the same name, as `SOB`, those in that are meant.
    """
    pairs = [(folder, inner) for folder in inside for inner in folder.holding]
    between: list[str] = []
    while (
        len({_name(inner) for _, inner in pairs}) == 1
        and all(inner.holding and not inner.files for _, inner in pairs)
        and pairs[0][1].name.lower() not in DATA_FOLDERS
    ):
        pairs = [(folder, one) for folder, inner in pairs for one in inner.holding]
        between.append(layouts.FOLDER)
    return pairs, between


def _are_in_many(pairs: Sequence[tuple[Folder, Folder]]) -> bool:
    """Whether each inner folder is, by its name, in several of the outer ones."""
    counts = collections.Counter(_name(inner) for _, inner in pairs)
    return min(counts.values()) >= len(SPLITS)


def _several_readings(
    readings: Sequence[Reading],
    pairs: Sequence[tuple[Folder, Folder]],
    in_groups: str,
    stop: Stop,
) -> UsageError:
    upper, lower = readings
    counts = collections.Counter(_name(inner) for _, inner in pairs)
    outer = collections.Counter(folder.path for folder, _ in pairs)
    may_group = {
        f"{upper.form}/{layouts.GROUP}": not upper.in_groups and min(outer.values()) >= len(SPLITS),
        in_groups: min(counts.values()) >= len(SPLITS),
    }
    groups = [form for form, is_possible in may_group.items() if is_possible]
    which = "inner or outer" if groups[1:] else "outer" if in_groups in groups else "inner"
    ways = [f"{' or '.join(groups)} to keep each {which} folder in one split"] if groups else []
    if max(counts.values()) > 1 and min(counts.values()) < len(outer):
        ways.append(f"{upper.form}/{layouts.CLASS} for a class of each pair")
    if {*counts.values()} == {len(outer)} and len(outer) <= len(SPLITS) and not upper.base:
        ways.append("name splits train, val and test")
    return stop(
        f"can be read as {upper.describe()} or as {lower.describe()}, since each folder holds only "
        f"folders, as {name_place(pairs[0][1], upper.top)}",
        ", or ".join([f"Choose with --layout={upper.form} or --layout={lower.form}", *ways]),
    )


def _name(folder: Folder) -> str:
    return plain_name(folder.name)


def _are_counted(names: Sequence[str]) -> bool:
    """Whether names count on from 0 or 1, each once, as classes below those of a higher rank do."""
    numbers = sorted(int(name) for name in names if name.isdecimal())
    return len(numbers) == len(names) and numbers in (
        [*range(len(names))],
        [*range(1, len(names) + 1)],
    )
