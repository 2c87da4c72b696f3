"""Image files in folders that are named by class and split."""

import collections
import contextlib
import dataclasses
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

from kerastl import layouts
from kerastl.data.content import read_head, readable
from kerastl.data.files import LabeledFile, Listing, make_listing, open_listing
from kerastl.data.folder_parts import join_parts
from kerastl.data.layout import read_layout
from kerastl.data.layout_line import layout_line
from kerastl.data.layout_masks import leave_others_out
from kerastl.data.layout_reading import Reading
from kerastl.data.leaving_out import flag_without
from kerastl.data.other_contents import find_other
from kerastl.data.source import Finding, Source
from kerastl.data.split_words import split_within
from kerastl.data.tree import Tree, scan
from kerastl.errors import bad_value, closest, name_some, printable
from kerastl.paths import local_path
from kerastl.progress import Progress
from kerastl.settings import DataSettings
from kerastl.split_names import TRAIN


def open_source(
    place: str, data: DataSettings, *, memory: pathlib.Path | None, progress: Progress
) -> Source:
    """Opens a folder, see `list_folder`, as `kerastl.data_sources` describes."""
    listing = list_folder(
        place,
        layout=data.layout,
        leave_out=data.left_out,
        own=data.written_folders,
        progress=progress,
    )
    return open_listing(data.dataset, listing, is_searched=True, memory=memory, progress=progress)


def list_folder(
    folder: str,
    *,
    layout: str = layouts.AUTO,
    leave_out: Sequence[str] = (),
    own: Iterable[pathlib.Path] = (),
    progress: Progress | None = None,
) -> Listing:
    """Lists the images of a folder by the classes and splits that the folders in it name.

    If there is no train folder, val is used instead, or else test: a missing split can only be
    split off an existing one. A class folder is searched to any depth; links are followed, but
    none twice. Other files are counted by kind and not listed.

    Args:
        folder: Its path.
        layout: One as `kerastl.layouts` describes it.
        leave_out: Folders that are no data: patterns of their names, or of the last parts of their
            paths.
        own: Folders that the command itself is about to fill.
        progress: Where a line describes how the folder is read.

    Raises:
        UsageError: If the folder cannot be read, has no classes, may be read in several ways, or
            has nothing that one of `leave_out` names.
    """
    field = f"folder:{folder}"
    tree = _scan(local_path(folder, field="dataset"), field, leave_out, own)
    if layout == layouts.AUTO:
        join_parts(tree)
        leave_others_out(tree)
    reading = read_layout(tree, layout=layout, field=field)
    if progress is not None:
        progress.line(layout_line(reading, tree))
    return _list(reading, tree, field)


def _list(reading: Reading, tree: Tree, field: str) -> Listing:
    # As text, since to take paths apart takes longer than to find their files.
    root = os.path.join(tree.top.path, "")
    files = [
        LabeledFile(
            path, readable(str(path).removeprefix(root)), place.class_name, split, place.group
        )
        for place, split in ((place, reading.split_of(place)) for place in reading.places)
        for path in place.folder.images()
    ]
    number = sum(count for _, count in reading.left_out(tree.top))
    ignored = tree.ignored + collections.Counter({f"images in no {reading.needed}": number})
    class_names = [place.class_name for place in reading.places]
    listing = make_listing(files, class_names, ignored, field=field)
    findings = (*_instead_of_train(reading), *listing.findings)
    return dataclasses.replace(listing, findings=findings, patterns=reading.class_patterns)


def _scan(
    root: pathlib.Path, field: str, leave_out: Sequence[str], own: Iterable[pathlib.Path]
) -> Tree:
    try:
        if not root.is_dir():
            raise bad_value("dataset", field, *_say_no_folder(root))
        tree = scan(root, leave_out=leave_out, own=own)
    except OSError as error:
        closed = isinstance(error, PermissionError)
        place = readable(error.filename)
        problem = f"cannot be read ({error.strerror})"
        raise bad_value(
            "dataset",
            field,
            problem if place == str(root) else f"holds {place}, which {problem}",
            _say_closed(pathlib.Path(error.filename), root)
            if closed
            else "Check the drive that it is on, and its path",
        ) from error
    _check_matched(leave_out, tree, field)
    return tree


def _say_closed(place: pathlib.Path, root: pathlib.Path) -> str:
    without = flag_without([place.relative_to(root)])
    return "Make it readable" + ("" if place == root else f", or leave it out with {without}")


def _check_matched(leave_out: Sequence[str], tree: Tree, field: str) -> None:
    """Refuses a name that leaves nothing out: it may be misspelled."""
    if unmatched := [one for one in leave_out if one not in tree.matched]:
        near = closest(unmatched[0], [folder.name for folder in tree.top.walk()])
        meant = f"Did you mean {printable(near[0])!r}? " if near else ""
        raise bad_value(
            "leave_out",
            ",".join(leave_out),
            f"{name_some(map(repr, unmatched))} is no folder in {field}",
            f"{meant}Give names of folders in it, or their paths from there",
        )


# What to do with a file that is given for a folder, by its kind.
_INSTEAD = {
    "archives": "Unpack it and give the folder",
    "arrays": "Give arrays of images and labels as arrays:{}",
}


def _say_no_folder(root: pathlib.Path) -> tuple[str, str]:
    """Explains what a path is that is no folder, and what to give instead."""
    if not root.exists():
        return _say_nothing_there(root)
    other = find_other(read_head(root))
    if other is not None and other.kind in _INSTEAD:
        problem = other.reason.replace("not an image", "not a folder")
        return problem, _INSTEAD[other.kind].format(root)
    return (
        "is a file, not a folder",
        "Give the folder that holds the class folders, or a table as csv:FILE",
    )


def _say_nothing_there(root: pathlib.Path) -> tuple[str, str]:
    """Explains a path that does not exist, by a pattern in it or by what is there of it."""
    if re.search(r"[*?]", root.name):
        return "does not exist, since a folder is no pattern", "Give the folder above it"
    first, comma, _ = str(root).partition(",")
    if comma and os.path.isdir(first):
        return "does not exist, since several folders are no data set", f"Give folder:{first} alone"
    with contextlib.suppress(OSError):
        names = [one.name for one in os.scandir(root.parent) if one.is_dir()]
        if near := closest(root.name, names):
            near_place = printable(readable(root.with_name(near[0])))
            return "does not exist", f"Did you mean folder:{near_place}? Check its path"
    return "does not exist", "Check its path"


def _instead_of_train(reading: Reading) -> Iterator[Finding]:
    if reading.base not in ("", TRAIN):
        folders = (
            part
            for place in reading.places
            for part in place.folder.below(reading.top).parts
            if split_within(part) == place.split == reading.base
        )
        yield Finding(
            ", ".join(map(readable, dict.fromkeys(folders))),
            "no folder train",
            f"train is split off {reading.base}",
        )
