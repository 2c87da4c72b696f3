"""Texts beside a folder's images that list the images of each split."""

import collections
import dataclasses
import itertools
import json
import os
import pathlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kerastl.data.content import readable
from kerastl.data.layout_reading import Place, Reading
from kerastl.data.split_words import split_named, split_within
from kerastl.data.table_paths import is_image_name
from kerastl.data.tree import Folder, Tree
from kerastl.split_names import TRAIN

_ENDINGS = (".txt", ".lst", ".json")
# Of what has such a name and more bytes, nothing is made.
_MOST_BYTES = 1 << 26
# A text is a list of images if this share of its lines leads to one.
_MOST = 0.9
# Lines from which it is found how they hold a path.
_SAMPLE_LINES = 200
# Words in the names of what programs write about images of a split.
_RESULTS = frozenset(
    [
        *("error", "errors", "wrong", "missing", "broken", "log", "logs", "history", "report"),
        *("result", "results", "prediction", "predictions", "preds", "metrics", "score", "scores"),
    ]
)
# Where a line has a path: alone, before or behind a number, before a class, or before a comma.
_FORMS: tuple[Callable[[str], str], ...] = (
    lambda line: line,
    lambda line: line.rpartition(" ")[0],
    lambda line: line.partition(" ")[2],
    lambda line: line.partition(" ")[0],
    lambda line: line.partition(",")[0],
)


class _List(NamedTuple):
    """What a text lists, as paths."""

    text: pathlib.Path
    split: str
    images: frozenset[str]


def use_lists(reading: Reading, tree: Tree) -> Reading:
    """Takes the splits of images whose folders name none from texts that list them.

    A text is named for a split, as `meta/test.txt`, and has a path in each line or string; or it is
    named for two, as `train_test_split.txt`, and has 1 or 0 for each number of an image. What no
    text lists trains, or is left out if there is one for training.

    Returns:
        The reading with splits, or itself if the texts are not all clear.
    """
    if reading.base:
        return reading
    texts = [text for text in tree.tables if text.suffix.lower() in _ENDINGS]
    folders = (folder for place in reading.places for folder in place.folder.walk())
    images = itertools.chain.from_iterable(map(_paths, folders))
    by_end = _index(images, tree.top.path) if texts else {}
    lists = [one for text in texts for one in _read_lists(text, by_end)]
    split_of = _join(_without_repeats(lists))
    if not split_of:
        return reading
    rest = "" if TRAIN in split_of.values() else TRAIN
    places = tuple(_divide(reading.places, split_of, rest))
    if len({place.split for place in places}) == 1:
        return reading
    used = dict.fromkeys(readable(one.text.relative_to(tree.top.path)) for one in lists)
    return dataclasses.replace(reading, places=places, lists=tuple(used))


def _divide(places: Iterable[Place], split_of: Mapping[str, str], rest: str) -> Iterator[Place]:
    """Yields the files of each split in each folder, as if they were a folder of their own."""
    for place in places:
        for folder in place.folder.walk():
            names = collections.defaultdict(list)
            for name, path in zip(folder.files, _paths(folder), strict=True):
                names[split_of.get(path, rest)].append(name)
            for split, some in names.items():
                if split:
                    part = Folder(folder.path, some, count=len(some))
                    yield dataclasses.replace(place, folder=part, split=split)


def _without_repeats(lists: Sequence[_List]) -> list[_List]:
    """Leaves out lists that others divide among them, as trainval beside train and val."""
    left = []
    for one in lists:
        parts = [other.images for other in lists if other.images < one.images]
        if one.images != frozenset().union(*parts):
            left.append(one)
    return left


def _join(lists: Sequence[_List]) -> dict[str, str]:
    """Returns the split of each image; nothing if lists of different splits share one."""
    split_of: dict[str, str] = {}
    for one in lists:
        for image in one.images:
            if split_of.setdefault(image, one.split) != one.split:
                return {}
    return split_of


def _read_lists(text: pathlib.Path, by_end: Mapping[str, str]) -> Iterator[_List]:
    words = re.findall(r"[^\W\d_]+", text.stem.lower())
    if not _RESULTS.isdisjoint(words):
        return
    splits = list(dict.fromkeys(filter(None, map(split_named, words))))
    if split := split_within(text.stem):
        found = [{split: _read_entries(text)}]
    else:
        found = list(_by_number(text, splits)) if len(splits) > 1 else []
    for lines_of in found:
        named = {split: _find_images(lines, by_end) for split, lines in lines_of.items()}
        if all(named.values()):
            yield from (_List(text, split, frozenset(paths)) for split, paths in named.items())
            return


def _by_number(text: pathlib.Path, splits: Sequence[str]) -> Iterator[dict[str, list[str]]]:
    """Yields what numbered lines of other texts hold for each split, if this one has 1 or 0."""
    yes, no, *_ = splits
    rows = [line.split() for line in _read_entries(text)]
    if not rows or any(len(row) != len(("number", "flag")) or row[1] not in "01" for row in rows):
        return
    for beside in sorted(text.parent.glob("*.txt")):
        lines = dict(line.partition(" ")[::2] for line in _read_entries(beside))
        if beside != text and all(number in lines for number, _ in rows):
            yield {
                split: [lines[number] for number, flag in rows if flag == wanted]
                for split, wanted in ((yes, "1"), (no, "0"))
            }


def _read_entries(text: pathlib.Path) -> list[str]:
    """Reads the lines of a text, or the strings in JSON; nothing of what is no such file."""
    try:
        if text.stat().st_size > _MOST_BYTES:
            return []
        content = text.read_text("utf-8-sig", "replace")
    except OSError:
        return []
    if text.suffix.lower() == ".json":
        return list(_strings(content))
    lines = (line.strip().replace("\t", " ") for line in content.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _strings(content: str) -> Iterator[str]:
    try:
        waiting = [json.loads(content)]
    except (ValueError, RecursionError):
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            waiting.extend(value.values() if isinstance(value, dict) else value)


def _paths(folder: Folder) -> Iterator[str]:
    # As text, since to take paths apart takes longer.
    return (os.path.join(folder.path, name) for name in folder.files)


def _index(images: Iterable[str], root: pathlib.Path) -> dict[str, str]:
    """Returns the image that each end of a path leads to, empty where there are several."""
    by_end: dict[str, str] = {}
    begin = os.path.join(root, "")
    for image in images:
        parts = _parts(image.removeprefix(begin))
        for end in itertools.accumulate(reversed(parts), lambda end, part: f"{part}/{end}"):
            by_end[end] = "" if end in by_end else image
    return by_end


def _parts(path: str) -> list[str]:
    """Returns the parts of a path, in small letters and without the ending of an image."""
    folded = unicodedata.normalize("NFC", path.replace("\\", "/")).casefold()
    stem = os.path.splitext(folded)[0] if is_image_name(folded) else folded
    return [part for part in stem.split("/") if part not in ("", ".")]


def _find_image(path: str, by_end: Mapping[str, str]) -> str:
    """Finds the image that has most of the end of a path: all of it, or a folder and the name."""
    parts = _parts(path)
    for first in range(len(parts)):
        end = parts[first:]
        if (first == 0 or len(end) > 1) and (image := by_end.get("/".join(end))):
            return image
    return ""


def _find_images(lines: Sequence[str], by_end: Mapping[str, str]) -> set[str]:
    """Finds the images that lines lead to; nothing if too few do."""
    sample = lines[:: max(1, len(lines) // _SAMPLE_LINES)]

    def find(form: Callable[[str], str], some: Sequence[str]) -> list[str]:
        return [image for line in some if (image := _find_image(form(line), by_end))]

    for form in _FORMS:
        if sample and len(find(form, sample)) >= _MOST * len(sample):
            found = find(form, lines)
            return set(found) if len(found) >= _MOST * len(lines) else set()
    return set()
