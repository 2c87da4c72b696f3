"""Folders of masks and other images that belong to those beside them."""

import pathlib
import re
from collections.abc import Iterator

from kerastl.data.tree import IMAGE_FOLDERS, SIDE_FOLDERS, Folder, Tree

# Share of the names in a folder of masks that are those of images beside it.
_MOST = 0.5
_THINGS = IMAGE_FOLDERS | SIDE_FOLDERS | {"seg"}


def leave_masks_out(tree: Tree) -> None:
    """Takes out folders of masks whose files are named like images in a folder beside them."""
    for folder in tree.top.walk():
        masks = set(_masks_in(folder))
        folder.folders = [inner for inner in folder.folders if inner not in masks]
        for inner in masks:
            tree.leave_out(inner.path, "files in folders of masks or labels", inner.count)
    for folder in reversed(list(tree.top.walk())):
        folder.count = len(folder.files) + sum(inner.count for inner in folder.folders)


def _masks_in(folder: Folder) -> Iterator[Folder]:
    of_images = [inner for inner in folder.holding if inner.name.lower() in IMAGE_FOLDERS]
    sides = [inner for inner in folder.holding if inner.name.lower() in SIDE_FOLDERS]
    if not of_images or not sides:
        return
    # Beside others with images directly in them, all are classes, as photo, mask and replay.
    others = set(folder.holding) - {*of_images, *sides}
    are_classes = any(inner.files for inner in others)
    names = {_bare(path) for inner in of_images for path in inner.images()}
    for side in sides:
        paired = sum(_bare(path) in names for path in side.images())
        if paired >= _MOST * side.count and not (side.files and are_classes):
            yield side


def _bare(path: pathlib.Path) -> tuple[str, ...]:
    """Returns the words of a file's name without those for images and masks, as in 12_mask.png."""
    words = re.split(r"[\W_]+", path.stem.lower())
    return tuple(word for word in words if word not in _THINGS)
