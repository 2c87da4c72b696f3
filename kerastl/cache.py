"""The feature store's command: `kerastl cache` lists what is there, `--remove` drops it."""

import datetime
import os
import sys
from collections.abc import Sequence

from absl import flags

from kerastl.errors import UsageError, bad_value, unknown_name
from kerastl.flags import parse, wants_help
from kerastl.main import guard
from kerastl.progress import Progress, count_of, format_bytes
from kerastl.settings.store import AUTO, find_cache
from kerastl.training.store import Entry, drop, list_entries

_ALL = "all"
_HELP = """usage: kerastl cache [--cache_dir=DIR] [--remove=KEY,KEY... | --remove=all]

Lists the feature store by last use, or removes combinations by their keys."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Lists the store or removes from it; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _cache(given, output))


def _cache(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line(_HELP)
        return
    values = flags.FlagValues()
    flags.DEFINE_string("cache_dir", AUTO, "", flag_values=values)
    flags.DEFINE_list("remove", [], "", flag_values=values)
    parse(values, arguments)
    if not values.cache_dir:
        raise bad_value("cache_dir", "", "is no directory", "Leave it out for the user's own store")
    root = find_cache(os.path.expanduser(values.cache_dir))
    entries = list_entries(root)
    if values.remove:
        _remove(entries, values.remove, output)
        return
    for entry in entries:
        output.line(_describe(entry))
    total = sum(entry.num_bytes for entry in entries)
    output.line(f"{count_of(len(entries), 'combination')}, {format_bytes(total)} in {root}.")


def _remove(entries: Sequence[Entry], keys: Sequence[str], output: Progress) -> None:
    by_key = {_key(entry): entry for entry in entries}
    if keys == [_ALL]:
        keys = list(by_key)
    for key in keys:
        if key not in by_key:
            raise unknown_name("remove", key, [*by_key, _ALL], what="a key of the store")
    for key in keys:
        if not drop(by_key[key]):
            raise UsageError(f"remove={key!r}: is in use by a run. Try again when it has ended.")
        output.line(f"Removed {key}, {format_bytes(by_key[key].num_bytes)}.")


def _key(entry: Entry) -> str:
    return entry.path.name[:8]


def _describe(entry: Entry) -> str:
    identity = entry.about.get("identity", {})
    last_use = datetime.datetime.fromtimestamp(entry.last_use).isoformat(" ", "minutes")
    return "  ".join(
        (
            _key(entry),
            ", ".join(map(str, entry.about.get("datasets", ["unknown data"]))),
            f"{identity.get('backbone', '?')} at {identity.get('image_size', '?')} px",
            f"up to {entry.about.get('boundary', '?')}",
            f"{format_bytes(entry.num_bytes)}",
            f"last used {last_use}",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
