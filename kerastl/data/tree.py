"""A folder with all that is in it, looked at once."""

import collections
import dataclasses
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

from kerastl.data.beside import claims_picture, find_masks, other_kind
from kerastl.data.folder_names import BINS, IN_BIN, MAYBE_BIN, is_bin, is_litter
from kerastl.data.split_words import split_within

# What file managers leave behind.
_LITTER_FILES = frozenset(["thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"])
# Where a file was downloaded from, as it comes off a Windows drive.
_LITTER_ENDING = ":zone.identifier"
# Files by which a folder is known that no class is: of runs, exports, stores and searches of
# kerastl, of other models and of Python.
OWN = "files that kerastl wrote"
_KNOWN_BY = (
    ({"flags.txt", "splits.csv"}, OWN),
    ({"model_card.json"}, OWN),
    ({"audit.sqlite"}, OWN),
    ({"search.json"}, OWN),
    ({"ranking.csv", "best.flags"}, OWN),
    ({"learning_curve.csv"}, OWN),
    ({"saved_model.pb"}, "files of models"),
    ({"pyvenv.cfg"}, "files of programs"),
)
LEFT_OUT = "files in folders that --leave_out names"
_MASKS = "masks or copies of images beside them"
_OF_LABELS = re.compile(r"(.+[\W_])?(annotations?|labels?|gt)([\W_].+)?\.(txt|lst)", re.IGNORECASE)
_HIDDEN, _BACK = "hidden or system files", "repeated links"
PLACEHOLDERS = "cloud placeholders"


@dataclasses.dataclass(eq=False)
class Folder:
    """One folder of a tree.

    Attributes:
        path: Where it is, as it was reached.
        files: Names of the files directly in it that may be images, in order.
        folders: Those directly in it, in the order of their names.
        count: Files to any depth that may be images.
        others: Number of other files directly in it, by kind.
        placeholders: Files to any depth that stand for images which are not on this disk.
        is_empty: Whether nothing at all lies in it, and no command is about to fill it.
        called: Its name, if that is not the last part of the path.
        parts: Other folders that are parts of it, with the files directly in them alone.
    """

    path: pathlib.Path
    files: list[str] = dataclasses.field(default_factory=list)
    folders: list["Folder"] = dataclasses.field(default_factory=list)
    count: int = 0
    others: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    placeholders: int = 0
    is_empty: bool = False
    called: str = ""
    parts: list["Folder"] = dataclasses.field(default_factory=list)

    @property
    def num_files(self) -> int:
        """Number of files directly in it that may be images."""
        return len(self.files) + sum(len(part.files) for part in self.parts)

    @property
    def name(self) -> str:
        """The last part of the path, or what it is called instead."""
        return self.called or self.path.name

    @property
    def holding(self) -> list["Folder"]:
        """The folders directly in it that hold images."""
        return [folder for folder in self.folders if folder.count]

    def below(self, top: "Folder") -> pathlib.PurePath:
        """Returns its path from another folder, or its name if it is in another part of that."""
        is_inside = self.path.is_relative_to(top.path)
        return self.path.relative_to(top.path) if is_inside else pathlib.PurePath(self.name)

    def walk(self) -> Iterator["Folder"]:
        """Yields it and all folders below, each before those in it, in the order of names."""
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            yield folder
            waiting.extend(reversed(folder.folders))

    def images(self) -> Iterator[pathlib.Path]:
        """Yields the files to any depth that may be images."""
        for folder in self.walk():
            for part in (folder, *folder.parts):
                yield from (part.path / name for name in part.files)


@dataclasses.dataclass(frozen=True)
class Tree:
    """What a folder holds.

    Attributes:
        top: The folder itself.
        ignored: Number of other files in it, by kind.
        links: Links to folders that are listed elsewhere, or hold this one.
        left_out: Folders that are left out though they seem to hold images, with the number of
            their files, by kind.
        parts: Names of folders that are parts of a download, by the name of the whole.
        tables: Tables, and texts that are named as lists of splits or labels.
        matched: The patterns by which a folder was left out.
    """

    top: Folder
    ignored: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    links: list[pathlib.Path] = dataclasses.field(default_factory=list)
    left_out: dict[str, dict[pathlib.Path, int]] = dataclasses.field(default_factory=dict)
    parts: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    tables: list[pathlib.Path] = dataclasses.field(default_factory=list)
    matched: set[str] = dataclasses.field(default_factory=set)

    def leave_out(self, folder: pathlib.Path, kind: str, count: int) -> None:
        """Remembers a folder of a kind, with the number of files in it, for the report."""
        self.ignored[kind] += count
        self.left_out.setdefault(kind, {})[folder] = count

    def leave_out_named(self, folder: pathlib.Path, patterns: Iterable[str]) -> bool:
        """Leaves a folder out if a pattern matches the end of its path."""
        below = folder.relative_to(self.top.path)
        matched = [one for one in patterns if below.match(one)]
        if matched:
            self.matched.update(matched)
            self.leave_out(folder, LEFT_OUT, _count_files(folder))
        return bool(matched)

    def add(self, look: "_Look") -> None:
        """Remembers what one folder holds beside images."""
        self.ignored.update(look.ignored)
        for bin_ in look.bins:
            self.leave_out(bin_, BINS, _count_files(bin_))
        self.tables.extend(look.tables)


def scan(
    root: pathlib.Path, *, leave_out: Sequence[str] = (), own: Iterable[pathlib.Path] = ()
) -> Tree:
    """Visits every folder below `root` once; links are followed, but none twice.

    Where a link and a folder are the same one, it is listed as the folder.

    Args:
        root: An existing folder.
        leave_out: Patterns of the last parts of the paths of folders to leave out.
        own: Folders that the command itself is about to fill.

    Raises:
        OSError: If a folder cannot be read.
    """
    mine = {_identity(at) for one in own for at in (one, *one.parents) if os.path.isdir(at)}
    seen, tree = _above(root), Tree(top := Folder(root))
    found: list[tuple[Folder, Folder]] = []
    # Folders are at the front, and the links wait behind them.
    waiting = collections.deque([(top, root)])
    while waiting:
        parent, path = waiting.popleft()
        if tree.leave_out_named(path, leave_out):
            continue
        if (identity := _identity(path)) in seen:
            tree.ignored[_BACK] += 1
            tree.links.append(path)
            continue
        seen.add(identity)
        folder = Folder(path) if found else top
        found.append((folder, parent))
        look = _look(path, is_top=folder is top)
        tree.add(look)
        folder.files, folder.others = look.files, look.ignored
        folder.placeholders = look.ignored[PLACEHOLDERS]
        folder.is_empty = look.is_empty and identity not in mine
        waiting.extendleft((folder, inner) for inner in look.folders)
        waiting.extend((folder, link) for link in look.links)
    _sum_up(found)
    return tree


def list_images(
    folder: pathlib.Path, ignored: collections.Counter[str] | None = None
) -> Iterator[pathlib.Path]:
    """Lists the files below a folder, to any depth, that may be images, in the order of names.

    Links are followed, but none twice. Hidden files, what file managers leave behind, folders
    that kerastl wrote and files that are no images by their names are left out, and counted by
    kind in `ignored`.

    Raises:
        OSError: If a folder cannot be read.
    """
    counted = collections.Counter[str]() if ignored is None else ignored
    seen = _above(folder)
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        if (identity := _identity(place)) in seen:
            continue
        seen.add(identity)
        look = _look(place, is_top=place is folder)
        counted.update(look.ignored)
        counted[BINS] += sum(map(_count_files, look.bins))
        yield from (place / name for name in look.files)
        waiting.extend(sorted([*look.folders, *look.links], reverse=True))


def may_list_splits(name: str) -> bool:
    """Whether a file's name has a word for a split or several, as `train_test_split.txt`."""
    stem, _, _ = name.rpartition(".")
    return any(map(split_within, re.findall(r"[^\W\d_]+", stem))) or split_within(stem) is not None


def find_broken_links(folder: Folder) -> list[pathlib.Path]:
    """Returns the links directly in a folder that lead nowhere and are not named as pictures."""
    paths = (folder.path / name for name in folder.files if not claims_picture(name))
    return [path for path in paths if path.is_symlink() and not path.exists()]


@dataclasses.dataclass(frozen=True)
class _Look:
    """What one folder holds directly, and how much lies in what is left out."""

    files: list[str]
    folders: list[pathlib.Path]
    links: list[pathlib.Path]
    bins: list[pathlib.Path]
    tables: list[pathlib.Path]
    ignored: collections.Counter[str]
    is_empty: bool


def _look(place: pathlib.Path, *, is_top: bool) -> _Look:
    with os.scandir(place) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    files: list[str] = []
    folders: dict[str, os.DirEntry[str]] = {}
    tables: list[pathlib.Path] = []
    ignored: collections.Counter[str] = collections.Counter()
    for entry in listed:
        if _is_folder(entry):
            folders[entry.name] = entry
        elif kind := _kind_of_file(entry):
            ignored[kind] += 1
            is_list = may_list_splits(entry.name) or _OF_LABELS.fullmatch(entry.name)
            if kind == "tables" or (kind == "texts" and is_list):
                tables.append(pathlib.Path(entry.path))
        else:
            files.append(entry.name)
    if masks := find_masks(files):
        ignored[_MASKS] += len(masks)
        files = [name for name in files if name not in masks]
    if not is_top and (kind := _known_folder({entry.name for entry in listed}, files)):
        return _Look([], [], [], [], [], collections.Counter({kind: _count_files(place)}), False)
    bins = [folders.pop(name) for name, entry in list(folders.items()) if _is_bin(entry)]
    for name in [name for name in folders if is_litter(name)]:
        ignored[_HIDDEN] += _count_files(pathlib.Path(folders.pop(name).path))
    links = [pathlib.Path(entry.path) for entry in folders.values() if entry.is_symlink()]
    real = [pathlib.Path(entry.path) for entry in folders.values() if not entry.is_symlink()]
    places = [pathlib.Path(entry.path) for entry in bins]
    return _Look(files, real, links, places, tables, ignored, not listed)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # Unlike the entry's own method, os.path takes a link to nowhere for a file.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _kind_of_file(entry: os.DirEntry[str]) -> str | None:
    """Returns what a file is that is not listed, None if it may be an image."""
    name, kind = entry.name, other_kind(entry.name)
    if kind == PLACEHOLDERS:
        return kind
    lowered = name.lower()
    if name.startswith(".") or lowered in _LITTER_FILES or lowered.endswith(_LITTER_ENDING):
        return _HIDDEN
    # A link to nowhere is listed, so that it is reported as unusable.
    if entry.is_symlink():
        is_file = os.path.isfile(entry.path) or not os.path.exists(entry.path)
    else:
        is_file = entry.is_file()
    return kind or (None if is_file else "special files")


def _is_bin(entry: os.DirEntry[str]) -> bool:
    if is_bin(entry.name):
        return True
    if not MAYBE_BIN.fullmatch(entry.name):
        return False
    try:
        return any(map(IN_BIN.fullmatch, os.listdir(entry.path)))
    except OSError:
        return False


def _known_folder(names: set[str], files: Iterable[str]) -> str | None:
    """Returns what a folder is by some of its files, unless it holds pictures too."""
    kind = next((kind for known, kind in _KNOWN_BY if known <= names), None)
    return None if kind and any(map(claims_picture, files)) else kind


def _identity(path: pathlib.Path) -> object:
    status = os.stat(path)
    # Some drives number nothing.
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _count_files(folder: pathlib.Path) -> int:
    # What is left out may also be closed to us.
    return sum(len(files) for _, _, files in os.walk(folder))


def _above(root: pathlib.Path) -> set[object]:
    return {_identity(place) for place in pathlib.Path(os.path.realpath(root)).parents}


def _sum_up(found: list[tuple[Folder, Folder]]) -> None:
    """Joins and counts from below: each folder comes with its parent, which comes before it."""
    for folder, parent in reversed(found):
        folder.folders.sort(key=lambda inner: inner.path)
        folder.count += len(folder.files)
        if folder is not parent:
            parent.folders.append(folder)
            parent.count += folder.count
            parent.placeholders += folder.placeholders
