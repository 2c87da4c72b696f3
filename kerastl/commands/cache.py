"""`kerastl cache`: lists the feature store, and removes from it."""

import dataclasses
import datetime
from collections.abc import Sequence

from kerastl.commands.command import Command, Given
from kerastl.data.entries import Entry, drop, list_entries
from kerastl.errors import UsageError, bad_value, unknown_name
from kerastl.progress import Progress, count_of, format_bytes
from kerastl.settings import SETTINGS, SettingGroup, describe, repeated, setting
from kerastl.settings.store import find_cache

_ALL = "all"
# Combinations and data sets of one that are listed, and the letters of a data set's name.
_MAX_LINES, _MAX_NAMES, _MAX_LETTERS = 15, 3, 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class CacheFlags(SettingGroup):
    """The command's own flags."""

    cache_dir: str = repeated(SETTINGS["cache_dir"])
    remove: str = setting("", help="Keys to remove, with commas, or all.")
    all: bool = setting(False, help=f"List every combination, not only the last {_MAX_LINES}.")


def _cache(given: Given, output: Progress) -> None:
    flags = CacheFlags(**given.values)
    if not flags.cache_dir:
        raise bad_value(
            "cache_dir", "", "is not a directory", "Leave it out for the user's cache folder"
        )
    root = find_cache(flags.cache_dir)
    entries = list_entries(root)
    if flags.remove:
        _remove(entries, flags.remove, output)
        return
    shown = entries if flags.all else entries[-_MAX_LINES:]
    if older := entries[: len(entries) - len(shown)]:
        size = format_bytes(sum(entry.num_bytes for entry in older))
        output.line(f"{count_of(len(older), 'older combination')}, {size}; --all lists them too.")
    for entry in shown:
        output.line(_describe(entry))
    total = sum(entry.num_bytes for entry in entries)
    output.line(f"{count_of(len(entries), 'combination')}, {format_bytes(total)} in {root}.")


def _remove(entries: list[Entry], remove: str, output: Progress) -> None:
    by_key = {_key(entry): entry for entry in entries}
    keys = list(by_key) if remove == _ALL else [key.strip() for key in remove.split(",")]
    for key in keys:
        if key not in by_key:
            raise unknown_name("remove", key, [*by_key, _ALL], what="a key of the store")
    in_use = []
    for key in keys:
        if drop(by_key[key]):
            output.line(f"Removed {key}, {format_bytes(by_key[key].num_bytes)}.")
        else:
            in_use.append(key)
    if in_use:
        what = f"remove={','.join(in_use)!r}: is in use by a run, and was not removed"
        raise UsageError(f"{what}. Try again when it has ended.")


def _key(entry: Entry) -> str:
    return entry.path.name[:8]


def _describe(entry: Entry) -> str:
    identity = entry.about.get("identity", {})
    at = f"at {identity.get('image_size', '?')} px"
    what = f"{identity.get('backbone', '?')} {at}  up to {entry.about.get('boundary', '?')}"
    last_use = datetime.datetime.fromtimestamp(entry.last_use).isoformat(" ", "minutes")
    return "  ".join(
        (
            _key(entry),
            _name_data(entry.about.get("datasets", ["unknown data"])),
            f"pixels {at}" if "pixels" in identity else what,
            f"{format_bytes(entry.num_bytes)}",
            f"last used {last_use}",
        )
    )


def _name_data(names: Sequence[object]) -> str:
    texts = [str(name) for name in names[:_MAX_NAMES]]
    # The end of a path is more distinctive than its beginning.
    short = [text if len(text) <= _MAX_LETTERS else f"...{text[-_MAX_LETTERS:]}" for text in texts]
    num_left = len(names) - len(short)
    return ", ".join(short) + (f" and {num_left} more" if num_left else "")


COMMAND = Command(
    name="cache",
    about="Lists the feature store, the most recently used combination last, or removes "
    "combinations by their keys.",
    call=_cache,
    flags=describe(CacheFlags),
)
