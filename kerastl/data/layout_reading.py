"""Ways to read a tree of folders as classes and splits, and what each of them finds."""

import collections
import dataclasses
import functools
import pathlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence

from kerastl import layouts
from kerastl.data.content import readable
from kerastl.data.folder_names import DATA_FOLDERS, IMAGE_FOLDERS, SIDE_FOLDERS, is_of_camera
from kerastl.data.labels import plain_name
from kerastl.data.leaving_out import patterns_of
from kerastl.data.split_words import split_within
from kerastl.data.table_names import is_for_later
from kerastl.data.tree import Folder
from kerastl.errors import name_some
from kerastl.progress import count_of
from kerastl.split_names import SPLITS, TRAIN

# How names of files hold a class: cat.12 and great_pyrenees_12, 12_cat, and 0012_c1s1.
_CLASSES = tuple(
    map(
        re.compile,
        (
            r"([^\W\d_].*?)[\W_]*\d[\W\d_]*$",
            r"\d+[\W_]+([^\W\d_][^\d]*)$",
            r"(-?\d+)[\W_]",
        ),
    )
)
_MOST = 0.9


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder whose images, to any depth, are of one class and one split.

    Attributes:
        folder: The folder.
        class_name: Its class, as the folder is named; bytes that are not text are escaped.
        split: "train", "validation" or "test"; empty where no folder names one.
        group: What its images have in common beside the class; empty for nothing.
        around: The folder that names the class; None if none does.
    """

    folder: Folder
    class_name: str
    split: str
    group: str = ""
    around: Folder | None = None


@dataclasses.dataclass(frozen=True)
class Reading:
    """One way to read a tree.

    Attributes:
        form: What the folders name, see `kerastl.layouts`; images lie at any depth below the last.
        top: The folder that it begins with: that of the tree, or one that holds all of it.
        places: Where the images of a class lie.
        lists: Texts that list the images of each split, where no folder names one.
        by_names: Whether the names of files tell their groups.
    """

    form: str
    top: Folder
    places: tuple[Place, ...]
    lists: tuple[str, ...] = ()
    by_names: bool = False

    @functools.cached_property
    def by_class(self) -> dict[str, list[Place]]:
        """The places of each class, by its name in Unicode's composed form."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            name = unicodedata.normalize("NFC", place.class_name)
            found.setdefault(name, []).append(place)
        return found

    @property
    def class_names(self) -> list[str]:
        """The classes, each once, in Unicode's composed form."""
        return list(self.by_class)

    @property
    def class_patterns(self) -> dict[str, list[str]]:
        """For each class what `--leave_out` takes for the folders that name it."""
        folders = {
            name: [place.around.below(self.top) for place in places if place.around]
            for name, places in self.by_class.items()
        }
        return {name: patterns_of(around) for name, around in folders.items()}

    @property
    def class_paths(self) -> set[pathlib.Path]:
        """Where the folders are that name a class, rather than a split or a group in it."""
        return {place.around.path for place in self.places if place.around}

    @functools.cached_property
    def base(self) -> str:
        """The split that others are split off: the first that there is, or empty."""
        splits = {place.split for place in self.places if place.split and place.folder.count}
        return min(splits, key=SPLITS.index, default="")

    def split_of(self, place: Place) -> str:
        """Returns the split of a folder, "train" for the base."""
        return TRAIN if place.split in ("", self.base) else place.split

    @property
    def counts(self) -> dict[str, int]:
        """Number of images in each split."""
        found: collections.Counter[str] = collections.Counter()
        for place in self.places:
            found[self.split_of(place)] += place.folder.count
        return {split: found[split] for split in SPLITS if split in found}

    @property
    def needed(self) -> str:
        """What an image needs to be used, for people."""
        return "class or list" if self.lists else "class"

    def left_out(self, start: Folder) -> Iterator[tuple[Folder, int]]:
        """Yields folders from `start` down that are in no class, with the number of images."""
        used: collections.Counter[pathlib.Path] = collections.Counter()
        for place in self.places:
            used[place.folder.path] += place.folder.count
        above: set[Folder] = set()
        for folder in reversed(list(start.walk())):
            if any(inner.path in used or inner in above for inner in folder.folders):
                above.add(folder)
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            is_above = folder in above
            if is_above:
                waiting.extend(reversed(folder.holding))
            found = folder.num_files if is_above else folder.count
            if left := found - used[folder.path]:
                yield folder, left

    def describe(self) -> str:
        """Summarizes what it finds, to be compared with another reading."""
        images, names = count_of(sum(self.counts.values()), "image"), self.class_names
        left = sum(number for _, number in self.left_out(self.top))
        unused = f", {left} left out" if left else ""
        classes = f"{count_classes(names)}: {name_some(names)}"
        return f"{self.form} ({classes}; {images}{self.in_groups}{unused})"

    @property
    def in_groups(self) -> str:
        """The number of groups in words, to follow that of the images; empty for none."""
        groups = {place.group for place in self.places} - {""}
        return f" in {count_of(len(groups), 'group')}" if groups else ""


def read_as(form: str, top: Folder, *, is_given: bool = False) -> Reading:
    """Reads the folders below `top` in a layout, whether it fits or not.

    Args:
        form: One as `kerastl.layouts` describes it.
        top: The folder that it begins with.
        is_given: Whether a person chose it: then folders named for images or masks are classes.
    """
    places = [Place(top, "", "")]
    for above, level, below in _with_neighbors(layouts.levels_of(form)):
        places = list(_descend(places, level, above, below, is_given=is_given))
    return Reading(form, top, tuple(places))


def _with_neighbors(levels: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yields each level with those above and below it, empty where there is none."""
    return zip(["", *levels], levels, [*levels[1:], ""], strict=False)


def _descend(
    places: Sequence[Place], level: str, above: str, below: str, *, is_given: bool
) -> Iterator[Place]:
    """Yields the folders of a level in those of the level above it."""
    if level == layouts.FILE:
        yield from _by_file(places)
    elif level == layouts.SPLIT:
        for place in places:
            # What only holds another folder is no level, unless that is named.
            is_named = below not in (layouts.CLASS, layouts.FILE)
            named = _named_as_splits(place.folder) if is_named else find_splits(place.folder)
            yield from (
                dataclasses.replace(place, folder=inner, split=split) for inner, split in named
            )
    elif level == layouts.CLASS:
        are_parts = above in ("", layouts.SPLIT)
        known = known_classes(place.folder for place in places) if are_parts else set()
        for place in places:
            for inner in _find_classes(place.folder, known, is_given=is_given):
                name = layouts.join(place.class_name, readable(inner.name))
                yield dataclasses.replace(place, folder=inner, class_name=name, around=inner)
    else:
        for place in places:
            yield from _inside(place, is_group=level == layouts.GROUP, is_last=not below)


def _inside(place: Place, *, is_group: bool, is_last: bool) -> Iterator[Place]:
    """Yields the folders in one, and if it is in a class, the files beside them.

    Groups of the same name are the same group everywhere.
    """
    folder = place.folder
    if place.class_name:
        own = Folder(folder.path, folder.files, count=folder.num_files, parts=folder.parts)
        yield dataclasses.replace(place, folder=own)
    for inner in folder.holding:
        group = readable(inner.name) if is_group else place.group
        # A wrapper in a class may have files beside it.
        is_whole = is_last or bool(place.class_name)
        below = inner if is_whole else _without_wrapper(inner)
        yield dataclasses.replace(place, folder=below, group=group)


def _without_wrapper(folder: Folder) -> Folder:
    """Descends into a folder that is only named for images, where it holds everything."""
    while (
        len(inner := folder.holding) == 1
        and inner[0].holding
        and inner[0].name.lower() in DATA_FOLDERS
    ):
        folder = inner[0]
    return folder


def _by_file(places: Sequence[Place]) -> Iterator[Place]:
    """Yields the files of each class in each folder, as if they were a folder of their own."""
    ordered = sorted(places, key=lambda one: SPLITS.index(one.split) if one.split else 0)
    names = [_bare(path.name) for place in ordered[:1] for path in place.folder.images()]
    pattern = _find_pattern(names)
    for place in places:
        for folder in place.folder.walk():
            files = collections.defaultdict(list)
            for name in folder.files:
                if found := pattern.match(_bare(name)):
                    files[found[1]].append(name)
            for class_name, names in files.items():
                part = Folder(folder.path, names, count=len(names))
                yield dataclasses.replace(place, folder=part, class_name=class_name)


def _bare(name: str) -> str:
    return re.sub(r"\.[^\W\d]\w*$", "", readable(name))


def _find_pattern(names: Collection[str]) -> re.Pattern[str]:
    """Returns a pattern that finds a class in most names, each in several; or in none."""
    for pattern in _CLASSES:
        found = [match[1] for name in names if (match := pattern.match(name))]
        if len(found) > _MOST * len(names) and 1 < len(set(found)) <= len(found) / 2:
            return pattern
    return re.compile(r"(?!)")


def find_splits(top: Folder) -> list[tuple[Folder, str]]:
    """Finds the folders that are named for a split, each where its classes begin."""
    named = _named_as_splits(top)
    known = known_classes(inner for inner, _ in named)
    return [(unwrap(inner, known), split) for inner, split in named]


def _named_as_splits(top: Folder) -> list[tuple[Folder, str]]:
    return [(inner, split) for inner in top.holding if (split := split_within(inner.name))]


def known_classes(folders: Iterable[Folder]) -> set[str]:
    """Returns the plain names of what lies in folders that hold several others."""
    lists = [
        {plain_name(inner.name) for inner in without_unlabeled(_candidates(folder))}
        for folder in folders
    ]
    return {name for names in lists if len(names) > 1 and not are_sides(names) for name in names}


def unwrap(folder: Folder, known: Collection[str] = ()) -> Folder:
    """Descends where a folder only holds another one with folders in it, unless it is a class."""
    while (
        len(inner := without_unlabeled(folder.holding)) == 1
        and inner[0].holding
        and plain_name(inner[0].name) not in known
    ):
        folder = inner[0]
    return folder


def class_folders(folder: Folder, known: Collection[str] = ()) -> list[Folder]:
    """Returns the folders in one that can be classes.

    Folders that are only named for images or masks are none, and neither is a single one whose
    name is no class elsewhere, or repeats the split: it holds the images of an unlabeled split.
    What is kept for later beside folders of labeled images is none, either.
    """
    inside = _candidates(folder)
    names = {plain_name(inner.name) for inner in inside}
    if not names & set(known) and (
        are_sides(names) or (len(inside) == 1 and (known or _is_same_split(folder, inside[0])))
    ):
        return []
    return without_unlabeled(inside)


def _find_classes(folder: Folder, known: Collection[str], *, is_given: bool) -> list[Folder]:
    if is_given:
        return class_folders(folder, known) if known else _candidates(folder)
    return _without_cameras(class_folders(folder, known))


def _without_cameras(folders: list[Folder]) -> list[Folder]:
    """Leaves out what only a camera names so, beside classes."""
    others = [one for one in folders if not is_of_camera(one.name)]
    return others if others[1:] else folders


def without_unlabeled(folders: list[Folder]) -> list[Folder]:
    """Leaves out what is named as unlabeled, if all others hold folders only."""
    others = [one for one in folders if not is_for_later(one.name)]
    are_labeled = bool(others) and all(one.holding and not one.files for one in others)
    return others if are_labeled else folders


def _is_same_split(folder: Folder, inner: Folder) -> bool:
    """Whether a folder of images alone is named for the split that it is in."""
    split = split_within(folder.name)
    return split is not None and split == split_within(inner.name) and not inner.holding


def is_divided(folder: Folder, known: Collection[str] = ()) -> bool:
    """Whether a folder holds class folders with images."""
    return any(inner.count for inner in class_folders(folder, known))


def are_sides(names: Collection[str]) -> bool:
    """Whether folders are named for what is in them, as images and masks, and not for classes."""
    return bool(names) and all(name in IMAGE_FOLDERS | SIDE_FOLDERS for name in names)


def count_classes(names: Collection[str]) -> str:
    """Returns the number of classes in words."""
    return "1 class" if len(names) == 1 else f"{len(names)} classes"


def name_folders(folders: Iterable[Folder]) -> str:
    """Lists the first names of folders, each once."""
    return name_some(dict.fromkeys(folder.name for folder in folders))


def _candidates(folder: Folder) -> list[Folder]:
    # An empty folder, or one whose images are elsewhere, may be a class that lacks its images.
    return [
        inner for inner in folder.folders if inner.count or inner.is_empty or inner.placeholders
    ]
