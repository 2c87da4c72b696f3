"""Folders of masks and of bins, by what lies beside them."""

import pathlib
import re
from collections.abc import Iterator

from kerastl.data.split_words import split_within
from kerastl.data.tree import BINS, IMAGE_FOLDERS, SIDE_FOLDERS, Folder, Tree

# Share of the names in a folder of masks that are those of images beside it.
_MOST = 0.5
# Bins of Windows without what shows that they are some.
_OLD_BINS = ("RECYCLER", "RECYCLED")
# Beside classes of waste, they are classes, too.
_WASTE = re.compile("bin|trash|waste|landfill|compost|recycl", re.IGNORECASE)
_THINGS = (
    IMAGE_FOLDERS
    | SIDE_FOLDERS
    | {"seg", "thumb", "thumbs", "thumbnail", "small", "mini", "preview", "resized", "scaled"}
    | {"crop", "cropped", "aug", "augmented", "flip", "flipped", "gray", "grey", "edited", "copy"}
)
_SIZE = re.compile(r"\d+x\d+")
# Folders of what is made from the images beside them, by one of the words in their names.
_MADE = SIDE_FOLDERS | {"thumb", "thumbs", "thumbnail", "thumbnails", "preview", "previews"}


def leave_others_out(tree: Tree) -> None:
    """Takes out bins, and folders of masks whose files are named like images beside them."""
    for folder in tree.top.walk():
        kinds = dict.fromkeys(_made_in(folder), "files in folders of masks, labels or thumbnails")
        kinds |= dict.fromkeys(_bins_in(folder), BINS)
        folder.folders = [inner for inner in folder.folders if inner not in kinds]
        for inner, kind in kinds.items():
            tree.leave_out(inner.path, kind, inner.count)
    for folder in reversed(list(tree.top.walk())):
        folder.count = len(folder.files) + sum(inner.count for inner in folder.folders)


def _bins_in(folder: Folder) -> Iterator[Folder]:
    others = [inner.name for inner in folder.holding if inner.name not in _OLD_BINS]
    if not any(map(_WASTE.search, others)):
        yield from (inner for inner in folder.holding if inner.name in _OLD_BINS)


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
    return lowered in _MADE or not _MADE.isdisjoint(re.split(r"[\W_]+", lowered))


def bare_name(path: pathlib.Path) -> tuple[str, ...]:
    """Returns the words of a file's name without those for what is made from an image.

    Example:
        >>> bare_name(pathlib.Path("12_mask.png")) == bare_name(pathlib.Path("img_12-64x64.jpg"))
        True
    """
    words = re.split(r"[\W_]+", path.stem.lower())
    return tuple(word for word in words if word not in _THINGS and not _SIZE.fullmatch(word))
