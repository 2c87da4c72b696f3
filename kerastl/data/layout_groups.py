"""Groups within classes, by their folders or the names of files: videos, patients, cameras."""

import collections
import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from kerastl import layouts
from kerastl.data.layout_reading import Place, Reading, read_as
from kerastl.data.split_words import name_words, split_within
from kerastl.data.table_groups import repeats
from kerastl.data.table_names import PEOPLE, THINGS
from kerastl.data.tree import Folder
from kerastl.split_names import SPLITS

# Groups that each class needs, one for a split of each kind.
_FEWEST = 3
# Levels below the classes that are looked at.
_DEEPEST = 4
# Share of names that have to be alike, and of images that have to be in groups.
_MOST, _HALF = 0.9, 0.5
# Digits of a number that no person has counted to, and words, as against initials.
_LONG, _WORD = 4, 3
# Names of files from which it is found how they name groups, in all and of each class at least.
_SAMPLE, _OF_CLASS = 20_000, 20
_CALLED = (
    PEOPLE
    | THINGS
    | {"vid", "sub", "pat", "ses", "cam", "camera", "session", "site", "scene", "station"}
)
_HEXADECIMAL = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])[\da-f]{6,}", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(19|20)\d\d[-_.]?(0[1-9]|1[0-2])[-_.]?[0-3]\d(?!\d)")
# What of a file's name may name its group: all before the number of the frame, or the first parts.
_FRAME = re.compile(
    r"(.*?[^\W_])[\W_]*((?<![^\W_])(frames?|frm|image|img|photo|pic|shot|slice|tile|patch|crop))?"
    r"[\W_]+\d{1,7}[\W_]*",
    re.IGNORECASE,
)
_FIRST = re.compile(r"([^\W_]+)[\W_].*")
_PAIR = re.compile(r"([^\W_]+[\W_]+[^\W_]+)[\W_].*")


def with_groups(form: str, top: Folder) -> str:
    """Adds the level of groups below the classes to a layout, if one looks like that.

    Each class needs enough groups for all splits, a file beside them being one, and their folders
    are named as things are: by an ID, or a number with the same word. Those that are repeated in
    the classes may be classes themselves, unless a word such as `patient` says what they are.
    """
    places = read_as(form, top).places
    total = sum(place.folder.count for place in places)
    for depth in range(_DEEPEST):
        inside = [
            dataclasses.replace(place, folder=inner)
            for place in places
            for inner in place.folder.holding
        ]
        if 2 * sum(place.folder.count for place in inside) < total or not inside:
            break
        if _are_groups(places, inside):
            return layouts.join(form, *[layouts.FOLDER] * depth, layouts.GROUP)
        places = tuple(inside)
    return form


def _are_groups(around: Sequence[Place], inside: Sequence[Place]) -> bool:
    named = [(place.class_name, place.folder.name) for place in inside]
    if not are_things(named) or (are_repeated(named) and not are_called(named)):
        return False
    return _are_enough(
        [(one.class_name, one.split, one.folder.name) for one in inside],
        [(one.class_name, one.split, len(one.folder.files)) for one in around],
    )


def _are_enough(
    groups: Iterable[tuple[str, str, str]], alone: Iterable[tuple[str, str, int]]
) -> bool:
    """Whether each class of each split has several groups, by class, split and name."""
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for class_name, split, _ in set(groups):
        counts[class_name, split] += 1
    for class_name, split, number in alone:
        counts[class_name, split] += number
    first = min((split for _, split in counts), key=("", *SPLITS).index, default="")
    return all(count >= _FEWEST for (_, split), count in counts.items() if split == first)


def are_things(named: Collection[tuple[str, str]]) -> bool:
    """Whether names are those of things of which there are many, each with that of its class.

    As `patient 7`, `vidA`, IDs of four digits or more, or the same letters and a number.
    """
    if not named or _count_clear(named) >= _MOST * len(named):
        return bool(named)
    shapes = collections.Counter(
        re.sub(r"\d+", "0", _without_class(name, class_name)) for class_name, name in named
    )
    [(shape, count)] = shapes.most_common(1)
    return "0" in shape and count >= _MOST * len(named)


def are_called(named: Collection[tuple[str, str]]) -> bool:
    """Whether most names have a word for such things, and a number or initials."""
    return sum(_is_called(name) for _, name in named) >= _MOST * len(named)


def are_repeated(named: Collection[tuple[str, str]]) -> bool:
    """Whether most names come in several classes."""
    counts = collections.Counter(name for _, name in set(named))
    return 2 * sum(count > 1 for count in counts.values()) > len(counts)


@functools.lru_cache(maxsize=1 << 16)
def _is_called(name: str) -> bool:
    words = set(name_words(name))
    is_named = not words.isdisjoint(_CALLED)
    others = any(len(word) >= _WORD for word in words - _CALLED)
    return is_named and (any(map(str.isdigit, name)) or not others)


def _count_clear(named: Collection[tuple[str, str]]) -> int:
    """Counts names with a word for a thing, and IDs: long numbers, all with the same words."""
    words_of: dict[tuple[str, str], tuple[str, ...]] = {}
    for class_name, name in named:
        plain = _HEXADECIMAL.sub("0000", _without_class(name, class_name))
        if not _is_called(name) and sum(map(str.isdigit, plain)) >= _LONG:
            words = tuple(word for word in name_words(plain) if len(word) >= _WORD)
            words_of[class_name, name] = words
    [(usual, _)] = collections.Counter(words_of.values()).most_common(1) or [((), 0)]
    return sum(_is_called(one[1]) or (one in words_of and words_of[one] == usual) for one in named)


def _without_class(name: str, class_name: str) -> str:
    """Returns a name in small letters without that of its class; a short one only begins it."""
    lowered, around = name.lower(), class_name.lower()
    if around.isdigit():
        return lowered
    return lowered.replace(around, "") if len(around) >= _WORD else lowered.removeprefix(around)


def group_by_names(reading: Reading, *, is_given: bool) -> Reading:
    """Divides the files that lie in no group's folder by the names of groups in their own.

    They are `vidA_frame_0001.jpg` and the like. Without `is_given` they must be called as things
    are, or by IDs, and each class needs enough of them.
    """
    find = _find_names(reading, is_sure=not is_given)
    if find is None:
        return reading
    places: list[Place] = []
    for place in reading.places:
        is_whole = place.group or not place.folder.count
        places.extend([place] if is_whole else _divide(place, find))
    levels = layouts.levels_of(reading.form)
    ending = "" if layouts.GROUP in levels else layouts.GROUP
    return dataclasses.replace(
        reading, form=layouts.join(reading.form, ending), places=tuple(places), by_names=True
    )


def may_name_groups(reading: Reading) -> str:
    """Returns what the names of several files begin with, if others do, too; empty for nothing.

    That comes in several classes, or has a number.
    """
    names = _sample(reading)
    for pattern in (_FIRST, _PAIR, _FRAME):
        named = [(class_name, name) for class_name, _, name in _read(names, pattern) if name]
        cells = [name for _, name in named]
        are_numbered = all(any(map(str.isdigit, name)) for name in cells) and repeats(named)
        # A bare number may count the files of each class.
        are_spelled = all(any(map(str.isalpha, name)) for name in cells)
        if (
            len(named) >= _MOST * len(names)
            and (are_numbered or (are_spelled and are_repeated(named) and repeats(cells)))
            and len(set(cells)) >= _FEWEST
            and not (_have_dates(named) or any(map(split_within, set(cells))))
        ):
            return cells[0]
    return ""


def splits_in_names(reading: Reading) -> list[str]:
    """Returns the words for several splits that the names of most files begin with, if so."""
    first = [name for _, _, name in _read(_sample(reading), _FIRST)]
    words = collections.Counter(name for name in first if split_within(name))
    are_several = len(set(map(split_within, words))) > 1
    return sorted(words) if are_several and words.total() >= _MOST * len(first) else []


def _find_names(reading: Reading, *, is_sure: bool) -> Callable[[str], str] | None:
    names = _sample(reading)
    for pattern in (_FRAME, _PAIR, _FIRST):
        found = [(class_name, split, name) for class_name, split, name in _read(names, pattern)]
        named = [(class_name, name) for class_name, _, name in found if name]
        apart = {*named}
        # A number alone may count the files of each class.
        cells = [name for _, name in named] if are_called(apart) else named
        if len(named) < _MOST * len(names) or not repeats(cells):
            continue
        is_clear = _count_clear(apart) >= _MOST * len(apart)
        if not is_sure or (is_clear and not _have_dates(apart) and _are_enough(found, ())):
            return functools.partial(_name_in, pattern)
    return None


def _have_dates(named: Iterable[tuple[str, str]]) -> bool:
    return any(_DATE.search(name) for _, name in named)


def _sample(reading: Reading) -> list[tuple[str, str, str]]:
    """Returns the class, the split and the name of some files that lie in no group's folder."""
    most = max(_OF_CLASS, _SAMPLE // max(1, len(reading.places)))
    return [
        (place.class_name, place.split, _stem(name))
        for place in reading.places
        if not place.group
        for name in itertools.islice(_files(place.folder), most)
    ]


def _files(folder: Folder) -> Iterator[str]:
    for inner in folder.walk():
        for part in (inner, *inner.parts):
            yield from part.files


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _read(
    names: Iterable[tuple[str, str, str]], pattern: re.Pattern[str]
) -> Iterator[tuple[str, str, str]]:
    for class_name, split, stem in names:
        yield class_name, split, _name_in(pattern, stem)


def _name_in(pattern: re.Pattern[str], stem: str) -> str:
    found = pattern.fullmatch(stem)
    return found[1] if found else ""


def _divide(place: Place, find: Callable[[str], str]) -> Iterator[Place]:
    """Yields the files of each group in each folder, as if they were a folder of their own."""
    for folder in place.folder.walk():
        for part in (folder, *folder.parts):
            files = collections.defaultdict(list)
            for name in part.files:
                files[find(_stem(name))].append(name)
            for group, names in files.items():
                own = Folder(part.path, names, count=len(names))
                yield dataclasses.replace(place, folder=own, group=group)
