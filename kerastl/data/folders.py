"""Image files in a folder for each class."""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import NoReturn

from kerastl.data.content import readable
from kerastl.data.files import LabeledFile, Listing, make_listing, open_listing
from kerastl.data.labels import SPLIT_NAMES, SPLITS
from kerastl.data.source import Finding, Source
from kerastl.errors import bad_value
from kerastl.progress import Progress
from kerastl.settings import DataSettings

# What file managers, archives, notebooks and network drives leave behind.
_LITTER_FOLDERS = frozenset(
    ["__macosx", "@eadir", "$recycle.bin", "lost+found", "system volume information", "__pycache__"]
)
_LITTER_FILES = frozenset(["thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"])
# Files that stand beside images and are none.
_OTHER_ENDINGS = frozenset([".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".py"])


def open_source(
    place: str, data: DataSettings, *, memory: pathlib.Path | None, progress: Progress
) -> Source:
    """Opens a folder, see `list_folder`, as `kerastl.data_sources` describes."""
    return open_listing(
        data.dataset, list_folder(place), is_searched=True, memory=memory, progress=progress
    )


def list_folder(folder: str) -> Listing:
    """Lists a folder of class folders, or of train, val and test folders with those in them.

    If there is no train folder, val is used instead, or else test: a missing split can only be
    split off an existing one. A class folder is searched to any depth; links are followed, but
    none twice. Hidden files and what file managers leave behind are counted and not listed.

    Raises:
        UsageError: If the folder does not exist or contains no class folder.
    """
    root, field = pathlib.Path(folder).expanduser(), f"folder:{folder}"
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise bad_value("dataset", field, problem, "Check its path")
    try:
        return _list_folder(root, field)
    except PermissionError as error:
        raise bad_value(
            "dataset",
            field,
            f"holds {error.filename}, which cannot be read ({error.strerror})",
            "Make it readable or move it away",
        ) from error


def _list_folder(root: pathlib.Path, field: str) -> Listing:
    ignored: collections.Counter[str] = collections.Counter()
    children = _class_folders(root, ignored)
    places, findings = _find_classes(children, ignored, field)
    if not places:
        images = sum(path.is_file() for path in root.iterdir())
        raise bad_value(
            "dataset",
            field,
            f"holds {images} files and no class folders" if images else "holds no class folders",
            "Give the folder above, with a folder for each class in it",
        )
    listed = [root, *places]
    files = [
        LabeledFile(path, readable(path.relative_to(root)), readable(place.name), split)
        for place, split in places.items()
        for path in _walk(place, listed, ignored)
    ]
    class_names = [readable(place.name) for place in places]
    listing = make_listing(files, class_names, ignored, field=field)
    return dataclasses.replace(listing, findings=(*findings, *listing.findings))


def _find_classes(
    children: Sequence[pathlib.Path], ignored: collections.Counter[str], field: str
) -> tuple[dict[pathlib.Path, str], list[Finding]]:
    """Returns the class folders with the split of each, and what is unusual about them."""
    known = ((child, SPLIT_NAMES.get(child.name.lower())) for child in children)
    named = {child: split for child, split in known if split is not None}
    if not named:
        if len(children) == 1 and (inner := _class_folders(children[0], ignored)):
            raise bad_value(
                "dataset",
                field,
                f"holds a single folder, {children[0].name}, with {inner[0].name} and others in it",
                f"Give folder:{children[0]}",
            )
        return dict.fromkeys(children, "train"), []
    if strange := [child.name for child in children if child not in named]:
        raise bad_value(
            "dataset",
            field,
            f"mixes split folders with others ({', '.join(strange[:3])})",
            "Put class folders into train, val and test, or directly below the folder",
        )
    # The first of these that exists is what others are split off.
    base = min(named.values(), key=SPLITS.index)
    places = {
        place: "train" if split == base else split
        for child, split in named.items()
        for place in _class_folders(child, ignored)
    }
    if base == "train":
        return places, []
    names = ", ".join(child.name for child in children)
    return places, [Finding(names, "no folder train", f"train is split off {base}")]


def list_images(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Lists the files below a folder, to any depth, that may be images, in the order of names.

    Links are followed, but none twice. Hidden files, what file managers leave behind and files
    whose ending is not that of an image are left out.

    Raises:
        OSError: If a folder cannot be read.
    """
    yield from _walk(folder, [folder], collections.Counter())


def _class_folders(root: pathlib.Path, ignored: collections.Counter[str]) -> list[pathlib.Path]:
    folders = []
    for child in sorted(root.iterdir()):
        if child.is_dir():
            if _is_litter(child.name, _LITTER_FOLDERS):
                ignored["hidden or system files"] += _count_files(child)
            elif root.resolve().is_relative_to(child.resolve()):
                ignored["links that lead back"] += 1
            else:
                folders.append(child)
        else:
            ignored["outside the class folders"] += 1
    return folders


def _walk(
    folder: pathlib.Path, listed: Sequence[pathlib.Path], ignored: collections.Counter[str]
) -> Iterator[pathlib.Path]:
    """Yields the files below `folder`, and counts in `ignored` those that are left out.

    `listed` is the root, then all folders that are listed themselves.
    """
    seen = set()
    of_class, of_all, *others = (
        pathlib.Path(os.path.realpath(place)) for place in (folder, *listed)
    )
    for directory, names, files in os.walk(folder, followlinks=True, onerror=_raise):
        real = pathlib.Path(os.path.realpath(directory))
        # A link that leads back, or to a folder that is listed itself.
        elsewhere = not real.is_relative_to(of_class)
        back = of_all.is_relative_to(real) or any(map(real.is_relative_to, others))
        if real in seen or (elsewhere and back):
            ignored["links that lead back"] += 1
            names.clear()
            continue
        seen.add(real)
        for name in [name for name in names if _is_litter(name, _LITTER_FOLDERS)]:
            ignored["hidden or system files"] += _count_files(pathlib.Path(directory, name))
            names.remove(name)
        names.sort()
        for name in sorted(files):
            if _is_litter(name, _LITTER_FILES):
                ignored["hidden or system files"] += 1
            elif pathlib.PurePath(name).suffix.lower() in _OTHER_ENDINGS:
                ignored["not images by their ending"] += 1
            elif _is_special(path := pathlib.Path(directory, name)):
                ignored["pipes and devices"] += 1
            else:
                yield path


def _raise(error: OSError) -> NoReturn:
    raise error


def _count_files(folder: pathlib.Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def _is_special(path: pathlib.Path) -> bool:
    # A broken link is listed, so that it is reported as unusable.
    return path.exists() and not path.is_file()


def _is_litter(name: str, known: frozenset[str]) -> bool:
    return name.startswith(".") or name.lower() in known
