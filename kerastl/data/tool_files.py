"""Files beside images in which tools for detection describe them, found by how they begin."""

import itertools
import os
import pathlib
import re
from collections.abc import Iterator

from kerastl.data.content import read_head
from kerastl.data.tree import Folder

# What such a file begins with, by the tool's name. The first that matches holds.
_TOOLS = (
    ("Pascal VOC", re.compile(rb"\s*(<\?xml[^>]*>\s*)?<annotation\b")),
    ("CVAT", re.compile(rb"\s*(<\?xml[^>]*>\s*)?<annotations\b")),
    ("YOLO", re.compile(rb"\d+( +[01]?\.\d+){4,}\s*[\r\n]")),
    ("YOLO", re.compile(rb"(?s)(.*\n)?(train|val):.*\n(nc|names):")),
    ("LabelMe", re.compile(rb'(?s)\s*\{.*"shapes"\s*:\s*\[\s*(\]|\{\s*"label")')),
)
_ENDINGS = (".xml", ".txt", ".yaml", ".yml", ".json")
# All of a folder are alike.
_MOST_OF_FOLDER, _MOST_FOLDERS = 3, 100


def find_tool(top: Folder) -> str:
    """Returns the name of the tool that describes the images below a folder; empty for none."""
    for folder in itertools.islice(top.walk(), _MOST_FOLDERS):
        for path in itertools.islice(_texts_in(folder), _MOST_OF_FOLDER):
            if tool := tool_of(read_head(path)):
                return tool
    return ""


def tool_of(head: bytes) -> str:
    """Returns the name of the tool that wrote what begins so; empty for none."""
    return next((name for name, begins in _TOOLS if begins.match(head)), "")


def _texts_in(folder: Folder) -> Iterator[pathlib.Path]:
    if folder.others["texts"]:
        names = sorted(name for name in os.listdir(folder.path) if name.endswith(_ENDINGS))
        yield from (folder.path / name for name in names)
