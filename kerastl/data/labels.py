"""Names of classes as people write them: which are usable, which are alike, and their order."""

import fractions
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence

from kerastl.data.leaving_out import Patterns, leave_out_classes
from kerastl.data.lookalikes import are_of_alphabets, has_lookalikes, looks
from kerastl.errors import bad_value

# What cannot be seen beside the Unicode categories of control and format characters: fillers,
# selectors of a variant, and the blank of Braille.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
# Categories of what begins a new line or steers a terminal, and of half characters.
_NOT_IN_A_LINE = ("Cc", "Zl", "Zp", "Cs")
# What file managers write onto the name of a copy, in many languages: cat - Copy (2), cat copy 2,
# cat (1), cat (copy), Copy of cat.
_COPY = "copy|kopie|kopia|copie|copia|cópia|kopi|kópia|másolat|копия|копія|副本|コピー|복사본"
_COPY_MARK = re.compile(
    rf"([\s_]*[-\u2013\u2014][\s_]*({_COPY})|[\s_]+({_COPY})|[\s_]*\(({_COPY})\)|のコピー)([\s_]*\(?\d+\)?)?$"
    rf"|\s*\(\d+\)$|^({_COPY}) (of|von|de|di|van|av|af|z) ",
    re.IGNORECASE,
)
# What joins words, what Windows drops at the end of a name, or people add, and quotes around it.
_GAP = re.compile(
    r"(?<=[^\W\d_])[-_\s]+(?=[^\W\d_])|(?<=\w)[._\s]+$"
    "|^[\"'\u201c\u201d]+|[\"'\u201c\u201d]+$"
)
# Between a letter and a digit a minus may be one of the number.
_GAP_AT_NUMBER = re.compile(r"(?<=[^\W\d_])[_\s]+(?=\d)|(?<=\d)[_\s]+(?=[^\W\d_])")
_SEPARATOR = re.compile(r"(?<=\w)[-_\s](?=\w)")
# Zeros before a number, but not behind a point.
_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
_NUMBER = re.compile(r"[+-]?\d{1,99}(\.\d{0,99})?")


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
    every = {unicodedata.normalize("NFC", class_name) for class_name in class_names}
    for first, *others in _alike(every):
        if apart := [one for one in others if not are_of_alphabets(first, one, every)]:
            raise bad_value(
                "dataset",
                name,
                f"classes {_explain_alike(first, apart)}",
                "Merge them or rename one",
            )


def _explain_alike(first: str, others: Sequence[str]) -> str:
    letters = [one for one in others if plain_name(one) != plain_name(first)]
    if any(map(has_lookalikes, [first, *letters])):
        one = letters[0]
        return (
            f"{first!r} ({first!a}) and {one!r} ({one!a}) look alike, but have letters of "
            "different alphabets"
        )
    return (
        f"{' and '.join(map(_spell_out, [first, *others]))} differ by case, spaces or the form of "
        "their letters or numbers, or by what cannot be seen"
    )


def find_alike(class_names: Iterable[str]) -> Iterator[list[str]]:
    """Yields classes of several scripts that look like one another."""
    yield from _alike({unicodedata.normalize("NFC", class_name) for class_name in class_names})


def _alike(class_names: Collection[str]) -> Iterator[list[str]]:
    alike: dict[str, list[str]] = {}
    for class_name in sorted(class_names):
        key = plain_name(looks(class_name))
        if _NUMBER.fullmatch(key):
            key = str(fractions.Fraction(key))
        alike.setdefault(key, []).append(class_name)
    yield from (names for names in alike.values() if len(names) > 1)


def refuse_twins(class_names: Iterable[str], *, name: str, patterns: Patterns) -> None:
    """Refuses classes of the data set `name` that differ in what no person means.

    That is what joins or ends their words and numbers, or the mark of a copy. `patterns` are those
    of `--leave_out`.

    Raises:
        UsageError: If there are any.
    """
    every = list(class_names)
    for key_of in (_without_gaps, _with_one_separator):
        plain = {one: key_of(one) for one in every}
        first = {key: one for one, key in reversed(plain.items())}
        for one, key in plain.items():
            twin = first[key] if first[key] != one else first.get(key_of(_bare(one)), one)
            if twin != one and not are_of_alphabets(twin, one, every):
                copy = twin if _bare(twin) != twin else one
                raise bad_value(
                    "dataset",
                    name,
                    f"classes {twin!r} and {one!r} differ by separators, quotes or the mark of a "
                    "copy or by zeros alone",
                    f"Merge them, rename one, or leave {copy!r} "
                    f"{leave_out_classes([copy], patterns)}",
                )


def _bare(name: str) -> str:
    return _COPY_MARK.sub("", name)


def _without_gaps(name: str) -> str:
    joined = _GAP_AT_NUMBER.sub("", _GAP.sub("", looks(name)))
    return plain_name(_ZEROS.sub("", joined))


def _with_one_separator(name: str) -> str:
    return plain_name(_SEPARATOR.sub("_", looks(name)))


def _spell_out(name: str) -> str:
    return _BLANK.sub(lambda found: ascii(found[0])[1:-1], repr(name))


def order_classes(class_names: Iterable[str]) -> tuple[str, ...]:
    """Sorts class names: numbers by value, so that 10 follows 9, then all others as text."""
    return tuple(sorted(set(class_names), key=_place_of_class))


def _place_of_class(name: str) -> tuple[bool, fractions.Fraction, str]:
    is_number = _NUMBER.fullmatch(name) is not None
    return not is_number, fractions.Fraction(name if is_number else 0), name
