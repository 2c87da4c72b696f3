"""Whether a disk has room for what is going to be written."""

import errno
import os
import pathlib
import shutil
import stat
from typing import NamedTuple

from kerastl.disk_errors import cannot_write, explained
from kerastl.progress import format_bytes


class Room(NamedTuple):
    """Room that is needed.

    Attributes:
        field: Flag that sets the directory.
        path: The directory, which exists.
        num_bytes: What is going to be written there.
    """

    field: str
    path: pathlib.Path
    num_bytes: int


def run_room(run_dir: pathlib.Path, num_bytes: int) -> Room:
    """Returns the room that a run directory needs.

    Args:
        run_dir: The directory; what a run that goes on has there already is a part of it.
        num_bytes: What the files of a run take in all.
    """
    with explained(run_dir, field="run_dir"):
        files = (path.lstat() for path in run_dir.rglob("*"))
        there = sum(one.st_size for one in files if stat.S_ISREG(one.st_mode))
    return Room("run_dir", run_dir, max(0, num_bytes - there))


def check_room(*rooms: Room) -> None:
    """Refuses directories whose disk has no room for all that is going to be written to it.

    Raises:
        KerastlError: If one has none; it names the directory that needs the most there.
    """
    disks: dict[int, list[Room]] = {}
    for room in rooms:
        with explained(room.path, field=room.field):
            disks.setdefault(os.stat(room.path).st_dev, []).append(room)
    for sharing in disks.values():
        most = max(sharing, key=lambda room: room.num_bytes)
        needed = sum(room.num_bytes for room in sharing)
        with explained(most.path, field=most.field):
            free = shutil.disk_usage(most.path).free
        if free < needed:
            others = "".join(f", with {room.field}" for room in sharing if room is not most)
            problem = f"{format_bytes(free)} are free, and up to {format_bytes(needed)} needed"
            reason = f"{os.strerror(errno.ENOSPC)}: {problem}{others}"
            raise cannot_write(most.field, most.path, reason)
