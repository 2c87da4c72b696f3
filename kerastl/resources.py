"""The cores and the memory that this process may use, limits of containers included."""

import contextlib
import math
import os
import pathlib
import resource
import sys
from collections.abc import Iterator

# Where Linux shows the limits of groups of processes, and the groups of this one.
_GROUPS, _OWN_GROUPS = pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/proc/self/cgroup")
# Version 1 has a folder for each kind of limit, version 2 one for all of them.
_CPU, _MEMORY = "cpu", "memory"
_MEMORY_INFO = pathlib.Path("/proc/meminfo")
# Its first number is that of the pages that this process has addresses for.
_OWN_PAGES = pathlib.Path("/proc/self/statm")
# The file with the limit of a group's memory -> that with what the group has taken.
_USED = {"memory.max": "memory.current", "memory.limit_in_bytes": "memory.usage_in_bytes"}
# Of files that are open at a time; no run needs more.
_MANY_FILES = 65536


def usable_cores(groups: pathlib.Path = _GROUPS, own: pathlib.Path = _OWN_GROUPS) -> int:
    """Counts the cores that this process may use: those it may run on, for the time it may.

    Args:
        groups: Where the system shows the limits of groups of processes.
        own: The file that lists the groups of this process.
    """
    return math.ceil(min(assigned_cores(), *_shares(groups, own)))


def assigned_cores() -> int:
    """Counts the cores that this process may run on, the time it gets on them aside."""
    # Only Linux has it.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def usable_memory(groups: pathlib.Path = _GROUPS, own: pathlib.Path = _OWN_GROUPS) -> int:
    """Returns the bytes of memory that this process may use, what is in use now included."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _folders(_MEMORY, groups, own):
        for name in _USED:
            limits += _numbers(folder / name)
    return min(limits)


def free_memory(groups: pathlib.Path = _GROUPS, own: pathlib.Path = _OWN_GROUPS) -> int:
    """Returns the bytes of memory that this process can still take."""
    free = [usable_memory(groups, own), *_address_space()]
    with contextlib.suppress(OSError):  # Only Linux has it.
        lines = _MEMORY_INFO.read_text("utf-8").splitlines()
        free += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    for folder in _folders(_MEMORY, groups, own):
        for limit, used in _USED.items():
            match _numbers(folder / limit) + _numbers(folder / used):
                case [most, taken]:
                    free.append(max(0, most - taken))
    return min(free)


def most_memory(groups: pathlib.Path = _GROUPS, own: pathlib.Path = _OWN_GROUPS) -> int:
    """Returns the bytes of memory that this process could take if no other took any."""
    return min(usable_memory(groups, own), *_address_space())


def open_more_files() -> int:
    """Raises the number of files that this process may have open as far as it may; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MANY_FILES
    wanted = _MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, _MANY_FILES)
    if wanted > soft:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft


def most_files() -> int:
    """Returns the number of files, connections included, that this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY_FILES if soft == resource.RLIM_INFINITY else soft


def _address_space() -> Iterator[int]:
    """Yields what is left of the addresses that this process may have, as `ulimit -v` limits it."""
    yield sys.maxsize
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and (taken := _numbers(_OWN_PAGES)):
        yield max(0, most - os.sysconf("SC_PAGE_SIZE") * taken[0])


def _shares(groups: pathlib.Path, own: pathlib.Path) -> Iterator[float]:
    """Yields the share of a core's time that each group has at most."""
    yield math.inf
    for folder in _folders(_CPU, groups, own):
        # "150000 100000", or "max 100000" for no limit.
        pairs = [_numbers(folder / "cpu.max")]
        pairs.append(_numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us"))
        for pair in pairs:
            match pair:
                case [quota, period] if quota > 0 and period > 0:
                    yield quota / period


def _folders(kind: str, groups: pathlib.Path, own: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the folders of this process's groups and of those around them."""
    try:
        lines = own.read_text("utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and kind not in kinds.split(","):
            continue
        place = pathlib.PurePosixPath(path.lstrip("/"))
        for inner in (place, *place.parents):
            yield groups / kinds / inner


def _numbers(path: pathlib.Path) -> list[int]:
    """Reads a file of limits; empty where there is none."""
    with contextlib.suppress(OSError, ValueError):
        return [int(word) for word in path.read_text("utf-8").split()]
    return []
