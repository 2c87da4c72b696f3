"""Runs commands in processes that are split off, watches the files they change, and kills them."""

import os
import pathlib
import signal
import sys
from collections.abc import Callable

# What changes files, as Python tells before it does so.
_CHANGES = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate", "shutil.rmtree")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def split_off(command: Callable[[], int], log: pathlib.Path) -> int:
    """Begins a command in a process of its own, with its output in a file; returns its number."""
    process = os.fork()
    if process:
        return process
    os.setpgrp()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os._exit(command())


def end_of(process: int) -> int:
    """Waits for a process; returns its exit code, negative if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def kill(process: int, *, with_children: bool) -> None:
    """Kills a process by SIGKILL, and those that it has started if they are to go too."""
    if with_children:
        os.killpg(process, signal.SIGKILL)
    else:
        os.kill(process, signal.SIGKILL)


def watch_files(see: Callable[[str, str, bool], None]) -> None:
    """Lets a function see what this process does with files, just before it does so.

    The function gets the name of an event, the path, that of the target where something is moved,
    and whether it changes anything. What libraries do that are not Python is not seen.
    """

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        path = arguments[1 if event == "os.rename" else 0] if arguments else None
        if isinstance(path, (str, bytes)) and event in ("open", *_CHANGES):
            flags = arguments[2] if event == "open" else _WRITES
            see(event, os.fsdecode(path), bool(isinstance(flags, int) and flags & _WRITES))

    sys.addaudithook(watch)
