"""Compares what two results came from, by their receipts."""

from collections.abc import Iterator, Mapping
from typing import Any

# Places, with what is there.
Content = Iterator[tuple[str, object]]
# What of a receipt is the same wherever and whenever a run is repeated.
_PARTS = (
    *("data", "splits", "weights", "code", "versions", "system", "device", "drivers"),
    *("instructions", "cpu_cores", "memory_bytes", "threads", "variables", "replicas"),
)
# Of a machine, what changes no result.
_WITHOUT_EFFECT = ("memory_bytes", "system")
# Letters of a fingerprint that are shown.
_SHOWN = 12
_FINGERPRINT = 64


def compare_environments(
    first: Mapping[str, Any], other: Mapping[str, Any]
) -> dict[str, tuple[str, str]]:
    """Finds what differs between two receipts, as far as both have it.

    Returns:
        Its place in the receipt, as in `versions.keras`, with the value in each.
    """
    parts = [name for name in _PARTS if name in first and name in other]
    ours, theirs = (dict(flatten({name: one[name] for name in parts})) for one in (first, other))
    # Earlier versions of kerastl list fewer packages.
    untold = {place for place in ours.keys() ^ theirs.keys() if place.startswith("versions.")}
    return {
        place: (_show(ours.get(place)), _show(theirs.get(place)))
        for place in {**ours, **theirs}
        if place not in untold and ours.get(place) != theirs.get(place)
    }


def describe_changes(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Describes what of a machine that may change a result has changed; empty if nothing has."""
    return ", ".join(
        f"{place} {was} (now {now})"
        for place, (was, now) in compare_environments(first, other).items()
        if place not in _WITHOUT_EFFECT
    )


def _show(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return f"{text[:_SHOWN]}..." if len(text) == _FINGERPRINT else text


def flatten(value: object, place: str = "") -> Content:
    """Yields each value in nested mappings and lists, with its place as in `test.accuracy`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from flatten(inner, f"{place}[{number}]")
    else:
        yield place, value
