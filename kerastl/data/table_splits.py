"""The columns that name an image's split, and what their cells mean."""

import collections
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from kerastl.data.split_words import around_split, split_named, split_within
from kerastl.data.table_names import (
    IN_TABLES,
    LOOSELY,
    NUMBERED,
    SPLITTING,
    USES,
    USUAL,
    is_for_later,
    is_missing,
    key_of,
    words_of,
)
from kerastl.data.table_shape import is_number, is_whole, is_yes, is_yes_or_no, say_the_same
from kerastl.split_names import SPLITS, TEST, TRAIN, VALIDATION

# A column of splits has few different values.
_MOST_VALUES = 10
# What may follow a split's word.
_THING = re.compile(r"\s+(data|(data)?set|split|images)$", re.IGNORECASE)
# A letter or a number behind what all values of a column begin with.
_CODE = re.compile(r"(?P<begin>.*?)[\W_]*(?P<code>[a-z]|\d+(?:\.0+)?)")
_DENYING = ("in", "un", "non", "not", "no")
# Folds are at least so many, of so many images.
_FEWEST_FOLDS, _SMALLEST_FOLD = 3, 5


def columns_of_splits(
    columns: Mapping[str, Sequence[str]], *, labels: Sequence[str]
) -> Sequence[str]:
    """Finds the columns of splits.

    Several are flags of different splits, or none of them is it more clearly.

    Args:
        columns: The cells of each column that is for nothing else, by its name.
        labels: The classes, empty if one of these columns may hold them.
    """
    flags = [name for name, cells in columns.items() if is_flag(cells)]
    of_splits = [name for name in flags if split_of_flag(name)]
    # A class may be named like a split, too: one of the classes is true in each row.
    classes = [name for name in flags if name not in of_splits]
    if not labels and classes and count_single(columns, flags) > count_single(columns, classes):
        of_splits = []
        columns = {name: cells for name, cells in columns.items() if name not in flags}
    named = [name for name in columns if key_of(name) in USUAL["split"][0].split()]
    by_values = [name for name, cells in columns.items() if holds_splits(cells)]
    by_words, by_some = (
        _columns_that(look_so, columns, labels) for look_so in (_may_split, _holds_some)
    )
    if all(len(set(columns[name])) == 1 for name in of_splits):
        of_splits = []
    for names in (named, of_splits, by_values, by_words, by_some):
        if names == of_splits and are_of_different_splits(names):
            return names
        good = [name for name in names if name in by_values] or names
        if good and all(say_the_same(columns[good[0]], columns[name]) for name in good):
            return good[:1]
        if good:
            return good
    return ()


def _columns_that(
    look_so: Callable[[str, Sequence[str], Sequence[str]], bool],
    columns: Mapping[str, Sequence[str]],
    labels: Sequence[str],
) -> list[str]:
    """Finds the columns that look like splits in a way; none where they may be the classes."""
    names = [name for name, cells in columns.items() if look_so(name, cells, labels)]
    others = [cells for name, cells in columns.items() if name not in names]
    has_classes = labels or any(1 < len(set(cells)) <= len(cells) / 2 for cells in others)
    return names if has_classes else []


def holds_splits(cells: Sequence[str]) -> bool:
    """Whether most cells that are filled are words for splits, among few different ones."""
    filled = [cell for cell in cells if not _is_open(cell)]
    values = set(filled)
    if not 1 <= len(values) <= _MOST_VALUES:
        return False
    # A value with words for two splits looks like one, too, and is refused later.
    splits = {
        value: split or _split_words(value) for value, split in splits_of_words(values).items()
    }
    # A remark may hold any of them beside other words.
    are_alone = [len(_THING.sub("", value).split()) == 1 for value in values if splits[value]]
    if len(set(splits.values()) - {""}) <= 1:
        # One word may mark what belongs to a split.
        return len(filled) < len(cells) and all(splits.values()) and all(are_alone)
    return 2 * sum(bool(splits[cell]) for cell in filled) > len(filled) and any(are_alone)


def _holds_some(_: str, cells: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether a column has a word for a split among few values that are no classes.

    The others may be words that nobody listed, as in estimation and test.
    """
    values = {cell for cell in cells if not _is_open(cell)}
    keys = {key_of(value) for value in values}
    words = {value for value in values if around_split(value) == ""} - set(labels)
    # Beside invalid, valid is no split.
    are_denied = any(f"{no}{key_of(word)}" in keys for word in words for no in _DENYING)
    # The names of numbered classes, or these themselves.
    are_names = bool(labels) and all(map(is_number, labels)) and say_the_same(cells, labels)
    are_classes = are_names or (bool(labels) and values <= set(labels))
    is_few = 1 < len(keys) <= min(_MOST_VALUES, len(cells) / 2)
    return bool(words) and is_few and not are_denied and not are_classes


def splits_of_words(values: Iterable[str], *, is_named: bool = False) -> dict[str, str]:
    """Returns the split that each value stands for, empty for none.

    Args:
        values: Different cells of a column.
        is_named: Whether its name is one of splits, which gives a meaning to more words.
    """
    split_of = {value: split_within(value) or "" for value in values}
    sure = {value: split or IN_TABLES.get(key_of(value), "") for value, split in split_of.items()}
    loose = {value: split or _loosely(value, sure) for value, split in sure.items()}
    # Words and letters that cover all splits mean nothing else.
    is_loose = is_named or any(split_of.values()) or set(loose.values()) == {*SPLITS}
    for known, counts in ((sure, True), (loose, is_loose)):
        if counts and all(known.values()) and len(known) > 1:
            return known
    return split_of


def _loosely(value: str, others: Iterable[str]) -> str:
    key, keys = key_of(value), {key_of(other) for other in others}
    # Letters are those of splits if there is one for training or testing.
    if len(key) == 1 and "t" not in keys:
        return ""
    return TEST if key == "t" and "l" in keys else LOOSELY.get(key, "")


def _is_open(cell: str) -> bool:
    """Whether a cell leaves open which split it is, as Vertex AI's UNASSIGNED does."""
    return is_missing(cell) or is_for_later(cell)


def splits_of_cells(column: str, cells: Sequence[str]) -> dict[str, str]:
    """Returns the split that each different cell of a column stands for, empty for none."""
    values = list(dict.fromkeys(cells))
    filled = [value for value in values if not _is_open(value)]
    flag = split_of_flag(column)
    if not flag or not is_yes_or_no(filled):
        split_of, missing = splits_of_words(filled, is_named=is_called_split(column)), TRAIN
        if set(split_of.values()) == {TRAIN} and len(filled) < len(values):
            missing = ""
    else:
        other = TEST if flag == TRAIN else TRAIN
        split_of = {value: flag if is_yes(value) else other for value in filled}
        # Where yes alone is written, what is not marked is the opposite.
        missing = other if all(map(is_yes, filled)) else TRAIN
    return {value: split_of.get(value, missing) for value in values}


def split_of_flag(name: str) -> str | None:
    """Returns the split that a column of yes and no marks, as in `is_test` and `train`."""
    if len(_split_words(name).split()) > 1:
        return None
    key = key_of(name)
    if key.startswith(("is", "in")):
        return split_within(name) or split_named(key[2:])
    return split_named(name)


def are_of_different_splits(flags: Sequence[str]) -> bool:
    """Whether columns of yes and no mark a split each."""
    splits = set(map(split_of_flag, flags)) - {None}
    return len(splits) == len(flags) > 1


def is_doubtful(name: str, cells: Sequence[str]) -> bool:
    """Whether a column of yes and no may as well be a remark on images, as `valid` and `test`."""
    split = split_of_flag(name)
    if not is_flag(cells) or split in (None, TRAIN):
        return False
    is_large = split == VALIDATION and 2 * sum(map(is_yes, cells)) > len(cells)
    return split_named(name) is not None or is_large


def is_flag(cells: Sequence[str]) -> bool:
    """Whether a column has yes or no, at least in some rows."""
    values = [cell for cell in set(cells) if not is_missing(cell)]
    # One letter in all rows may be anything.
    is_letter = len(set(cells)) == 1 and len(cells[0]) == 1 and cells[0].isalpha()
    return bool(values) and is_yes_or_no(values) and not is_letter


def is_signed(cells: Sequence[str]) -> bool:
    """Whether a column has yes, no and -1, for no or for what is not sure."""
    values = {cell for cell in cells if not is_missing(cell)}
    signs = values & {"-1", "-1.0"}
    return bool(signs) and is_yes_or_no([*(values - signs)])


def count_single(columns: Mapping[str, Sequence[str]], flags: Sequence[str]) -> int:
    """Counts the rows in which just one of these columns is yes."""
    rows = zip(*(columns[name] for name in flags), strict=True)
    return sum(sum(map(is_yes, row)) == 1 for row in rows)


def may_be_split(name: str, cells: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether values are such as splits or folds have, though nothing else says so.

    They may be words that mean splits and much else, as public and private, or as many of each of
    the numbers of folds.
    """
    values = {cell for cell in cells if not _is_open(cell)}
    if not 1 < len(values) <= _MOST_VALUES or (labels and say_the_same(cells, labels)):
        return False
    if all(len(value) > 1 for value in values):
        return all(splits_of_words(values, is_named=True).values())
    counts = collections.Counter(cells)
    sizes = set(counts.values())
    is_even = max(sizes) - min(sizes) <= max(1, len(set(labels))) < _SMALLEST_FOLD <= min(sizes)
    return len(values) >= _FEWEST_FOLDS and are_codes(values) and is_even


def are_codes(values: Iterable[str]) -> bool:
    """Whether values are numbers or letters one after the other, as 0 to 4, fold1 and A, B."""
    found = [_CODE.fullmatch(value.casefold()) for value in values]
    if not all(found) or len({one["begin"] for one in found if one}) != 1:
        return False
    codes = [one["code"] for one in found if one]
    if not all(map(is_whole, codes)):
        numbers = [ord(code) - ord("a") for code in codes if code.isalpha()]
    else:
        numbers = [int(float(code)) for code in codes]
    return sorted(numbers) in ([*range(len(codes))], [*range(1, len(codes) + 1)])


def _may_split(name: str, cells: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether a column has a word for splits in its name, and few values that repeat."""
    values = {cell for cell in cells if not _is_open(cell)}
    if not 1 < len(set(cells)) <= min(_MOST_VALUES, len(cells) - 1):
        return False
    if _is_sure_name(name) or (labels and say_the_same(cells, labels)):
        return _is_sure_name(name)
    words = set(words_of(name))
    are_words = len(values) > 1 and all(splits_of_words(values, is_named=True).values())
    return bool(words & NUMBERED and (are_words or are_codes(values))) or bool(
        words & USES and are_words
    )


def is_called_split(name: str) -> bool:
    """Whether a column's name is one of splits, or has a word for them in it."""
    words = words_of(name)
    return (
        key_of(name) in USUAL["split"][0].split()
        or _is_sure_name(name)
        or bool((NUMBERED | USES) & {*words})
    )


def _is_sure_name(name: str) -> bool:
    return bool(split_within(name)) or any(
        split_named(word) or word in SPLITTING for word in words_of(name)
    )


def _split_words(text: str) -> str:
    return " ".join(filter(split_named, words_of(text)))
