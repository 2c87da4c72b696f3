"""Classes, splits and groups of images, as people write them and as arrays."""

import fractions
import math
import numbers
import re
import unicodedata
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from kerastl.errors import UsageError, bad_value
from kerastl.progress import count_of
from kerastl.split_names import SPLITS, TRAIN

# What cannot be seen beside the Unicode categories of control and format characters: fillers,
# selectors of a variant, and the blank of Braille.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
# Categories of what begins a new line or steers a terminal, and of half characters.
_NOT_IN_A_LINE = ("Cc", "Zl", "Zp", "Cs")
# What file managers write onto the name of a copy: cat - Copy (2), cat copy 2, cat (1).
_COPY_MARK = re.compile(
    r"([\s_]*-[\s_]*copy|[\s_]+copy)([\s_]*\(?\d+\)?)?$|\s*\(\d+\)$", re.IGNORECASE
)
# What joins words, what Windows drops at the end of a name, or people add, and quotes around it.
_GAP = re.compile(
    r"(?<=[^\W\d_])[-_\s]+(?=[^\W\d_])|(?<=\w)[._\s]+$"
    "|^[\"'`\u2018\u2019\u201c\u201d]+|[\"'`\u2018\u2019\u201c\u201d]+$"
)
# Letters of the Cyrillic and Greek alphabets that look like Latin ones.
_LOOKALIKES = str.maketrans(
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u043e\u0440\u0455\u0443\u0445"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u03b9\u03ba\u03bd\u03bf\u03c1\u03c5\u03c7",
    "ABESIJKMHOPCTYXacdehijopsyxABEZHIKMNOPTYXikvopux",
)
_NUMBER = re.compile(r"[+-]?\d{1,99}(\.\d{0,99})?")


def read_annotations(
    count: int,
    labels: Sequence[Any] | np.ndarray,
    class_names: Sequence[str] | None,
    splits: Sequence[str] | None,
    groups: Sequence[Hashable] | None,
) -> dict[str, Any]:
    """Checks what Python code gives for `count` images and returns it as fields of a `Source`.

    Raises:
        UsageError: If a length or a value is wrong.
    """
    for field, values in (("labels", labels), ("splits", splits), ("groups", groups)):
        if values is not None and len(values) != count:
            raise UsageError(
                f"{field}: there are {len(values)} for {count_of(count, 'image')}. Give one for "
                "each."
            )
    given = np.full(count, TRAIN) if splits is None else np.array(splits, str)
    if strange := sorted(set(given.tolist()) - set(SPLITS)):
        raise bad_value("splits", strange[0], "is not a split", f"Use {', '.join(SPLITS)}")
    of_images, names = _number_labels(labels, class_names)
    return {
        "class_names": names,
        "labels": of_images,
        "given_splits": given,
        **({} if groups is None else describe_groups(groups)),
    }


def plain_name(name: str) -> str:
    """Returns a name as people compare it: without case, spaces and what cannot be seen."""
    if name.isascii() and name.isprintable():
        return name.lower().replace(" ", "")
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(one for one in folded if not one.isspace() and not is_unseen(one))


def is_one_line(name: str) -> bool:
    """Whether a name is one line of text in any script, and can be seen."""
    if any(unicodedata.category(one) in _NOT_IN_A_LINE for one in name):
        return False
    return bool(plain_name(name))


def is_unseen(character: str) -> bool:
    """Whether a character leaves no mark, other than a space."""
    is_blank = _BLANK.fullmatch(character) is not None
    return is_blank or unicodedata.category(character) in ("Cc", "Cf")


def refuse_alike(class_names: Collection[str], *, name: str) -> None:
    """Refuses classes of the data set `name` that people would take for one.

    The same name in two forms of Unicode is one class.

    Raises:
        UsageError: If there are any.
    """
    alike: dict[str, set[str]] = {}
    for class_name in class_names:
        composed = unicodedata.normalize("NFC", class_name)
        alike.setdefault(plain_name(class_name), set()).add(composed)
    for names in alike.values():
        if len(names) > 1:
            raise bad_value(
                "dataset",
                name,
                f"classes {' and '.join(map(_spell_out, sorted(names)))} differ by case, spaces "
                "or the form of their letters, or by what cannot be seen",
                "Merge them or rename one",
            )
    looks: dict[str, str] = {}
    for class_name in class_names:
        other = looks.setdefault(plain_name(class_name.translate(_LOOKALIKES)), class_name)
        # A letter alone may be what is to be read.
        if plain_name(other) != plain_name(class_name) and len(class_name) > 1:
            raise bad_value(
                "dataset",
                name,
                f"classes {other!r} ({other!a}) and {class_name!r} ({class_name!a}) look "
                "alike, but have letters of different alphabets",
                "Merge them or rename one",
            )


def refuse_twins(class_names: Iterable[str], *, name: str) -> None:
    """Refuses classes of the data set `name` that differ in what no person means.

    That is what joins or ends their words, or the mark of a copy.

    Raises:
        UsageError: If there are any.
    """
    plain = {one: plain_name(_GAP.sub("", one)) for one in class_names}
    first = {key: one for one, key in reversed(plain.items())}
    for one, key in plain.items():
        bare = plain_name(_GAP.sub("", _COPY_MARK.sub("", one)))
        twin = first[key] if first[key] != one else first.get(bare, one)
        if twin != one:
            raise bad_value(
                "dataset",
                name,
                f"classes {twin!r} and {one!r} differ by separators, quotes or the mark of a copy "
                "alone",
                "Merge them, rename one, or move it away",
            )


def _spell_out(name: str) -> str:
    return _BLANK.sub(lambda found: ascii(found[0])[1:-1], repr(name))


def order_classes(class_names: Iterable[str]) -> tuple[str, ...]:
    """Sorts class names: numbers by value, so that 10 follows 9, then all others as text."""
    return tuple(sorted(set(class_names), key=_place_of_class))


def _place_of_class(name: str) -> tuple[bool, fractions.Fraction, str]:
    is_number = _NUMBER.fullmatch(name) is not None
    return not is_number, fractions.Fraction(name if is_number else 0), name


def describe_groups(groups: Sequence[Hashable]) -> dict[str, Any]:
    """Returns the group of each image as fields of a `Source`: its number, and its name.

    None, NaN and the empty text stand for no group.
    """
    names = ["" if _is_missing(group) else str(group) for group in groups]
    number_of: dict[Hashable, int] = {}
    numbers = [
        number_of.setdefault(group if name else ("alone", place), place)
        for place, (group, name) in enumerate(zip(groups, names, strict=True))
    ]
    return {
        "groups": np.array(numbers, np.int64),
        "group_names": names if any(names) else None,
    }


def _is_missing(group: Hashable) -> bool:
    return group in (None, "") or (isinstance(group, float) and math.isnan(group))


def _number_labels(
    labels: Sequence[Any] | np.ndarray, class_names: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turns labels, names or numbers, into numbers and the class names in their order."""
    # As objects: an array of text would make a text of a missing value.
    values = np.asarray(labels, object)
    if values.ndim > 1 and values.size == len(values):
        values = values.reshape(-1)  # A column of labels.
    if values.ndim != 1:
        raise UsageError(
            f"labels: have the shape {values.shape}. Give one class for each image, as in "
            "labels.argmax(axis=1)."
        )
    if all(isinstance(value, numbers.Integral) for value in values):
        of_images = values.astype(np.int64)
        count = int(of_images.max(initial=-1)) + 1
        return of_images, _check_names(range(count) if class_names is None else class_names)
    if strange := [value for value in values if not isinstance(value, str)]:
        raise bad_value(
            "labels", strange[0], "is neither a name nor a whole number", "Give one for each image"
        )
    composed = [unicodedata.normalize("NFC", value) for value in values]
    names = _check_names(order_classes(composed) if class_names is None else class_names)
    number_of = {class_name: number for number, class_name in enumerate(names)}
    if unknown := sorted(set(composed) - set(number_of)):
        raise bad_value("labels", unknown[0], "is not in class_names", f"Known: {', '.join(names)}")
    return np.array([number_of[value] for value in composed], np.int64), names


def _check_names(class_names: Iterable[object]) -> tuple[str, ...]:
    names = tuple(unicodedata.normalize("NFC", str(name)) for name in class_names)
    if strange := [name for name in names if not is_one_line(name)]:
        raise bad_value("class_names", strange[0], "is not one line of text", "Rename the class")
    return names
