"""The line that describes how a folder is read."""

import collections
import contextlib
import os
import pathlib
import unicodedata
from collections.abc import Iterator

from kerastl import layouts
from kerastl.data.beside import claims_picture
from kerastl.data.content import readable
from kerastl.data.folder_names import IMAGE_FOLDERS, is_rarely_class, odd_names
from kerastl.data.layout_checks import name_place
from kerastl.data.layout_groups import may_name_groups, splits_in_names
from kerastl.data.layout_reading import Reading, are_sides, count_classes, name_folders
from kerastl.data.split_words import split_within, without_accents
from kerastl.data.table_names import is_unlabeled
from kerastl.data.tables_beside import describe_tables
from kerastl.data.tree import (
    PLACEHOLDERS,
    Folder,
    Tree,
    find_broken_links,
    may_list_splits,
)
from kerastl.errors import name_some, printable, shorten
from kerastl.progress import count_kind, count_of
from kerastl.split_names import SPLITS, TRAIN


def layout_line(reading: Reading, tree: Tree) -> str:
    """Describes what the folders name, what was found, and what is left out or joined."""
    below = "" if reading.top is tree.top else f" in {name_place(reading.top, tree.top)}/"
    counts = reading.counts
    images = ", ".join(f"{split} {count}" for split, count in counts.items())
    if not reading.base:
        images = count_of(sum(counts.values()), "image")
    images += reading.in_groups
    lists = f", splits in {name_some(map(printable, reading.lists))}" if reading.lists else ""
    found = f"Layout: {reading.form}{below}{lists}, {count_classes(reading.class_names)}, {images}"
    notes = (
        _left_out,
        _by_kind,
        _parts,
        _links,
        _without_images,
        _by_name,
        _odd_classes,
        _odd_inside,
        _nearly_alike,
        _lacking,
        _only_folders,
        _groups,
        _not_here,
        _lists,
        _beside,
    )
    return "; ".join([found, *(line for note in notes for line in note(reading, tree))]) + "."


def _left_out(reading: Reading, tree: Tree) -> Iterator[str]:
    if left := list(reading.left_out(tree.top)):
        number = sum(count for _, count in left)
        places = (
            "the top folder" if folder is tree.top else f"{name_place(folder, tree.top)}/"
            for folder, _ in left
        )
        are = "is" if number == 1 else "are"
        thing = "image" if any(_has_pictures(folder, count) for folder, count in left) else "file"
        where = f"{count_of(number, thing)} in {name_some(places)}"
        yield f"{where} {are} in no {reading.needed} and left out"


def _has_pictures(folder: Folder, count: int) -> bool:
    """Whether those that are left out, all or directly in a folder, are named as pictures."""
    names = folder.files if len(folder.files) == count else (one.name for one in folder.images())
    return any(claims_picture(name) or "." not in name for name in names)


def _by_kind(_: Reading, tree: Tree) -> Iterator[str]:
    for kind, folders in tree.left_out.items():
        # What is hidden is expected to be left out.
        shown = {folder: count for folder, count in folders.items() if folder.name[0] != "."}
        inside = (readable(folder.relative_to(tree.top.path)) for folder in shown)
        if places := [f"{printable(place)}/" for place in inside]:
            number = sum(shown.values())
            are = "is" if number == 1 else "are"
            yield f"{count_kind(number, kind)} {are} left out ({name_some(places)})"


def _parts(_: Reading, tree: Tree) -> Iterator[str]:
    """Names the folders that are read as one, as parts of one download."""
    for whole, names in tree.parts.items():
        are = "are joined to" if names[1:] else "is read as"
        yield f"{name_some(names)} {are} {whole}, as parts of a download"


def _links(reading: Reading, tree: Tree) -> Iterator[str]:
    """Names links that are not followed and stand where a class or a split would."""
    above = {parent for place in reading.places for parent in place.folder.path.parents}
    broken = [
        link
        for folder in reading.top.walk()
        if folder.path in above
        for link in find_broken_links(folder)
    ]
    links = [
        (
            printable(readable(link.relative_to(tree.top.path))),
            shorten(readable(os.readlink(link)))
            + (", which is not there," if link in broken else ""),
        )
        for link in (*tree.links, *broken)
        if link.parent in above and link.is_symlink()
    ]
    if links[1:]:
        names = name_some(f"{name} to {target}" for name, target in links)
        yield f"{len(links)} links are left out ({names})"
    else:
        yield from (f"{name} is a link to {target} and is left out" for name, target in links)


def _without_images(reading: Reading, _: Tree) -> Iterator[str]:
    chosen = {place.folder.path for place in reading.places}
    inside = reading.top.folders
    if bare := [folder for folder in inside if not folder.count and folder.path not in chosen]:
        yield f"no images in {name_folders(bare)}"


def _by_name(reading: Reading, _: Tree) -> Iterator[str]:
    """Names the folders that are read differently from what their names suggest, or as one."""
    inside = reading.top.holding
    above = {parent for place in reading.places for parent in place.folder.path.parents}
    of_split = {
        split: [one for one in inside if split_within(one.name) == split] for split in SPLITS
    }
    named = [folder for folders in of_split.values() for folder in folders]
    if layouts.levels_of(reading.form)[0] == layouts.FOLDER:
        yield f"{name_folders(inside)} are joined"
    elif reading.form == "class" and named:
        yield f"{name_folders(named)} taken for a class by what is in it"
    elif reading.form.startswith("split/"):
        for split, folders in of_split.items():
            if (used := [one.name for one in folders if one.path in above])[1:]:
                yield f"{name_some(used)} are joined to {split}"
    if reading.base not in ("", TRAIN):
        yield f"train is split off {reading.base}"


def _odd_classes(reading: Reading, _: Tree) -> Iterator[str]:
    """Names the classes that look like something else, and those that no folder names."""
    if reading.form.endswith("file"):
        yield "the class of a file is what its name has before or behind the number"
    names = set(map(str.lower, reading.class_names))
    sides = {name for name in names if are_sides({name})}
    odd = odd_names(names) | set(filter(is_unlabeled, names))
    if sides - IMAGE_FOLDERS and sides & IMAGE_FOLDERS:
        odd |= sides
    if odd:
        are = "are taken for classes" if len(odd) > 1 else "is taken for a class"
        yield f"{name_some(sorted(odd))} {are}"


def _odd_inside(reading: Reading, tree: Tree) -> Iterator[str]:
    """Names the folders in classes that rather hold what is discarded, or made from the others."""
    found = {
        inner.path: inner
        for place in reading.places
        for inner in place.folder.walk()
        if inner is not place.folder and inner.count and is_rarely_class(inner.name)
    }
    upper = [inner for path, inner in found.items() if found.keys().isdisjoint(path.parents)]
    if upper:
        number = sum(inner.count for inner in upper)
        places = name_some(f"{name_place(inner, tree.top)}/" for inner in upper)
        are = "is" if number == 1 else "are"
        yield f"{count_of(number, 'image')} in {places} {are} used with the class around"


def _nearly_alike(reading: Reading, _: Tree) -> Iterator[str]:
    """Names classes that differ by accents or a plural alone."""
    bare = collections.defaultdict(list)
    for name in reading.class_names:
        bare[without_accents(name).casefold().removesuffix("s")].append(name)
    for names in bare.values():
        if names[1:]:
            yield f"{name_some(names)} are taken for {len(names)} classes"


def _lacking(reading: Reading, _: Tree) -> Iterator[str]:
    for split in reading.counts if reading.base else ():
        places = (one for one in reading.places if reading.split_of(one) == split)
        have = {unicodedata.normalize("NFC", one.class_name) for one in places if one.folder.count}
        if lacking := [name for name in reading.class_names if name not in have]:
            yield f"{split} has no {name_some(lacking)}"


def _only_folders(reading: Reading, tree: Tree) -> Iterator[str]:
    folders = [
        one.folder for one in reading.places if one.folder is one.around and one.folder.count
    ]
    if deep := [folder for folder in folders if not folder.files]:
        which = (
            "each class folder"
            if len(deep) == sum(bool(one.count) for one in folders)
            else f"class {deep[0].name!r}"
        )
        place = name_place(deep[0].holding[0], tree.top)
        may_leak = not reading.base and any(folder.holding[1:] for folder in deep)
        leak = (
            ", whose images may come to lie in several splits unless you add "
            f"--layout={reading.form}/{layouts.GROUP}"
        )
        yield f"{which} holds only folders, as {place}{leak if may_leak else ''}"


def _groups(reading: Reading, _: Tree) -> Iterator[str]:
    """Says what keeps images together, or what might."""
    if not reading.base and (splits := splits_in_names(reading)):
        yield (
            f"names of files begin with {name_some(splits)}, which are not used as splits: a table "
            "with a column for them can give them"
        )
    levels = layouts.levels_of(reading.form)
    if layouts.GROUP not in levels:
        if common := may_name_groups(reading):
            yield (
                f"files whose names begin alike, as with {shorten(common)!r}, may be of one "
                f"patient or video: --layout={reading.form}/{layouts.GROUP} keeps them in one split"
            )
        return
    by_files = " by the names of files" if reading.by_names else ""
    some = next((place.group for place in reading.places if place.group), "")
    if some:
        without = layouts.without_groups(reading.form)
        yield (
            f"images of a group{by_files}, as {shorten(some)}, stay in one split, unless you add "
            f"--layout={without}"
        )


def _lists(reading: Reading, tree: Tree) -> Iterator[str]:
    """Names what may list splits or groups of the images, where no folder names them."""
    chosen = {place.folder.path for place in reading.places}
    tables = [path for path in tree.tables if chosen.isdisjoint(path.parents)]
    described = dict(
        describe_tables(
            tables,
            tree.top.path,
            has_splits=bool(reading.base),
            has_groups=any(place.group for place in reading.places),
        )
    )
    yield from described.values()
    found = [
        printable(readable(path.relative_to(tree.top.path)))
        for path in tables
        if not reading.base and may_list_splits(path.name) and path not in described
    ]
    if found:
        yield f"{name_some(found)} may list splits, which a table with a column for them can give"


def _beside(reading: Reading, tree: Tree) -> Iterator[str]:
    """Names the folders of other splits that lie beside the one that is read."""
    root = pathlib.Path(os.path.abspath(tree.top.path))
    split = "" if reading.base else split_within(root.name)
    with contextlib.suppress(OSError):
        beside = sorted(path for path in root.parent.iterdir() if path.is_dir()) if split else []
        if names := [one.name for one in beside if split_within(one.name) not in (None, split)]:
            yield f"not read beside it: {name_some(names)}, which the folder above would add"


def _not_here(_: Reading, tree: Tree) -> Iterator[str]:
    if missing := tree.ignored[PLACEHOLDERS]:
        files = "stands for a file that is" if missing == 1 else "stand for files that are"
        yield f"{count_of(missing, 'cloud placeholder')} {files} not on this disk"
