"""Folders that are no classes by their names and what lies beside them: masks, bins, backups."""

import pathlib
import re
from collections.abc import Collection, Iterator

from kerastl.data.folder_names import (
    IMAGE_FOLDERS,
    MADE_FOLDERS,
    OUTPUTS,
    is_of_runs,
    left_of_split,
    no_class,
)
from kerastl.data.split_words import name_words, split_within
from kerastl.data.tree import Folder, Tree

# Share of the names in a folder of masks that are those of images beside it.
_MOST = 0.5
_THINGS = (
    IMAGE_FOLDERS
    | MADE_FOLDERS
    | {"seg", "small", "mini", "resized", "scaled"}
    | {"crop", "cropped", "aug", "augmented", "flip", "flipped", "gray", "grey", "edited", "copy"}
)
_SIZE = re.compile(r"\d+x\d+")


def leave_others_out(tree: Tree, classes: Collection[pathlib.Path] | None = None) -> None:
    """Takes out bins, backups and the like, and masks whose files are named like images beside.

    Args:
        tree: What was found on the disk; its counts are brought up to date.
        classes: Where the classes are, if a person chose the layout: then these stay, and only
            masks and what is left of splits are taken out.
    """
    for folder in tree.top.walk():
        kinds = dict.fromkeys(_made_in(folder), "files in folders of masks, labels or thumbnails")
        kinds |= dict(_of_no_split(folder))
        if classes is None:
            kinds |= dict(_of_no_class(folder))
        else:
            kinds = {inner: kind for inner, kind in kinds.items() if inner.path not in classes}
        folder.folders = [inner for inner in folder.folders if inner not in kinds]
        for inner, kind in kinds.items():
            tree.leave_out(inner.path, kind, inner.count)
    for folder in reversed(list(tree.top.walk())):
        folder.count = folder.num_files + sum(inner.count for inner in folder.folders)


def _of_no_class(folder: Folder) -> Iterator[tuple[Folder, str]]:
    """Yields the folders in one whose names are clearly those of no class, with their kinds."""
    names = {inner: inner.name for inner in folder.holding}
    kinds = {
        inner: kind
        for inner, name in names.items()
        if (kind := no_class(name, (other for other in names.values() if other != name)))
    }
    others = [inner for inner in names if inner not in kinds]
    # Those that are all that there is may be what is meant.
    if others or folder.files:
        yield from kinds.items()
    # Beside splits, or where classes hold images, what only holds folders is a tool's.
    of_runs = [inner for inner in others if is_of_runs(inner.name) and not inner.files]
    are_splits = any(split_within(inner.name) for inner in others)
    if are_splits or sum(bool(inner.files) for inner in others) > 1:
        yield from ((inner, OUTPUTS) for inner in of_runs)


def _of_no_split(folder: Folder) -> Iterator[tuple[Folder, str]]:
    """Yields what holds results of a split beside it, or an earlier state, as test_predictions."""
    named = {inner: split for inner in folder.holding if (split := split_within(inner.name))}
    kinds = {inner: left_of_split(name_words(inner.name)) for inner in named}
    present = {split for inner, split in named.items() if not kinds[inner]}
    are_splits = len(named) == len(folder.holding)
    for inner, kind in kinds.items():
        # Among classes, one with images directly in it may be a class, too.
        if kind and named[inner] in present and (inner.holding or are_splits):
            yield inner, kind


def _made_in(folder: Folder) -> Iterator[Folder]:
    sides = [inner for inner in folder.holding if _is_made(inner.name)]
    of_images = [
        inner
        for inner in folder.holding
        if inner not in sides and (inner.name.lower() in IMAGE_FOLDERS or split_within(inner.name))
    ]
    if not sides or not (of_images or folder.files):
        return
    # Beside others with images directly in them, all are classes, as photo, mask and replay.
    others = set(folder.holding) - {*of_images, *sides}
    are_classes = any(inner.files for inner in others)
    names = {bare_name(path) for inner in of_images for path in inner.images()}
    names |= {bare_name(folder.path / name) for name in folder.files}
    for side in sides:
        paired = sum(bare_name(path) in names for path in side.images())
        if paired >= _MOST * side.count and not (side.files and are_classes):
            yield side


def _is_made(name: str) -> bool:
    lowered = name.lower()
    return lowered in MADE_FOLDERS or not MADE_FOLDERS.isdisjoint(re.split(r"[\W_]+", lowered))


def bare_name(path: pathlib.Path) -> tuple[str, ...]:
    """Returns the words of a file's name without those for what is made from an image.

    Example:
        >>> bare_name(pathlib.Path("12_mask.png")) == bare_name(pathlib.Path("img_12-64x64.jpg"))
        True
    """
    words = re.split(r"[\W_]+", path.stem.lower())
    return tuple(word for word in words if word not in _THINGS and not _SIZE.fullmatch(word))
