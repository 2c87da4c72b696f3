"""Labeled image files, however a data set lists them, and the source that they make."""

import collections
import dataclasses
import os
import pathlib
import stat
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from kerastl import replicas
from kerastl.data.annotations import describe_groups
from kerastl.data.content import as_rows, content_or_path, hash_content, read_file
from kerastl.data.labels import find_alike, is_one_line, order_classes
from kerastl.data.leaving_out import Patterns
from kerastl.data.memo import recall
from kerastl.data.source import Finding, Source
from kerastl.errors import bad_value
from kerastl.progress import Progress
from kerastl.split_names import TRAIN


@dataclasses.dataclass(frozen=True)
class LabeledFile:
    """One image file with its label.

    Attributes:
        path: Where it is.
        example: Its name for people, relative to the folder or the table; bytes that are not
            text are escaped.
        class_name: Its class, in Unicode's composed form.
        split: "train", "validation" or "test", as the data define it.
        group: Common to files that belong on the same side of a split; empty for none.
    """

    path: pathlib.Path
    example: str
    class_name: str
    split: str = TRAIN
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Listing:
    """The image files of a folder or table.

    Attributes:
        files: Image files in a stable order.
        class_names: Every class, in the order of the labels, those without files included.
        ignored: Number of other files, by kind.
        findings: What a person should know about the names.
        patterns: See `Source`.
    """

    files: tuple[LabeledFile, ...]
    class_names: tuple[str, ...]
    ignored: dict[str, int]
    findings: tuple[Finding, ...] = ()
    patterns: Patterns = dataclasses.field(default_factory=dict)


def make_listing(
    files: Iterable[LabeledFile],
    class_names: Iterable[str],
    ignored: collections.Counter[str],
    *,
    field: str,
) -> Listing:
    """Checks the class names and joins those that differ only in their form of Unicode."""
    # macOS stores letters and accents apart; the same class may come in both forms.
    composed = {name: unicodedata.normalize("NFC", name) for name in class_names}
    if strange := [name for name in composed.values() if not is_one_line(name)]:
        raise bad_value(
            "dataset",
            field,
            f"has a class named {strange[0]!r}, which is not one line of text",
            "Give it another name",
        )
    joined = collections.Counter(composed.values())
    return Listing(
        tuple(dataclasses.replace(file, class_name=composed[file.class_name]) for file in files),
        order_classes(composed.values()),
        dict(ignored),
        tuple(
            Finding(name, "class name in two forms of Unicode", "joined to one class")
            for name, count in sorted(joined.items())
            if count > 1
        )
        + tuple(
            Finding(other, "class name that looks like another", "in another script", first)
            for first, *others in find_alike(composed.values())
            for other in others
        ),
    )


def open_listing(
    name: str,
    listing: Listing,
    *,
    is_searched: bool = False,
    memory: pathlib.Path | None,
    progress: Progress,
) -> Source:
    """Makes a source of the files of a listing; those not known from `memory` are read for that.

    `is_searched` is whether they were met in a search, see `Source`.
    """
    paths = [file.path for file in listing.files]
    label_of = {class_name: label for label, class_name in enumerate(listing.class_names)}
    return Source(
        name=name,
        class_names=listing.class_names,
        examples=[file.example for file in listing.files],
        labels=np.array([label_of[file.class_name] for file in listing.files], np.int64),
        hashes=_hash_files(paths, memory=memory, progress=progress),
        given_splits=np.array([file.split for file in listing.files]),
        load=lambda index: read_file(paths[index]),
        **describe_groups([file.group for file in listing.files]),
        ignored=listing.ignored,
        has_files=True,
        is_searched=is_searched,
        findings=listing.findings,
        patterns=listing.patterns,
    )


def _hash_files(
    paths: Sequence[pathlib.Path], *, memory: pathlib.Path | None, progress: Progress
) -> np.ndarray:
    """Hashes files in parallel, uint8 (files, 16); unchanged files are not read again."""

    def find_out(place: int) -> tuple[str, bool]:
        # A disk that refused once may read the next time.
        content, is_there = content_or_path(paths[place])
        return hash_content(content).hex(), is_there

    real: dict[str, str] = {}
    keys = [_key(path, real) for path in paths]
    begin_at = replicas.current().begin_at
    recalled = recall(
        memory, keys, find_out, what="reading files", progress=progress, begin_at=begin_at
    )
    return as_rows(map(bytes.fromhex, recalled.values))


def _key(path: pathlib.Path, real: dict[str, str]) -> str:
    """Names a file in its present state; `real` keeps the real paths of folders.

    Uses ctime, which, unlike mtime, programs cannot set back.
    """
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            status, place = path.stat(), os.path.realpath(path)
        else:
            folder, name = os.path.split(path)
            if folder not in real:
                real[folder] = os.path.realpath(folder)
            place = os.path.join(real[folder], name)
    except OSError:
        return ""
    # In digits, since a path may hold bytes that are not text.
    about = f"{os.fsencode(place).hex()} {status.st_dev} {status.st_ino}"
    return f"{about} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
