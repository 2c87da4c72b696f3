"""Infers from a tree of folders which level names splits and which one classes."""

import collections
import functools
import itertools
import os
import pathlib
from collections.abc import Collection, Iterable, Sequence

from kerastl import layouts
from kerastl.data.beside import claims_picture
from kerastl.data.content import read_head, readable
from kerastl.data.conversions import way_of_kind, way_of_tool
from kerastl.data.file_formats import find_format
from kerastl.data.folder_names import IMAGE_FOLDERS, is_rarely_class, named_alike
from kerastl.data.labels import plain_name, refuse_alike, refuse_twins
from kerastl.data.layout_checks import (
    Stop,
    check_around,
    check_classes,
    check_copies,
    check_others,
    check_same_split,
    check_shared,
    check_splits_below,
    check_strays,
    check_whole,
    is_parted,
)
from kerastl.data.layout_contents import check_beside, check_images
from kerastl.data.layout_groups import group_by_names, with_groups
from kerastl.data.layout_levels import upper_or_lower
from kerastl.data.layout_masks import leave_others_out
from kerastl.data.layout_reading import (
    Reading,
    are_sides,
    class_folders,
    find_splits,
    is_divided,
    known_classes,
    name_folders,
    read_as,
    without_unlabeled,
)
from kerastl.data.other_contents import find_other
from kerastl.data.split_lists import use_lists
from kerastl.data.split_words import around_split, split_within
from kerastl.data.table_rows import ENDINGS
from kerastl.data.tool_files import find_tool
from kerastl.data.tree import Folder, Tree, find_broken_links
from kerastl.errors import UsageError, bad_value, name_some, shorten
from kerastl.progress import count_kind, count_of
from kerastl.split_names import SPLITS, TRAIN

# Other lists than tables.
_LISTS = (".txt", ".lst", ".json")
_MOST_TABLES = 20


def read_layout(tree: Tree, *, layout: str = layouts.AUTO, field: str) -> Reading:
    """Finds the one reading of a tree that fits, or takes the one that is given.

    Args:
        tree: What was found on the disk.
        layout: One as `kerastl.layouts` describes it.
        field: The data set, for errors.

    Raises:
        UsageError: If no reading fits, or more than one.
    """
    stop = functools.partial(bad_value, "dataset", field)
    top = _begin(tree.top)
    is_given = layout != layouts.AUTO
    if not (top.count if is_given else is_divided(top)):
        raise _no_classes(top, tree, stop)
    if is_given:
        leave_others_out(tree, read_as(layout, top, is_given=True).class_paths)
    form = layout if is_given else with_groups(_infer(top, tree, stop), top)
    reading = read_as(form, top, is_given=is_given)
    if layouts.GROUP in form or not is_given:
        reading = group_by_names(reading, is_given=is_given)
    if not is_given:
        check_beside(reading, stop)
        _check_parts(reading, tree, stop)
        check_strays(reading, stop)
    if layout != layouts.CLASS:
        reading = use_lists(reading, tree)
    if not any(place.folder.count for place in reading.places):
        raise bad_value("layout", layout, f"finds no class in {field}", f"Use {layouts.AUTO}")
    refuse_alike(reading.class_names, name=field)
    refuse_twins(reading.class_names, name=field, patterns=reading.class_patterns)
    check_classes(reading, stop)
    check_images(reading, stop)
    return reading


# Files whose contents are looked at before anything else is known of them.
_LOOKED_AT = 3


def _no_classes(top: Folder, tree: Tree, stop: Stop) -> UsageError:
    """Explains what there is in place of class folders, and what to do with that."""
    inside = [folder for folder in top.holding if is_divided(folder)]
    inside.sort(key=lambda folder: folder.name.lower() not in IMAGE_FOLDERS)
    in_names, advice = _of_file_names("file", top)
    known = (way_of_kind(kind, top.path) for kind, _ in tree.ignored.most_common())
    alone = "" if top.count else next(filter(None, known), "")
    ways = [
        f"give one of them, as in folder:{inside[0].path}"
        if inside
        else advice or alone or "give the folder above, with a folder for each class in it",
        "" if alone else f"give a table of files and classes as csv:{_table(tree)}",
        "add --layout=class if these are the classes" if top.holding else "",
    ]
    return stop(f"holds {_without_classes(top, tree)}{in_names}", _join(ways, tree))


def _of_file_names(form: str, top: Folder) -> tuple[str, str]:
    """Names the classes that file names may hold, and how to use them; empty for none."""
    names = sorted(read_as(form, top, is_given=True).class_names)
    if not names:
        return "", ""
    return (
        f", with names that may begin with a class ({name_some(names)})",
        f"add --layout={form} if they do",
    )


def _table(tree: Tree) -> str:
    """Names a table among the files, or stands for one."""

    def order(path: pathlib.Path) -> tuple[bool, int, int, str]:
        place = str(path.relative_to(tree.top.path)).lower()
        likely = [word in place for word in (TRAIN, "label", "meta", "")].index(True)
        return not _is_table(path), len(path.parts), likely, place

    known = [path for path in tree.tables if path.suffix.lower() in (*ENDINGS, *_LISTS)]
    # More are of an image each.
    return str(min(known, key=order, default="FILE")) if len(known) <= _MOST_TABLES else "FILE"


def _join(ways: Iterable[str], tree: Tree) -> str:
    """Joins ways out, in place of which stands that for the files of a tool, if there are any."""
    tool = find_tool(tree.top)
    first, *others = [way_of_tool(tool)] if tool else filter(None, ways)
    return ", or ".join([first[0].upper() + first[1:], *others])


def _check_parts(reading: Reading, tree: Tree, stop: Stop) -> None:
    """Refuses classes that are all named as something else, as parts, and one that is all."""
    names = list(dict.fromkeys(one.class_name for one in reading.places if one.folder.count))
    if len(names) == 1:
        raise stop(
            f"has one class ({names[0]}), which may be the folder of all images",
            f"Give a table of files and classes as csv:{_table(tree)}, or the folder above, with "
            "two or more class folders",
        )
    kind = named_alike(names, has_table=any(map(_is_table, tree.tables))) if names[1:] else None
    if kind:
        ways = [
            f"give a table of files and classes as csv:{_table(tree)}",
            "put a folder for each class into them"
            if kind.startswith("parts")
            else "sort the images into a folder for each class",
            f"add --layout={reading.form} if these are the classes",
        ]
        raise stop(f"{name_some(names)} are named as {kind}, not as classes", _join(ways, tree))


def _is_table(path: pathlib.Path) -> bool:
    return path.suffix.lower() in ENDINGS


def _without_classes(top: Folder, tree: Tree) -> str:
    kinds = name_some(count_kind(count, kind) for kind, count in sorted(tree.ignored.items()))
    if broken := find_broken_links(top):
        targets = (f"{one.name} to {shorten(readable(os.readlink(one)))}" for one in broken)
        kinds = f"{count_of(len(broken), 'link')} to nowhere ({name_some(targets)})"
    elif top.count:
        inside = f" in {name_folders(top.holding)}" if top.holding and not top.files else ""
        kinds = f"{count_of(top.count, 'file')}{inside}{_no_pictures(top)}"
    empty = class_folders(top)
    lacking = f"no images in {name_folders(empty)}" if empty else "no class folders"
    return f"{kinds} and {lacking}" if kinds else lacking


def _no_pictures(top: Folder) -> str:
    """Says what files are whose names do not tell it, if the first ones are no pictures."""
    some = list(itertools.islice(top.images(), _LOOKED_AT))
    heads = [b"" if claims_picture(path.name) else read_head(path) for path in some]
    # Empty files may be anything.
    others = [find_other(head) for head in heads if head and not find_format(head)]
    first = others[0] if others and len(others) == len(some) else None
    return f", the first of which {first.reason}," if first else ""


def _begin(top: Folder) -> Folder:
    """Descends through folders that hold everything else, to that of classes or splits."""
    while len(inside := without_unlabeled(top.holding)) == 1 and inside[0].holding:
        if split_within(inside[0].name) and not is_parted(inside[0]):
            break
        top = inside[0]
    return top


def _infer(top: Folder, tree: Tree, stop: Stop) -> str:
    check_copies(top, stop)
    named = [folder for folder in top.holding if split_within(folder.name)]
    heads = find_splits(top)
    known = known_classes(folder for folder, _ in heads)
    # Some images beside the classes are strays, many mean that the folders beside them are.
    found: collections.Counter[str] = collections.Counter()
    for folder, split in heads:
        found[split] += folder.count - 2 * len(folder.files)
    divided = [
        (folder, split)
        for folder, split in heads
        if is_divided(folder, known) and found[split] > 0 and not _is_one_more(folder, known)
    ]
    first = min((split for _, split in heads), key=SPLITS.index, default="")
    if first in {split for _, split in divided}:
        check_others(top, stop)
        check_same_split(top, stop)
        below = [folder for folder, _ in divided]
        return _find_classes(top, below, stop, is_split=True)
    is_only = len(named) == len(top.holding) == 1
    classes = [one for one in top.holding if one not in named and not is_rarely_class(one.name)]
    are_splits = len({split_within(folder.name) for folder in named}) > 1
    if is_only or (are_splits and not classes[1:]):
        deeper = "--layout=split/class or " if any(one.holding for one in named) else ""
        in_names, advice = _of_file_names("split/file", top)
        ways = [
            advice,
            _of_class_and_split(named) or "put a folder for each class into them",
            f"give a table of files and classes as csv:{_table(tree)}",
            f"add {deeper}--layout=class if these are the classes",
        ]
        raise stop(
            f"{name_folders(named)} {'is named as a split' if is_only else 'are named as splits'} "
            f"and {'holds' if is_only else 'hold'} images, but no class folders{in_names}",
            _join(ways, tree),
        )
    return _find_classes(top, [top], stop, is_split=False)


def _of_class_and_split(named: Sequence[Folder]) -> str:
    """Says where folders belong that are named for a class and a split each; empty for others."""
    classes = {around_split(folder.name) for folder in named}
    first = named[0]
    place = f"{split_within(first.name)}/{around_split(first.name)}"
    several = len(classes) > 1 and "" not in classes
    return f"move each into a folder of its split, as {first.name} to {place}" if several else ""


def _is_one_more(folder: Folder, known: Collection[str]) -> bool:
    """Whether the only folder that may be a class lies beside images, and holds more of them."""
    return bool(folder.files) and len(class_folders(folder, known)) == 1


def _find_classes(top: Folder, heads: Sequence[Folder], stop: Stop, *, is_split: bool) -> str:
    """Finds the level of the classes below `heads`, which are in splits or the top itself."""
    inside = [folder for head in heads for folder in head.holding]
    for head in heads:
        check_copies(head, stop)
        check_whole(head, stop)
    if not is_split and any(map(is_parted, inside)) and all(map(_has_only_splits, inside)):
        splits = [inner for folder in inside for inner in folder.holding]
        if all(inner.files or are_sides(set(map(_name, inner.holding))) for inner in splits):
            return "class/split"
        raise stop(
            f"{name_folders(inside)} each hold {name_folders(inside[0].holding)}",
            f"Give one of them, as in folder:{readable(inside[0].path)}, or add "
            "--layout=folder/split/class to join them, group/split/class to keep each in one split "
            "where splits are made, or class/split if these are the classes",
        )
    check_splits_below(inside, top, stop)
    if not is_split:
        check_around(inside, stop)
    levels = functools.partial(layouts.join, layouts.SPLIT if is_split else "")
    if any(folder.files for folder in inside):
        if not is_split:
            check_shared(inside, top, stop)
        return levels(layouts.CLASS)
    return upper_or_lower(top, inside, stop, levels)


def _name(folder: Folder) -> str:
    return plain_name(folder.name)


def _has_only_splits(folder: Folder) -> bool:
    return bool(folder.holding) and all(split_within(inner.name) for inner in folder.holding)
