"""From the paths of a table's column to files: one rule for the whole column, found by trying."""

import collections
import functools
import os
import pathlib
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kerastl.data.content import readable
from kerastl.data.file_formats import FORMATS
from kerastl.data.folder_names import COPY_FOLDERS, IMAGE_FOLDERS
from kerastl.data.split_words import split_named

# Endings of images, in lower case; some of them are refused by name later.
_ENDINGS = frozenset(
    (*(ending for one in FORMATS for ending in one.endings), *(".tif", ".tiff", ".heic", ".heif"))
) | {".avif", ".jp2", ".jxl", ".ppm", ".pgm"}
ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)
# What labeling tools put before the name of an uploaded file, and before a path.
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{4,36}-(?=.)")
_FRACTION = re.compile(r"(?<=\d)\.0$")
_LOCAL_FILE = "?d="
# How far below the table images are looked for.
_MAX_DEPTH, _MAX_FOLDERS = 4, 2000
# Rows from which the rule is found.
_SAMPLE_ROWS = 500

# Makes a path of this system from a path as a table has it, and finds what it leads to.
_Form = Callable[[str], str]
_Rule = Callable[[str], "Place"]


class Place(NamedTuple):
    """What a path of a table leads to.

    Attributes:
        text: The path as the table means it, in the form of this system.
        path: The file; as the table has it if there is none.
        example: Its name for people: as the table has it if that is its path, else relative to
            the table.
        others: Further files that the path may as well mean.
        is_found: Whether there is such a file.
        is_exact: Whether the table has all of its path, spelled like that.
    """

    text: str
    path: str
    example: str
    others: tuple[str, ...] = ()
    is_found: bool = False
    is_exact: bool = False


class Folders:
    """Knows what is in folders; each is listed once."""

    def __init__(self) -> None:
        self._files: dict[str, Mapping[str, bool] | None] = {}
        self._inner: dict[str, list[str]] = {}
        self._alike: dict[str, Mapping[str, list[str]]] = {}
        self._real: dict[str, str] = {}
        self._below: dict[str, Mapping[str, list[str]]] = {}

    def files(self, folder: str) -> Mapping[str, bool] | None:
        """Returns whether each file in a folder is a link, None if it cannot be listed."""
        if folder not in self._files:
            self._inner[folder] = []
            self._files[folder] = self._list(folder)
        return self._files[folder]

    def _list(self, folder: str) -> Mapping[str, bool] | None:
        found = {}
        try:
            with os.scandir(folder or ".") as entries:
                for entry in entries:
                    if entry.is_dir():
                        self._inner[folder].append(entry.name)
                    else:
                        found[entry.name] = entry.is_symlink()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        except OSError:
            return None
        return found

    def folders(self, folder: str) -> list[str]:
        """Returns the names of the folders in a folder, in order."""
        self.files(folder)
        return sorted(self._inner[folder])

    def has(self, folder: str, name: str) -> bool:
        """Whether a folder holds a file of this name, spelled like that."""
        files = self.files(folder)
        return os.path.lexists(os.path.join(folder, name)) if files is None else name in files

    def alike(self, folder: str, name: str) -> list[str]:
        """Finds the files whose name differs only in case, ending or its form of Unicode."""
        if folder not in self._alike:
            by_key: dict[str, list[str]] = collections.defaultdict(list)
            for known in self.files(folder) or ():
                for key in _keys(known):
                    by_key[key].append(known)
            self._alike[folder] = by_key
        known_by = self._alike[folder]
        return next((known_by[key] for key in _keys(name) if key in known_by), [])

    def real(self, path: str) -> str:
        """Returns one text for all paths that lead to a file by links and the like."""
        folder, name = os.path.split(path)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        whole = os.path.join(self._real[folder], name)
        is_plain = (self.files(folder) or {}).get(name) is False
        return whole if is_plain else os.path.realpath(whole)

    def below(self, root: str) -> Mapping[str, list[str]]:
        """Lists the images below a folder, relative to it, by the keys of their names."""
        if root in self._below:
            return self._below[root]
        found = self._below[root] = collections.defaultdict(list)
        waiting = collections.deque([("", 0)])
        while waiting and len(self._files) < _MAX_FOLDERS:
            inner, depth = waiting.popleft()
            folder = os.path.join(root, inner) if inner else root
            for name in filter(is_image_name, self.files(folder) or ()):
                for key in _keys(name):
                    found[key].append(os.path.join(inner, name))
            if depth < _MAX_DEPTH:
                names = (
                    name
                    for name in self.folders(folder)
                    if name[0] not in "._@#$" and name.lower() not in COPY_FOLDERS
                )
                waiting.extend((os.path.join(inner, name), depth + 1) for name in names)
        return found


def is_image_name(name: str) -> bool:
    """Whether a name ends as those of images do."""
    return os.path.splitext(name)[1].lower() in _ENDINGS


def find_places(values: Sequence[str], table_folder: pathlib.Path, folders: Folders) -> list[Place]:
    """Finds the files that the values of a column mean, by one rule for all of them.

    A path starts at the table, or else at the working folder or at the folder above the table.
    If at most half of the values lead to a file then, the last parts of each are looked for among
    the images below the table, or in folders that are named for images or splits beside its own.
    What other
    systems and tools make of a path is undone. A name may lack its ending, or differ in case, if
    just one file fits it. Of addresses the path counts, for files that have been downloaded.
    """
    sample = values[:: max(1, len(values) // _SAMPLE_ROWS)]
    best, most = None, 0
    for stage in _stages(sample, str(table_folder), folders):
        for rule in stage:
            count = sum(place.is_found for place in _one_value_each(map(rule, sample)))
            if best is None or count > most:
                best, most = rule, count
        if 2 * most > len(sample):
            break
    return _one_value_each(map(best, values)) if best else []


def _stages(
    sample: Sequence[str], table_folder: str, folders: Folders
) -> Iterator[Iterator[_Rule]]:
    """Yields rules, those first that are right if they lead to most of the files."""
    forms = list(_forms(sample))
    for root in (table_folder, "", os.path.join(table_folder, "..")):
        yield (_starting_at(root, form, table_folder, folders) for form in forms)
    for root, below in _below_roots(table_folder, folders):
        yield (
            _ending_with(kept, form, table_folder, root, below)
            for form in forms
            for kept in range(max(len(_parts(form(value))) for value in sample), 0, -1)
        )


def _below_roots(
    table_folder: str, folders: Folders
) -> Iterator[tuple[str, Mapping[str, list[str]]]]:
    """Yields folders, relative to the table's, and their images by the keys of their names.

    Beside its own are those that are named for images, and all together those named for splits.
    """
    yield "", folders.below(table_folder)
    above = os.path.join(table_folder, "..")
    names = folders.folders(above)
    for name in (name for name in names if name.lower() in IMAGE_FOLDERS):
        yield os.path.join("..", name), folders.below(os.path.join(above, name))
    of_splits: dict[str, list[str]] = collections.defaultdict(list)
    for name in filter(split_named, names):
        for key, inner in folders.below(os.path.join(above, name)).items():
            of_splits[key].extend(os.path.join(name, one) for one in inner)
    yield "..", of_splits


def find_near(value: str, table_folder: pathlib.Path, folders: Folders) -> str:
    """Finds a file whose name begins like that of a path, and goes on; empty for none."""
    stem = os.path.splitext(_fold(_parts(value.replace("\\", "/"))[-1]))[0] if value else ""
    for root, below in _below_roots(str(table_folder), folders) if stem else ():
        for key, found in below.items():
            if key.startswith(stem) and not key[len(stem) : len(stem) + 1].isalnum() and found:
                return readable(os.path.join(root, found[0]))
    return ""


def _starting_at(root: str, form: _Form, table_folder: str, folders: Folders) -> _Rule:
    @functools.cache
    def example_of(folder: str) -> str:
        """Names a folder relative to the table."""
        relative = os.path.relpath(folder or ".", table_folder)
        is_far = relative.startswith(os.path.join("..", ".."))
        return folder if is_far else "" if relative == "." else relative

    def find(value: str) -> Place:
        text = form(value)
        folder, name = os.path.split(os.path.join(root, text))
        if folders.has(folder, name):
            is_typed = root == table_folder and text == value
            example = value if is_typed else os.path.join(example_of(folder), name)
            return Place(text, os.path.join(folder, name), readable(example), (), True, True)
        names = folders.alike(folder, name)
        examples = [os.path.join(example_of(folder), one) for one in names]
        path = os.path.join(folder, names[0]) if names else os.path.join(table_folder, value)
        return _place(value, text, path, examples)

    return find


def _ending_with(
    kept: int, form: _Form, table_folder: str, root: str, below: Mapping[str, list[str]]
) -> _Rule:
    """Finds files by the ends of their paths below `root`, which is relative to the table."""

    def find(value: str) -> Place:
        parts = _parts(form(value))
        *inner, name = parts[-kept:] or [""]
        end = "".join(f"/{_fold(part)}" for part in inner)
        found: list[str] = []
        for key in _keys(name):
            found = found or [
                one for one in below.get(key, ()) if _fold(f"/{os.path.dirname(one)}").endswith(end)
            ]
        found = [one for one in found if os.path.basename(one) == name] or found
        found = [os.path.join(root, one) for one in found]
        path = os.path.join(table_folder, found[0] if found else value)
        return _place(value, "/".join(parts), path, found)

    return find


def _place(value: str, text: str, path: str, examples: Sequence[str]) -> Place:
    """Makes a place of the names of the files that fit."""
    if not examples:
        return Place(text, path, value)
    first, *others = map(readable, examples)
    return Place(text, path, first, tuple(others), is_found=True)


def _one_value_each(places: Iterator[Place]) -> list[Place]:
    """Takes a file back from values that differ, none of which spells its name."""
    listed = list(places)
    texts = collections.defaultdict(set)
    for place in listed:
        if place.is_found:
            texts[place.path].add(place.text)
    return [
        place
        if place.is_exact or len(texts[place.path]) <= 1
        else Place(place.text, place.path, place.text)
        for place in listed
    ]


def _forms(sample: Sequence[str]) -> Iterator[_Form]:
    """Yields what may have to be undone for these values: nothing first, then more and more."""
    form: _Form = os.path.expanduser
    yield form
    for undo in (
        _undo_unseen,
        _undo_address,
        _undo_system,
        urllib.parse.unquote,
        _undo_plus,
        _undo_fraction,
        _undo_upload,
    ):
        before = form

        def form(value: str, undo: _Form = undo, before: _Form = before) -> str:
            return undo(before(value))

        if any(form(value) != before(value) for value in sample):
            yield form
        else:
            form = before


def _undo_unseen(value: str) -> str:
    """Undoes marks that come along when a path is copied from a window."""
    return "".join(one for one in value if unicodedata.category(one) != "Cf")


def _undo_address(value: str) -> str:
    """Undoes what stands before and behind the path of an address on the web or in a cloud."""
    return ADDRESS.sub("", value, count=1).partition("?")[0] if ADDRESS.match(value) else value


def _undo_plus(value: str) -> str:
    """Undoes what forms of web pages make of spaces."""
    return value.replace("+", " ")


def _undo_system(value: str) -> str:
    """Undoes the slashes of Windows, and the addresses of files on a disk."""
    if value[:5].lower() == "file:":
        return urllib.parse.unquote(urllib.parse.urlsplit(value).path)
    return (
        urllib.parse.unquote(value.rpartition(_LOCAL_FILE)[2])
        if _LOCAL_FILE in value
        else value.replace("\\", "/")
    )


def _undo_fraction(value: str) -> str:
    """Undoes what data frames make of whole numbers if one is missing."""
    return _FRACTION.sub("", value)


def _undo_upload(value: str) -> str:
    folder, slash, name = value.rpartition("/")
    return folder + slash + _UPLOAD_PREFIX.sub("", name, count=1)


def _parts(text: str) -> list[str]:
    return [part for part in text.split("/") if part not in ("", ".")]


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _keys(name: str) -> list[str]:
    """Returns a name without its case, then also without the ending of an image, then as a number.

    Spreadsheets drop the zeros with which a number begins.
    """
    folded = _fold(name)
    stem = os.path.splitext(folded)[0] if is_image_name(folded) else folded
    # No name has this sign.
    number = [f"/{stem.lstrip('0')}"] if stem.isdecimal() else []
    return [*dict.fromkeys((folded, stem)), *number]
