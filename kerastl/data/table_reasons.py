"""What columns look like that hold no single class for each image, and what to do with them."""

import collections
import itertools
import re
import shlex
from collections.abc import Mapping, Sequence

from kerastl.data.table_names import USUAL, is_missing, words_of
from kerastl.data.table_shape import (
    is_number,
    is_whole,
    is_yes_or_no,
    number_of,
    say_the_same,
)
from kerastl.errors import name_some, shorten
from kerastl.progress import count_of

# Probabilities are written with few digits, and shares in percent.
_ROUNDING = 0.02
_TOTALS = (1, 100)
# Share of the rows, and of the values of two columns, that have to fit.
_MOST, _HALF = 0.9, 0.5

# What people call the labels of several persons or times.
_VERSIONS = frozenset(
    [
        *("correct", "corrected", "correction", "fixed", "clean", "cleaned", "noisy", "true", "gt"),
        *("new", "old", "original", "revised", "updated", "final", "verified", "reviewed", "main"),
        *("first", "second", "third", "primary", "secondary", "other", "alt", "alternative"),
        *("additional", "extra", "predicted", "pred", "model", "auto", "manual", "human", "expert"),
        *("rater", "reader", "annotator", "worker", "consensus", "majority", "a", "b", "c", "v"),
        *("name", "id"),
    ]
)
# What looks like several cells, in a header or in a row of a table without one.
_JOINED = re.compile(r"\.[a-z]{3,4}\W|\S\s+\S|^\w+[^\w\s]+\w+$", re.IGNORECASE)


def explain_none(role: str, columns: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Explains that no column of a table has a role, as "image" and "label" are."""
    [first, *more] = columns
    if _JOINED.search(first) and not more:
        return (
            f"has a single column, {shorten(first)!r}",
            "Put commas, tabs, semicolons or | between the cells",
        )
    return (
        f"has no column named {' or '.join(USUAL[role][0].split()[:3])}, and no other that is "
        f"clearly the {role}",
        f"Choose one with --{role}_column. Columns: {name_some(list(columns), 6)}",
    )


def explain_labels(
    columns: Mapping[str, Sequence[str]], like_classes: Sequence[str]
) -> tuple[str, str] | None:
    """Explains columns of which none is the only one like classes; None if they say nothing."""
    several = {name: columns[name] for name in like_classes}
    return _explain_soft(columns) or _explain_several(several) or _explain_measured(columns)


def explain_more_labels(
    label: str, columns: Mapping[str, Sequence[str]], others: Sequence[str]
) -> tuple[str, str] | None:
    """Explains another column of the classes beside the one that was found; None if there is none.

    It may correct the first, be of another person, or have what an image shows besides.
    """
    cells = columns[label]
    for name in others:
        if not say_the_same(cells, columns[name]) and _is_label_too(label, name, columns):
            filled = [
                one != other
                for one, other in zip(cells, columns[name], strict=True)
                if not is_missing(other)
            ]
            rows = count_of(len(cells), "row")
            differs = (
                f"which differ in {sum(filled)} of {rows}"
                if len(filled) == len(cells)
                else f"which is filled in {len(filled)} of {rows} and differs in {sum(filled)}"
            )
            return f"has classes in {label!r} and in {name!r}, {differs}", choose_label(label)
    return None


def choose_label(name: str) -> str:
    """Returns what to do where several columns may have the class of an image."""
    return (
        f"Choose one with --label_column, as --label_column={shlex.quote(name)}, or write one "
        "class for each image into one column"
    )


def _is_label_too(label: str, name: str, columns: Mapping[str, Sequence[str]]) -> bool:
    """Whether a column has classes, by its name or by its values, where it is filled."""
    pairs = zip(columns[label], columns[name], strict=True)
    filled = [pair for pair in pairs if not is_missing(pair[1])]
    values, others = set(columns[label]), {other for _, other in filled}
    are_few = 2 * len(others) <= len(filled)
    is_shared = sum(other in values for _, other in filled) >= _MOST * len(filled)
    are_words = not all(is_number(other) or is_yes_or_no([other]) for other in others)
    agreed = sum(one == other for one, other in filled)
    # What people searched for is the same in all rows.
    is_constant = len(others) == 1 and len(filled) == len(columns[name])
    is_alike = not is_constant and (2 * agreed >= len(filled) or not agreed)
    is_named = _bare_words(name) == _bare_words(label)
    by_values = is_shared and are_words and is_alike
    by_name = is_named and are_few and (is_shared or are_words)
    return bool(filled) and (by_values or by_name)


def _bare_words(name: str) -> set[str]:
    """Returns the words of a column's name without those that tell labels apart."""
    words = {word for word in words_of(name) if word not in _VERSIONS}
    return {"label" if word in USUAL["label"][0].split() else word for word in words}


def _explain_soft(columns: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Explains columns of probabilities or shares, one for each class; None for others."""
    shares = {name: cells for name, cells in columns.items() if _are_shares(cells)}
    rows = list(zip(*(map(number_of, cells) for cells in shares.values()), strict=True))
    total = next((total for total in _TOTALS if _have_sum(rows, total)), 0)
    are_parts = len(shares) > 1 and any(map(_are_fractions, shares.values()))
    if not (total and len(shares) > 1) and not are_parts:
        return None
    what = f"whose sum is {total} in each row" if total else "from 0 to 1"
    return (
        f"has numbers in {count_of(len(shares), 'column')} ({name_some(shares)}) {what}, as "
        "probabilities of classes have",
        "Each image has one class: write the most likely into one column, and name that with "
        "--label_column",
    )


def _explain_several(columns: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Explains several columns that are like classes; None for fewer than two.

    If they have the same classes, several people labeled the images.
    """
    if len(columns) <= 1:
        return None
    pairs = itertools.combinations(columns.values(), 2)
    if all(_share(set(first), set(second)) > _HALF for first, second in pairs):
        rows = list(zip(*columns.values(), strict=True))
        agreed = sum(len(set(row)) == 1 for row in rows)
        return (
            f"has the same classes in {len(columns)} columns ({name_some(columns)}), as of several "
            f"people, which agree in {agreed} of {count_of(len(rows), 'row')}",
            "Choose one with --label_column, or write what most of them say into one column",
        )
    described = (f"{name}: {len({*cells} - {''})}" for name, cells in columns.items())
    return (
        f"has {len(columns)} columns that may be the label ({name_some(described)} classes)",
        "Choose one with --label_column",
    )


def _explain_measured(columns: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Explains columns of numbers with fractions alone; None for others."""
    if not columns or not all(map(_are_measured, columns.values())):
        return None
    first = next(iter(columns.values()))
    return (
        f"has measurements and no classes ({name_some(columns)}, as {name_some(first, 2)})",
        "Write a column with the class of each image, as of a range of the values",
    )


def _are_shares(cells: Sequence[str]) -> bool:
    return all(map(is_number, cells)) and all(0 <= number_of(cell) <= _TOTALS[-1] for cell in cells)


def _are_fractions(cells: Sequence[str]) -> bool:
    numbers = list(map(number_of, cells))
    return max(numbers) <= 1 and not all(map(float.is_integer, numbers))


def _are_measured(cells: Sequence[str]) -> bool:
    return all(map(is_number, cells)) and not all(map(is_whole, cells))


def _have_sum(rows: Sequence[Sequence[float]], total: int) -> bool:
    near = sum(abs(sum(row) - total) <= _ROUNDING * total for row in rows)
    varied = len(collections.Counter(rows)) > 1
    return varied and near >= _MOST * len(rows)


def _share(values: set[str], others: set[str]) -> float:
    return len(values & others) / len(values | others)
