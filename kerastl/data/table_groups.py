"""Columns of groups: patients, slides, videos and others whose images are alike."""

from collections.abc import Hashable, Mapping, Sequence

from kerastl.data.table_names import (
    DESCRIBING,
    IDENTIFYING,
    PEOPLE,
    PLACES,
    THINGS,
    USUAL,
    is_missing,
    key_of,
    words_of,
)
from kerastl.data.table_shape import is_yes_or_no

# Groups repeat: they are at most this share of the rows.
_MOST_GROUPS = 0.8
# Groups that each class needs, for a split of each kind.
_FEWEST_OF_CLASS = 3


def is_called_people(name: str) -> bool:
    """Whether a column is called like people, as in `PatientName`, and not like their age."""
    words, _ = _parts_of(name)
    return key_of(name) in USUAL["group"][0].split() or (bool(words) and words <= PEOPLE)


def is_called_things(name: str) -> bool:
    """Whether a column is called like people or what several images are of, as in `slide no`."""
    words, _ = _parts_of(name)
    return bool(words) and words <= PEOPLE | THINGS


def repeats(cells: Sequence[Hashable]) -> bool:
    """Whether values come again as those of groups do."""
    return 1 < len(set(cells)) <= _MOST_GROUPS * len(cells)


def can_be_divided(name: str, cells: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether values identify something, and each class has enough of it for all splits."""
    values = {cell for cell in cells if not is_missing(cell)}
    _, identifies = _parts_of(name)
    with_digits = sum(any(map(str.isdigit, value)) for value in values)
    if not identifies and 2 * with_digits <= len(values):
        return False
    of_class: dict[str, set[str]] = {}
    for label, cell in zip(labels, cells, strict=False):
        of_class.setdefault(label, set()).add(cell)
    return all(len(groups) >= _FEWEST_OF_CLASS for groups in of_class.values())


def may_be_groups(name: str, cells: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether a column is named like an ID, and its values repeat, other than by class."""
    words, _ = _parts_of(name)
    key = key_of(name)
    is_id = key.removesuffix("id") not in ("", key)
    is_named = is_id or (bool(words) and words <= PEOPLE | THINGS | PLACES)
    is_named &= not is_yes_or_no([cell for cell in cells if not is_missing(cell)])
    return is_named and repeats(cells) and not (labels and are_within(labels, cells))


def coarsest(columns: Mapping[str, Sequence[str]]) -> str:
    """Returns the column whose groups hold those of all others whole, empty if there is none.

    As of a patient, the studies, and their series.
    """
    first, *others = sorted(columns, key=lambda name: len(set(columns[name])))
    return first if all(are_within(columns[name], columns[first]) for name in others) else ""


def are_within(cells: Sequence[str], others: Sequence[str]) -> bool:
    """Whether each group of a column lies in one of another."""
    return len(set(zip(cells, others, strict=True))) == len(set(cells))


def _parts_of(name: str) -> tuple[set[str], bool]:
    """Returns the words of a name that say what it is about, and whether it identifies that."""
    kept, identifies = [], False
    for word in words_of(name):
        bare = next(
            (
                word.removesuffix(end)
                for end in sorted(IDENTIFYING | DESCRIBING, key=len, reverse=True)
                if word.removesuffix(end) in PEOPLE | THINGS | PLACES
            ),
            word,
        )
        identifies |= bare != word or word in IDENTIFYING
        if bare not in IDENTIFYING:
            kept.append(bare)
    # What several images are of may be called like a remark, as in study and image.
    words = {word for word in kept if word not in DESCRIBING}
    return words or set(kept) & (PEOPLE | THINGS), identifies
