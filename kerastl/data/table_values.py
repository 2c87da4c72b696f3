"""The classes that the cells of a table stand for."""

import collections
import dataclasses
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from kerastl.data.table_columns import Roles
from kerastl.data.table_names import is_missing, is_unlabeled, key_of
from kerastl.data.table_reading import Table
from kerastl.data.table_rows import Wrong
from kerastl.data.table_shape import is_number, is_whole, is_yes, number_of
from kerastl.errors import name_some, shorten
from kerastl.progress import count_of

# What joins several labels in a cell. The first three are rarely part of a single one.
_JOINTS = ("|", ";", ",", "/", "+", "&", " ")
_STRONG_JOINTS = 3
# As Python and JSON write it, perhaps as the one value of a name.
_LIST = re.compile(
    r"\s*(?:\{\s*(['\"])[^'\"]*\1\s*:\s*)?(?:\[(.*?)\]|\{(.*?)\})\s*\}?\s*", re.DOTALL
)
_ONE_VALUE = re.compile(r"""\s*\{\s*(['"])[^'"]*\1\s*:\s*(['"])([^'"]*)\2\s*\}\s*""")
_QUOTED = re.compile(r"(['\"])(.*?)\1")
# As programs write them with their type: bytes of Python, whole numbers of a column of numbers.
_TYPED = {
    "bytes of Python": re.compile(r"b(['\"])(?P<name>.+)\1"),
    "formulas of a spreadsheet": re.compile(r'="(?P<name>.+)"'),
    "whole numbers with a point": re.compile(r"(?P<name>-?\d+)[.,]0+"),
}
# As spreadsheets show them: 2-Mar, Mar-02.
_MONTH = r"(jan|feb|m[aä]r|apr|ma[yi]|jun|jul|aug|sep|o[ck]t|nov|de[cz])"
_DATE = re.compile(rf"\d\d?[-. ]{_MONTH}\.?|{_MONTH}[-. ]\d\d", re.IGNORECASE)
# What programs write around a list of numbers.
_BRACKETS = re.compile(r"^\s*((tensor|array)\()?\s*[\[(]+|[\])]+[^\])]*\)?\s*$")
# Probabilities are written with few digits.
_ROUNDING = 0.02
# Where an object has the name of its class.
_NAME_KEYS = ("name", "classname", "label", "class", "displayname")
# Numbers of a box.
_BOX = 4
# So many different measurements are no classes.
_MANY_CLASSES = 20


def leave_unlabeled_out(table: Table, roles: Roles) -> tuple[Table, list[str]]:
    """Returns the rows with a label, and a line for people on those without one.

    Tools leave the label empty of what was skipped, and competitions that of test images. Where
    half of the rows or more lack it, the table is returned as it is: the column may be wrong.
    """
    labels = table.columns.get(roles.label, ())
    without = labels.count("")
    if not 0 < 2 * without < len(labels):
        return table, []
    kept = list(map(bool, labels))
    lines = [*itertools.compress(table.lines, kept)]
    columns = {name: [*itertools.compress(cells, kept)] for name, cells in table.columns.items()}
    images = itertools.compress(table.columns[roles.image], [not label for label in labels])
    shown = " and ".join(map(shorten, itertools.islice(images, 2)))
    note = f"Left out without {roles.label}: {count_of(without, 'row')}, as of {shown}."
    return dataclasses.replace(table, columns=columns, lines=lines), [note]


def read_labels(table: Table, roles: Roles) -> tuple[list[str], list[str]]:
    """Returns the class of each row, and lines for people about the classes.

    Raises:
        UsageError: If a row has none or several.
    """
    if roles.one_hot:
        return _read_one_hot(table, roles.one_hot), []
    labels = list(table.columns[roles.label])
    table.refuse_rows(
        [not label for label in labels], f"has no {roles.label}", "Fill it in or remove the line"
    )
    labels, notes = _undo_types(labels)
    labels = _undo_objects(table, roles.label, labels)
    are_lists = [bool(_parts_of_list(label) and _QUOTED.search(label)) for label in labels]
    if not all(are_lists):
        table.refuse_rows(
            are_lists,
            f"has lists or objects beside plain names as {roles.label}, as "
            f"{shorten(labels[are_lists.index(True)])!r},"
            if any(are_lists)
            else "",
            "Leave one class in each cell, or remove the row",
        )
    labels, more = _undo_one_hot(table, roles.label, labels) or _undo_lists(labels)
    notes += more
    table.refuse_rows(
        [len(label.splitlines()) > 1 for label in labels],
        f"has a line break in {roles.label}, as between several labels,",
        "Leave one class in each cell",
    )
    counts = collections.Counter(labels)
    _check_boxes(roles.label, labels, table.wrong)
    _check_numbers(roles.label, counts, table.wrong)
    return labels, [*notes, *note_classes(counts, len(labels))]


def note_classes(counts: Mapping[str, int], total: int, thing: str = "row") -> Iterator[str]:
    """Yields lines on classes that look like something else, for people.

    Args:
        counts: Number of labels of each class.
        total: Number of all labels.
        thing: What has a label.
    """
    if len(counts) == total >= _MANY_CLASSES:
        yield (
            f"Each of the {total} {thing}s has a label of its own, as {name_some([*counts], 2)}: "
            "measurements and remarks are no classes."
        )
    if dates := [label for label in counts if _DATE.fullmatch(label)]:
        yield (
            f"Classes that look like dates ({name_some(dates)}): a spreadsheet makes them of "
            "grades such as 2-3."
        )
    if words := _words_for_none(counts):
        named = ", ".join(f"{word} ({count_of(counts[word], thing)})" for word in words)
        yield (
            f"Classes that may mean a missing value: {named}. Each is a class of its own; remove "
            f"those {thing}s if it should be none."
        )
    if joint := _find_joint(counts):
        count = len({part for label in counts for part in _divide(label, joint)})
        example = next(label for label in counts if len(_divide(label, joint)) > 1)
        yield (
            f"Labels look like several in a cell, joined by {joint!r}, as {shorten(example)!r}: "
            f"{count_of(count, 'name')} make {len(counts)} classes. This trains one class an image."
        )


def _undo_types(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Makes names of labels that programs wrote with their type, if all are written so."""
    for what, pattern in _TYPED.items():
        names = [match["name"] for match in map(pattern.fullmatch, labels) if match]
        if labels and len(names) == len(labels):
            example, name = shorten(labels[0]), shorten(names[0])
            return names, [f"Labels are {what}, as {example!r}: that class is {name!r}."]
    return list(labels), []


def _undo_objects(table: Table, column: str, labels: Sequence[str]) -> list[str]:
    """Makes names of labels that are objects of JSON, or lists of them, by the name in each.

    Raises:
        UsageError: If one with several values has no name.
    """
    named = [_name_of_object(label) for label in labels]
    table.refuse_rows(
        [name is None for name in named],
        f"has an object without a name in {column}",
        'Write the name of the class alone, or as "name" in each object',
    )
    return [name or label for name, label in zip(named, labels, strict=True)]


def _name_of_object(label: str) -> str | None:
    """Returns the names that an object, or a list of them, holds; empty for other labels."""
    if not label.startswith(("{", "[")):
        return ""
    try:
        value = json.loads(label)
    except (ValueError, RecursionError):
        return ""
    objects = value if isinstance(value, list) else [value]
    if not objects or not all(isinstance(one, dict) for one in objects):
        return ""
    # One that has nothing but a class is read as a list is.
    if isinstance(value, dict) and len(value) <= 1:
        return ""
    keyed = [{key_of(name): inner for name, inner in one.items()} for one in objects]
    names = [next((one[key] for key in _NAME_KEYS if one.get(key)), None) for one in keyed]
    if not all(isinstance(name, str) for name in names):
        return None
    return names[0] if len(names) == 1 else json.dumps(names, ensure_ascii=False)


def _undo_one_hot(
    table: Table, column: str, labels: Sequence[str]
) -> tuple[list[str], list[str]] | None:
    """Makes the place of the 1 of labels that are lists of 0 and 1; None if they are none.

    Raises:
        UsageError: If one has none or several, or they are probabilities.
    """
    lists = [_numbers_of_list(label) for label in labels]
    if len({*map(len, lists)}) != 1 or not all(lists):
        return None
    if any(number not in (0, 1) for numbers in lists for number in numbers):
        if all(abs(sum(numbers) - 1) < _ROUNDING for numbers in lists):
            raise table.wrong(
                f"has a list of probabilities in each cell of {column}, as {shorten(labels[0])!r}",
                "Write the name of one class",
            )
        return None
    table.refuse_rows(
        [sum(numbers) != 1 for numbers in lists],
        f"has lists of 0 and 1 as {column}, but none or several with 1",
        "Each image has one class: leave one 1 in each list, or remove the row",
    )
    note = (
        f"Labels are one-hot lists of {len(lists[0])}, as {shorten(labels[0])!r}: the class is the "
        "place of the 1, counted from 0."
    )
    return [str(numbers.index(1)) for numbers in lists], [note]


def _numbers_of_list(label: str) -> list[float]:
    """Returns the numbers that a list in brackets holds, or three or more without any."""
    inside = _BRACKETS.sub("", label)
    parts = re.split(r"\s*[,;]\s*|\s+", inside.strip(" ,"))
    fewest = 2 if inside != label else 3
    are_numbers = len(parts) >= fewest and all(map(is_number, parts))
    return [number_of(part) for part in parts] if are_numbers else []


def _undo_lists(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Makes names of labels that are written as lists or end with what separates labels."""
    lists = [_parts_of_list(label) for label in labels]
    if not all(lists):
        plain = [label.strip("".join(_JOINTS[:_STRONG_JOINTS]) + " ") or label for label in labels]
        example = next(
            (label for label, name in zip(labels, plain, strict=True) if label != name), ""
        )
        notes = f"Labels have a separator at an end, as {shorten(example)!r}: it is left out."
        return plain, [notes] if example else []
    several = [label for label, parts in zip(labels, lists, strict=True) if len(parts) > 1]
    kind, meaning = (
        ("several", "each list is a class of its own")
        if several
        else ("one", "that one is the class")
    )
    example = shorten((*several, labels[0])[0])
    return list(map(", ".join, lists)), [f"Labels are lists of {kind}, as {example!r}: {meaning}."]


def _parts_of_list(label: str) -> list[str]:
    """Returns what a list that is written as text holds, nothing for other texts."""
    if found := _ONE_VALUE.fullmatch(label):
        return [found[3]]
    if not (found := _LIST.fullmatch(label)):
        return []
    inside = found[2] or found[3] or ""
    parts = [quoted[2] for quoted in _QUOTED.finditer(inside)] or inside.split(",")
    return [part.strip() for part in parts if part.strip()]


def _words_for_none(counts: Mapping[str, int]) -> list[str]:
    words = [label for label in counts if is_missing(label) or is_unlabeled(label)]
    others = [label for label in counts if label not in words and label != "-1"]
    # Beside 1 alone, it means no.
    is_unknown = "-1" in counts and others != ["1"] and all(map(str.isdecimal, others))
    return [*words, "-1"] if is_unknown else words


def _read_one_hot(table: Table, names: Sequence[str]) -> list[str]:
    rows = zip(*(table.columns[name] for name in names), strict=True)
    chosen = [list(itertools.compress(names, map(is_yes, row))) for row in rows]
    table.refuse_rows(
        [len(classes) != 1 for classes in chosen],
        f"has one-hot columns ({name_some(names)}), but none or several with 1",
        "Each image has one class: leave one 1 in each row, or remove the row",
    )
    return [class_name for [class_name] in chosen]


def _check_boxes(column: str, labels: Sequence[str], wrong: Wrong) -> None:
    """Refuses a class and a box, once or more, as `n02119789 1 2 30 40` and `0 0.5 0.5 0.1 0.1`."""
    behind = [label.split()[1 : 1 + _BOX] for label in labels]
    if 2 * sum(len(words) == _BOX and all(map(is_number, words)) for words in behind) > len(labels):
        raise wrong(
            f"has a class and four numbers or more in {column!r}, as {shorten(labels[0])!r}",
            "Leave the class alone in each cell",
        )


def _check_numbers(column: str, counts: Mapping[str, int], wrong: Wrong) -> None:
    numbers = [label for label in counts if is_number(label)]
    if len(numbers) >= _MANY_CLASSES and not all(map(is_whole, numbers)):
        raise wrong(
            f"column {column!r} holds {len(numbers)} different measurements, as "
            f"{name_some(numbers, 2)}, not classes",
            "Choose another with --label_column, or group the values into classes",
        )
    written: dict[float, str] = {}
    for number in filter(is_whole, numbers):
        other = written.setdefault(number_of(number), number)
        if other != number:
            raise wrong(
                f"column {column!r} has the classes {other!r} and {number!r}, which are one number",
                "Write it in one way",
            )


def _find_joint(counts: Mapping[str, int]) -> str:
    """Finds what joins labels, if few names make many of them; empty for nothing."""
    for place, joint in enumerate(_JOINTS):
        parts = {label: _divide(label, joint) for label in counts}
        several = [label for label in counts if len(parts[label]) > 1]
        holders = collections.Counter(part for label in counts for part in set(parts[label]))
        shared = sum(holders[part] > 1 for label in several for part in set(parts[label]))
        total = sum(len(set(parts[label])) for label in several)
        alone = any(label in holders and holders[label] > 1 for label in counts)
        is_strong = place < _STRONG_JOINTS
        fewer = len(holders) < len(counts)
        if several and 2 * shared > total and (is_strong or (fewer and alone)):
            return joint
    return ""


def _divide(label: str, joint: str) -> list[str]:
    parts = (part.strip("[](){}'\" ") for part in label.split(joint))
    return [part for part in parts if part]
