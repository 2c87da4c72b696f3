"""Letters of other scripts that look like Latin ones, and other characters that look alike."""

import unicodedata
from collections.abc import Collection

# Other letters in their order, and the Latin ones that look so, in most fonts.
_LETTERS = (
    ("АВСЕНІЈКМОРЅТУХԌԚԜ", "ABCEHIJKMOPSTYXGQW"),  # Cyrillic
    ("асеһіјорѕухԁԛԝ", "acehijopsyxdqw"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),  # Greek
    ("αικνορυ", "aikvopu"),
    ("օոսհՕՍ", "onuhOU"),  # Armenian
    ("ɑɡı", "agi"),
)
_OTHERS = (("‐‑‒–—―−﹘", "-" * 8), ("’‘ʼ´`", "'" * 5), ("×", "x"))
_TABLE = str.maketrans(
    "".join(pair[0] for pair in (*_LETTERS, *_OTHERS)),
    "".join(pair[1] for pair in (*_LETTERS, *_OTHERS)),
)


def looks(name: str) -> str:
    """Writes a name with the characters that its own look like, and digits as those of ASCII."""
    if name.isascii():
        return name
    seen = unicodedata.normalize("NFKC", name.translate(_TABLE))
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in seen)


def are_of_alphabets(name: str, other: str, names: Collection[str]) -> bool:
    """Whether two names that look alike are honest words of two scripts.

    Each is of one script, and both are single letters, as characters to be recognized are, or each
    script is used in `names` by a letter of its own.
    """
    scripts = [_scripts(one) for one in (name, other)]
    if any(len(one) != 1 for one in scripts) or scripts[0] == scripts[1]:
        return False
    if len(name) == len(other) == 1:
        return True
    own = {script for one in names for script in _scripts(one, own=True)}
    return scripts[0] | scripts[1] <= own | {"LATIN"}


def has_lookalikes(name: str) -> bool:
    """Whether a name has letters that look like those of another script."""
    return any(one.isalpha() and one.translate(_TABLE) != one for one in name)


def _scripts(name: str, *, own: bool = False) -> set[str]:
    """Returns the scripts of a name's letters, with `own` of those that look like no Latin one."""
    letters = [one for one in name if one.isalpha() and not (own and looks(one) != one)]
    return {unicodedata.name(one, "?").partition(" ")[0] for one in letters}
