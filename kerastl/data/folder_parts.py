"""Folders that are parts of one download, joined to the folder that was downloaded."""

from collections.abc import Sequence

from kerastl.data.folder_names import part_of
from kerastl.data.tree import Folder, Tree


def join_parts(tree: Tree) -> None:
    """Joins the folders that are parts of one, to any depth; `tree.parts` names them.

    Cloud drives pack what is downloaded into several archives, each with a part of every folder.
    """
    for folder in tree.top.walk():
        wholes: dict[str, list[Folder]] = {}
        for inner in folder.holding:
            whole = part_of(inner.name, [one.name for one in inner.holding])
            wholes.setdefault(whole or inner.name, []).append(inner)
        parts = {whole: some for whole, some in wholes.items() if some[1:] or some[0].name != whole}
        # Images that are only dealt to several archives have their classes elsewhere.
        if not parts or (len(wholes) == 1 and not any(inner.holding for inner in folder.holding)):
            continue
        for whole, some in parts.items():
            tree.parts[whole] = [one.name for one in some]
            folder.folders = [one for one in folder.folders if one not in some]
            folder.folders.append(_join(some, whole))
        folder.folders.sort(key=lambda one: one.name)


def _join(parts: Sequence[Folder], called: str) -> Folder:
    """Makes one folder of several, those in them of the same name too."""
    first, *others = sorted(parts, key=lambda one: not one.files)
    below: dict[str, list[Folder]] = {}
    for one in (first, *others):
        for inner in one.folders:
            below.setdefault(inner.name, []).append(inner)
    folders = [_join(some, name) if some[1:] else some[0] for name, some in below.items()]
    return Folder(
        first.path,
        first.files,
        folders,
        count=sum(one.count for one in parts),
        placeholders=sum(one.placeholders for one in parts),
        called=called,
        parts=[Folder(one.path, one.files) for one in others if one.files],
    )
