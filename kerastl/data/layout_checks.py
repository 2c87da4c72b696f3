"""What speaks against a layout: copies, splits among classes, classes that training lacks."""

import collections
import dataclasses
import hashlib
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence

from kerastl.data.content import readable
from kerastl.data.folder_names import DATA_FOLDERS, IMAGE_FOLDERS, maybe_no_class
from kerastl.data.labels import plain_name
from kerastl.data.layout_masks import bare_name
from kerastl.data.layout_reading import (
    Reading,
    find_splits,
    is_divided,
    known_classes,
    name_folders,
    read_as,
    unwrap,
)
from kerastl.data.leaving_out import flag_without, leave_out_classes
from kerastl.data.split_words import split_named, split_within
from kerastl.data.tree import Folder
from kerastl.errors import UsageError, name_some, printable
from kerastl.progress import count_of

# Makes an error of a problem and what to do about it.
Stop = Callable[[str, str], UsageError]
# Bytes of a file that are compared.
_BEGINNING = 1 << 16
# A folder with this share of the files of all others is a copy of them, and one of a split with
# the other share of those of another.
_MOST, _HALF = 0.9, 0.5
# Fewer have the same names by chance.
_FEWEST = 4


def check_others(top: Folder, stop: Stop) -> None:
    """Refuses folders beside those of splits that may be classes, or hold some."""
    heads = find_splits(top)
    known = known_classes(folder for folder, _ in heads)
    divided = {split for folder, split in heads if is_divided(folder, known)}
    others = [folder for folder in top.holding if not split_within(folder.name)]
    deep = [folder for folder in others if is_divided(unwrap(folder, known), known)]
    if not deep and (not others or len(divided) > 1):
        return
    first, second = (read_as(form, top).describe() for form in ("class", "split/class"))
    raise stop(
        f"mixes split folders with others ({name_folders(deep or others)}): it can be read as "
        f"{first} or as {second}",
        "Put class folders into train, val and test, or directly below the folder, or choose with "
        "--layout=class or --layout=split/class",
    )


def check_same_split(top: Folder, stop: Stop) -> None:
    """Refuses two folders for one split if one repeats files of the other."""
    of_split: dict[str, list[Folder]] = {}
    for folder, split in find_splits(top):
        of_split.setdefault(split, []).append(folder)
    for split, folders in of_split.items():
        for number, folder in enumerate(folders):
            for before in folders[:number]:
                shared = _count_copies(folder.images(), before.images())
                if shared >= _HALF * min(folder.count, before.count):
                    raise stop(
                        f"{name_place(before, top)} and {name_place(folder, top)} are both named "
                        f"for {split}, and {shared} of {count_of(folder.count, 'image')} in the "
                        "latter are copies",
                        f"Leave one of them out, as with {flag_without([folder.below(top)])}",
                    )


def check_copies(head: Folder, stop: Stop) -> None:
    """Refuses a folder that repeats those beside it: their names, or their files."""
    inside = {plain_name(folder.name): folder for folder in head.holding}
    for name, folder in inside.items():
        below = [*folder.holding, *unwrap(folder).holding]
        keys = ((plain_name(inner.name), inner) for inner in below)
        again = {
            key: inner
            for key, inner in keys
            if key in inside and key != name and _may_repeat(inner, inside[key])
        }
        if again:
            copies = sum(
                _count_copies(inner.images(), inside[key].images()) for key, inner in again.items()
            )
            copied = f", and {copies} of {folder.count} images are copies"
            # An archive that was packed into itself; what is in it needs no place to write to.
            is_whole = len(again) > 1 and set(again) == set(inside) - {name}
            alone = f"Give folder:{readable(folder.path)} alone, or leave" if is_whole else "Leave"
            flag = flag_without([folder.below(head)])
            or_class = ", or add --layout=class if it is a class of its own"
            raise stop(
                f"{folder.name!r} holds folders named like its siblings "
                f"({name_some(sorted(again))}){copied if copies else ''}",
                f"Put its siblings into a folder train, or leave it out with {flag}"
                if split_named(folder.name) and not copies and not any(map(split_named, again))
                else f"{alone} it out with {flag}{'' if is_parted(unwrap(folder)) else or_class}",
            )


def _may_repeat(folder: Folder, sibling: Folder) -> bool:
    """Whether a folder may be a sibling of its own: the class train in Test is not Train."""
    return folder.name == sibling.name or not split_named(folder.name)


def check_whole(head: Folder, stop: Stop) -> None:
    """Refuses a folder that has the files of all those beside it, or what is made from them."""
    *others, largest = sorted(head.holding, key=lambda folder: folder.count)
    wanted = _MOST * sum(folder.count for folder in others)
    if not others[1:] or largest.count < wanted:
        return
    beside = [path for folder in others for path in folder.images()]
    what = "are copies"
    if (copies := _count_copies(largest.images(), beside)) < wanted:
        copies, what = _count_names(largest.images(), beside), "have the names of theirs"
        if copies < max(wanted, _MOST * largest.count, _FEWEST):
            return
    raise stop(
        f"{largest.name!r} repeats its siblings: {copies} of {largest.count} images {what}",
        f"Leave it out with {flag_without([largest.below(head)])}, or add --layout=class if it is "
        "a class of its own",
    )


def check_splits_below(inside: Sequence[Folder], top: Folder, stop: Stop) -> None:
    """Refuses classes with splits somewhere in them."""
    found = next((below for one in inside for below in one.walk() if is_parted(below)), None)
    if found is None:
        return
    whole = [folder for folder in inside if not any(map(is_parted, folder.walk()))]
    others = f", and {name_folders(whole[:1])} does not" if whole else ""
    deep = any(inner.holding for inner in found.holding)
    raise stop(
        f"{name_place(found, top)} holds {name_folders(found.holding)}, named as splits{others}",
        f"Give folder:{readable(found.path)}, or add --layout=class to join what is in a class, or "
        "folder/split/class to join what is in each split"
        if deep
        else "Give each class the same splits, or add --layout=class to join what is in a class",
    )


def check_around(inside: Sequence[Folder], stop: Stop) -> None:
    """Refuses a folder that is named for data and may hold the classes, beside others."""
    around = (
        folder
        for folder in inside
        if folder.name.lower() in DATA_FOLDERS and not folder.files and folder.holding[1:]
    )
    for folder in around if inside[1:] else ():
        others = [one for one in inside if one is not folder]
        # Where the others hold the same, it is one of several folders of the same kind.
        names = {plain_name(inner.name) for inner in folder.holding}
        if names.isdisjoint(plain_name(inner.name) for one in others for inner in one.holding):
            raise stop(
                f"{folder.name!r} holds folders that may be the classes "
                f"({name_folders(folder.holding)}), beside {name_folders(others)}",
                f"Give folder:{readable(folder.path)}, or add --layout=class if the upper ones are",
            )


def check_shared(inside: Sequence[Folder], top: Folder, stop: Stop) -> None:
    """Refuses folders of the same others beside folders of images: either may be the classes."""
    deep = [one for one in inside if not one.files and one.holding]
    names = [{plain_name(inner.name) for inner in one.holding} for one in deep]
    shared = set.intersection(*names) if 1 < len(deep) < len(inside) else set()
    if not _may_be_classes(shared):
        return
    upper, lower = (read_as(form, top, is_given=True) for form in ("class", "folder/class"))
    others = [one for one in inside if one not in deep]
    hold = "holds" if len(others) == 1 else "hold"
    raise stop(
        f"can be read as {upper.describe()} or as {lower.describe()}, since {name_folders(deep)} "
        f"each hold {name_some(sorted(shared))}, and {name_folders(others)} {hold} images",
        "Choose with --layout=class or --layout=folder/class",
    )


def _may_be_classes(names: Iterable[str]) -> list[str]:
    """Returns those of several names that may be classes: not of images, years or sessions."""
    classes = sorted(name for name in names if not re.search(r"\d", name))
    return [name for name in classes if name not in IMAGE_FOLDERS] if classes[1:] else []


def check_deep(inside: Sequence[Folder], top: Folder, stop: Stop) -> None:
    """Refuses folders that may be classes if all have the same others with images, further down."""
    names = [
        {plain_name(below.name) for inner in one.holding for below in inner.walk() if below.files}
        for one in inside
    ]
    shared = set.intersection(*names) if names[1:] else set()
    classes = _may_be_classes(shared - IMAGE_FOLDERS)
    if classes and max(map(len, names)) < 2 * len(classes):
        place = next(below for below in inside[0].walk() if below.files)
        upper, lower = (read_as(form, top, is_given=True) for form in ("class", "folder/class"))
        is_lower = set(map(plain_name, lower.class_names)) == set(classes)
        both = f": it can be read as {upper.describe()} or as {lower.describe()}"
        raise stop(
            f"{name_folders(inside)} each hold folders named {name_some(classes)} further down, as "
            f"{name_place(place, top)}, which may be the classes{both if is_lower else ''}",
            "Choose with --layout=class or --layout=folder/class, or group/class to keep each "
            "upper folder in one split"
            if is_lower
            else f"Give one of them, as in folder:{readable(place.path.parent)}, or add "
            "--layout=class if the upper ones are",
        )


def check_strays(reading: Reading, stop: Stop) -> None:
    """Refuses classes that are named as bins, splits or the like are, beside two or more others."""
    names = reading.class_names
    kinds = {
        name: kind
        for name in names
        if (kind := maybe_no_class(name, (one for one in names if one != name)))
    }
    # No such thing has a part of it in each split.
    strays = {
        name: kind
        for name, kind in kinds.items()
        if len({one.split for one in reading.by_class[name]}) < max(2, len(reading.counts))
    }
    if not strays or len(names) <= len(kinds) + 1:
        return
    rest = tuple(place for place in reading.places if place.class_name not in strays)
    without = dataclasses.replace(reading, places=rest)
    one, it, they, is_class = (
        ("", "it", "it is", "a class")
        if len(strays) == 1
        else ("each ", "them", "they are", "classes")
    )
    raise stop(
        f"has {name_some(map(repr, strays))}, {one}named as "
        f"{' or '.join(dict.fromkeys(strays.values()))}: it can be read as {reading.describe()} or "
        f"as {without.describe()}",
        f"Leave {it} {leave_out_classes(strays, reading.class_patterns)}, or add "
        f"--layout={reading.form} if {they} {is_class}",
    )


def check_classes(reading: Reading, stop: Stop) -> None:
    """Refuses classes of other splits that training lacks."""
    trained = {plain_name(one.class_name) for one in reading.places if one.split == reading.base}
    strange = [
        one.folder
        for one in reading.places
        if one.folder.count and plain_name(one.class_name) not in trained
    ]
    if strange:
        images = count_of(sum(folder.count for folder in strange), "image")
        raise stop(
            f"has {images} of classes that {reading.base or 'training'} lacks "
            f"({name_some(name_place(folder, reading.top) for folder in strange)})",
            "Give the classes of all splits the same names, or leave these out with "
            f"{flag_without(folder.below(reading.top) for folder in strange)}",
        )


def is_parted(folder: Folder) -> bool:
    """Whether a folder holds splits: two different ones, or nothing but one."""
    inside = folder.holding
    splits = {split for inner in inside if (split := split_within(inner.name))}
    return len(splits) > 1 or (bool(inside) and all(split_named(one.name) for one in inside))


def name_place(folder: Folder, top: Folder) -> str:
    """Names a folder as it is reached from another."""
    return printable(readable(folder.below(top)))


def _count_copies(paths: Iterable[pathlib.Path], others: Iterable[pathlib.Path]) -> int:
    """Counts the files that have the size of one of the others, each its own, and begin like it."""
    mine, theirs = list(paths), list(others)
    copies = 0
    for look in (_size, _beginning):
        # What cannot be looked at is like nothing.
        found, there = (
            [(path, seen) for path in some if (seen := look(path)) is not None]
            for some in (mine, theirs)
        )
        shared = {seen for _, seen in found} & {seen for _, seen in there}
        mine, theirs = ([path for path, seen in some if seen in shared] for some in (found, there))
        counts = (collections.Counter(seen for _, seen in some) for some in (found, there))
        copies = (next(counts) & next(counts)).total()
    return copies


def _count_names(paths: Iterable[pathlib.Path], others: Iterable[pathlib.Path]) -> int:
    """Counts the files that are named like one of the others, if these have a name each."""
    names = [bare_name(path) for path in others]
    unlike = set(names) if len(set(names)) == len(names) else set()
    return len(unlike & set(map(bare_name, paths)))


def _size(path: pathlib.Path) -> int | None:
    """Returns the bytes of a file, None where there is nothing to compare."""
    try:
        return os.path.getsize(path) or None
    except OSError:
        return None


def _beginning(path: pathlib.Path) -> tuple[int, bytes] | None:
    """Returns the size of a file and a digest of how it begins."""
    try:
        with open(path, "rb") as file:
            begins = file.read(_BEGINNING)
            return os.fstat(file.fileno()).st_size, hashlib.sha256(begins).digest()
    except OSError:
        return None
