"""The splits that the rows of a table are in, by its columns or by the folders of its paths."""

import itertools
import shlex
from collections.abc import Mapping, Sequence

from kerastl.data.split_words import split_named, split_within
from kerastl.data.table_columns import Roles
from kerastl.data.table_names import NO_COLUMN, key_of
from kerastl.data.table_reading import Table
from kerastl.data.table_shape import is_yes, say_the_same
from kerastl.data.table_splits import split_of_flag, splits_of_cells
from kerastl.errors import bad_value, name_some, shorten
from kerastl.progress import count_of
from kerastl.split_names import SPLITS, TEST, TRAIN, VALIDATION


def read_splits(table: Table, roles: Roles, meanings: Mapping[str, str]) -> tuple[list[str], str]:
    """Returns the split of each row, and a line for people about it, empty if there is none.

    Args:
        table: The table.
        roles: Its columns.
        meanings: Values of its column of splits that the user gave a split.

    Raises:
        UsageError: If a cell of the column stands for no split, or a value is in none.
    """
    cells = table.columns.get(roles.split, ())
    _check_meanings(roles.split, cells, meanings)
    if roles.split_flags:
        return _read_split_flags(table, roles.split_flags), ""
    if not roles.split:
        return [TRAIN] * len(table.lines), ""
    split_of = splits_of_cells(roles.split, cells)
    if meanings:
        split_of = {value: meanings.get(value, split) or TRAIN for value, split in split_of.items()}
    _refuse_strange(table, roles.split, split_of)
    # The first of these that exists is what others are split off.
    base = min(split_of.values(), key=SPLITS.index)
    split_of = {value: TRAIN if split == base else split for value, split in split_of.items()}
    unlike = [
        f"{shorten(value)} is {split}"
        # What the user said comes first.
        for value, split in sorted(split_of.items(), key=lambda pair: pair[0] not in meanings)
        if value and value.lower() != split
    ]
    if blank := list(cells).count(""):
        unlike.append(f"{count_of(blank, 'row')} without one: {split_of['']}")
    return [split_of[cell] for cell in cells], name_some(unlike)


def _check_meanings(column: str, cells: Sequence[str], meanings: Mapping[str, str]) -> None:
    if not (strange := [value for value in meanings if value not in cells]):
        return
    if not column:
        problem, advice = "the table has no column of splits", "Name it with --split_column"
    else:
        problem = f"is no value in the column {column!r} of splits"
        advice = f"Its values: {name_some(dict.fromkeys(cells), 8)}"
    raise bad_value("split_values", strange[0], problem, advice)


def _refuse_strange(table: Table, column: str, split_of: Mapping[str, str]) -> None:
    """Refuses values that stand for no split, and several for one that does not train."""
    known = set(split_of.values()) - {""}
    strange = [value for value, split in split_of.items() if not split]
    is_one = len(known) == 1 and known <= {VALIDATION, TEST} and len({*map(key_of, split_of)}) > 1
    all_of_one = f" and is all {', '.join(known)}" if is_one and not strange else ""
    strange = list(split_of) if all_of_one else strange
    others = [repr(value) for value in split_of if value and value not in strange]
    beside = f" beside {name_some(others, 3)}" if others else ""
    filled = max(strange, default="")
    needed, which = TEST, "not for"
    if known and TRAIN not in known:  # One of these trains, most likely that with the most rows.
        needed, which = TRAIN, "for"
        filled = max(strange, key=list(table.columns[column]).count, default="")
    advice = (
        f"Say which are {which} training, as {say_split(filled, needed)}"
        if filled
        else "Fill it in with train, validation or test"
    )
    table.refuse_rows(
        [cell in strange for cell in table.columns[column]],
        f"has {name_some([*map(repr, strange)], 3)}{beside} as {column}, which looks like the split"
        f"{all_of_one},",
        f"{advice}, or add --split_column={NO_COLUMN}",
    )


def say_split(value: str, split: str = TEST) -> str:
    """Returns the flag that takes a value of the column of splits for a split."""
    return f"--split_values={shlex.quote(f'{value}={split}')}"


def _read_split_flags(table: Table, names: Sequence[str]) -> list[str]:
    split_of = {name: split_of_flag(name) or "" for name in names}
    rows = zip(*(table.columns[name] for name in names), strict=True)
    chosen = [
        [split_of[name] for name in itertools.compress(names, map(is_yes, row))] for row in rows
    ]
    for count, are_wrong in (
        ("yes in several", [len(splits) > 1 for splits in chosen]),
        ("yes in none", [not splits and TRAIN in split_of.values() for splits in chosen]),
    ):
        table.refuse_rows(
            are_wrong,
            f"has {count} of {name_some(names)}, which look like the split,",
            f"Leave one in each row, or choose a column with --split_column, or {NO_COLUMN}",
        )
    splits = [(*splits, TRAIN)[0] for splits in chosen]
    base = min(splits, key=SPLITS.index)
    return [TRAIN if split == base else split for split in splits]


def splits_of_folders(examples: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Returns the splits that a level of folders names, in place of classes; empty if none does."""
    folders = [example.split("/")[:-1] for example in examples]
    for names in zip(*folders, strict=False):
        split_of = {name: split_within(name) or "" for name in set(names)}
        are_alone = all(map(split_named, split_of))
        # Classes may be called train station and test tube.
        are_classes = list(names) == list(labels) if are_alone else say_the_same(names, labels)
        if all(split_of.values()) and len(set(split_of.values())) > 1 and not are_classes:
            return [split_of[name] for name in names]
    return []
