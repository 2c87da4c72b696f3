"""Classes that have no image, found before the long look at all files."""

import collections
import itertools
import pathlib
from collections.abc import Iterable, Iterator

from kerastl.data.content import read_head
from kerastl.data.conversions import way_of_kind, way_of_reason
from kerastl.data.file_formats import FORMATS, find_format
from kerastl.data.folder_names import is_rarely_class
from kerastl.data.layout_checks import Stop, name_place
from kerastl.data.layout_reading import Place, Reading, are_sides
from kerastl.data.leaving_out import flag_without, leave_out_classes
from kerastl.data.other_contents import find_other
from kerastl.data.tree import Folder
from kerastl.errors import name_some
from kerastl.progress import count_kind, count_of

# Fewer files lie about by chance.
_FEWEST = 2
# Files of a class that are opened, if their names are not those of images that are decoded.
_OPENED = 3
_DECODED = tuple(ending for one in FORMATS if one.is_decoded for ending in one.endings)


def check_images(reading: Reading, stop: Stop) -> None:
    """Refuses classes without an image, and those whose files cannot be decoded."""
    counts = {
        name: sum(place.folder.count for place in places)
        for name, places in reading.by_class.items()
    }
    if empty := [name for name, count in counts.items() if not count]:
        missing = sum(one.folder.placeholders for name in empty for one in reading.by_class[name])
        cloud = f", but {count_of(missing, 'cloud placeholder')}" if missing else ""
        has = "class {} has" if len(empty) == 1 else "classes {} have"
        raise stop(
            f"{has.format(name_some(map(repr, empty)))} no images{cloud}",
            f"{'Download what they stand for' if missing else 'Add some'}, or leave what is no "
            f"class {leave_out_classes(empty, reading.class_patterns)}",
        )
    found = {name: _why_none_decodes(places) for name, places in reading.by_class.items()}
    if reasons := {name: reason for name, reason in found.items() if reason}:
        has = "class {} has" if len(reasons) == 1 else "classes {} have"
        reason = next(iter(reasons.values()))
        files = count_of(sum(counts[name] for name in reasons), "file")
        raise stop(
            f"{has.format(name_some(map(repr, reasons)))} {files}, the first of which {reason}",
            way_of_reason(reason) or "Repair or convert them, since none can be used",
        )


def _why_none_decodes(places: Iterable[Place]) -> str:
    """Returns why the first files of a class cannot be decoded, if no name says that one can."""
    opened: list[str] = []
    for path in itertools.chain.from_iterable(place.folder.images() for place in places):
        if path.name.lower().endswith(_DECODED) or not all(opened):
            return ""
        if len(opened) < _OPENED:
            opened.append(_why_not_decoded(path))
    return opened[0] if opened and all(opened) else ""


def _why_not_decoded(path: pathlib.Path) -> str:
    head = read_head(path)
    if found := find_format(head):
        return "" if found.is_decoded else f"is {found.name} (unsupported)"
    other = find_other(head) if head else None
    return other.reason if other else ""


def check_beside(reading: Reading, stop: Stop) -> None:
    """Refuses folders beside those of classes that hold documents, videos or the like alone."""
    of_kind: dict[str, list[Folder]] = {}
    for folder, kind in _without_images(reading):
        of_kind.setdefault(kind, []).append(folder)
    for kind, folders in of_kind.items():
        number = sum(_count_others(folder)[kind] for folder in folders)
        way = way_of_kind(kind, reading.top.path)
        places = (f"{name_place(folder, reading.top)}/" for folder in folders)
        flag = flag_without(folder.below(reading.top) for folder in folders)
        raise stop(
            f"has {count_kind(number, kind)} and no images in {name_some(places)}, beside classes "
            "of images",
            f"{way[0].upper()}{way[1:]}, or add {flag} if these are no classes",
        )


def _without_images(reading: Reading) -> Iterator[tuple[Folder, str]]:
    classes = {place.around.path for place in reading.places if place.around}
    for folder in reading.top.walk():
        if not any(inner.path in classes for inner in folder.folders):
            continue
        for inner in folder.folders:
            others = {} if inner.count or inner.path in classes else _count_others(inner)
            known = {kind: n for kind, n in others.items() if way_of_kind(kind, "")}
            is_named = is_rarely_class(inner.name) or are_sides({inner.name.lower()})
            if sum(known.values()) >= _FEWEST and known.keys() == others.keys() and not is_named:
                yield inner, max(known, key=lambda kind: known[kind])


def _count_others(folder: Folder) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()
    for inner in folder.walk():
        counts.update(inner.others)
    return counts
