"""Trees of folders from a line of text, with files that differ in size."""

import itertools
import shutil

import pytest

from kerastl.data.folders import list_folder
from kerastl.errors import UsageError


def plant(root, text):
    """Makes what a text names, as `a/#.jpg*3 b/ c=a`: three files, an empty folder, a copy.

    A tilde stands for a space.
    """
    sizes = itertools.count(1)
    for word in text.split(" "):
        name, _, count = word.replace("~", " ").partition("*")
        if "=" in name:
            copy, original = name.split("=")
            if (root / original).is_dir():
                shutil.copytree(root / original, root / copy, dirs_exist_ok=True)
            else:
                (root / copy).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / original, root / copy)
        elif name.endswith("/"):
            (root / name).mkdir(parents=True)
        else:
            for number in range(int(count or 1)):
                path = root / name.replace("#", str(number))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x" * next(sizes))
    return root


def refusal(place, **options):
    with pytest.raises(UsageError) as caught:
        list_folder(str(place), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
