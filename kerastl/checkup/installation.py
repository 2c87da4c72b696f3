"""What is installed and what there is room for. Imports nothing slow."""

import importlib.util
import pathlib
import platform
import shutil
from collections.abc import Iterator

from kerastl.checkup.diagnosis import Finding, look
from kerastl.data.entries import list_entries
from kerastl.errors import KerastlError
from kerastl.export_formats import FORMATS
from kerastl.extras import install_command
from kerastl.lazy import LazyModule
from kerastl.outputs.places import why_not_usable
from kerastl.progress import count_of, format_bytes
from kerastl.resources import free_memory, usable_cores, usable_memory
from kerastl.serving.listener import PACKAGES
from kerastl.settings.model import HUB
from kerastl.version import VERSION

_health = LazyModule("kerastl.data.health")
# Below this a run may not have the room for its features, its model and its exports.
_LEAST_FREE = 10**9
# Bytes of the cache, about a second.
_MOST_READ = 256 * 10**6


def look_at_installation(cache: pathlib.Path) -> Iterator[Finding]:
    """Yields the findings that need no TensorFlow.

    Args:
        cache: Directory of the feature store.
    """
    yield Finding(
        "system",
        f"kerastl {VERSION} in {pathlib.Path(__file__).parents[1]}, Python "
        f"{platform.python_version()}, {platform.platform()}",
    )
    modules: dict[str, tuple[str, ...]] = {"serve": PACKAGES, "hub": ("keras_hub",)}
    gives: dict[str, str] = {"serve": "kerastl serve", "hub": f"--backbone={HUB}PRESET"}
    for name, row in FORMATS.items():
        if row.extra:
            modules[row.extra] = row.modules
            gives[row.extra] = (
                f"{gives[row.extra]},{name}" if row.extra in gives else (f"--format={name}")
            )
    for extra, names in modules.items():
        yield _look_at_extra(extra, names, gives[extra])
    yield look("cache", lambda: _look_at_cache(cache))
    yield look("disk", lambda: _look_at_disks(cache))
    yield look("memory", _look_at_memory)


def _look_at_extra(extra: str, modules: tuple[str, ...], gives: str) -> Finding:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return Finding(f"extra {extra}", f"installed, for {gives}", is_well=True)
    how = f"{install_command(extra)} gives {gives}"
    return Finding(f"extra {extra}", f"not installed ({', '.join(missing)} missing); {how}")


def _look_at_cache(path: pathlib.Path) -> str:
    if problem := why_not_usable(path):
        raise KerastlError(
            f"{path} cannot be written ({problem}), so nothing is kept between runs. Choose "
            "another with --cache_dir."
        )
    entries = list_entries(path)
    size = format_bytes(sum(entry.num_bytes for entry in entries))
    health = _health.read_store(path, most_bytes=_MOST_READ)
    if health.num_damaged:
        raise KerastlError(
            f"{health.num_damaged} rows or files of rows in {path} fail their checksums, and "
            f"{health.num_rows} were read. Runs find that out and compute them again; if it comes "
            "again, check the drive."
        )
    rows = f"the last {health.num_rows}"
    if health.is_whole:
        rows = f"all {health.num_rows}"
    return (
        f"{count_of(len(entries), 'combination')}, {size} in {path}; it can be written and "
        f"locked, and {rows} rows pass their checksums"
    )


def _look_at_disks(cache: pathlib.Path) -> str:
    found = []
    for words, path in (("the cache", cache), ("the working directory", pathlib.Path.cwd())):
        free = shutil.disk_usage(_existing(path)).free
        if free < _LEAST_FREE:
            raise KerastlError(
                f"only {format_bytes(free)} free for {words}, {path}. Free some space."
            )
        found.append(f"{format_bytes(free)} free for {words}")
    return ", ".join(found)


def _existing(path: pathlib.Path) -> pathlib.Path:
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())


def _look_at_memory() -> str:
    free, usable = free_memory(), usable_memory()
    if free < _LEAST_FREE:
        raise KerastlError(
            f"only {format_bytes(free)} of {format_bytes(usable)} free. Stop other programs, or "
            "give this one more."
        )
    return (
        f"{format_bytes(free)} free of {format_bytes(usable)} that this process may use, on "
        f"{count_of(usable_cores(), 'core')}"
    )
