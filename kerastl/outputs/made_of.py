"""What a run is made of: images, weights and splits, each by a fingerprint."""

import hashlib
import pathlib
from collections.abc import Mapping

from kerastl.data.splits import Splits
from kerastl.errors import UsageError, bad_value

# What a run is made of, with the flag that names it.
_FLAGS = {"data": "dataset", "weights": "weights", "splits": "splits_from"}


def describe_parts(splits: Splits, weights_fingerprint: str) -> dict[str, str]:
    """Fingerprints what a run is made of."""
    digest = hashlib.sha256()
    for _, indices in splits.items():
        digest.update(indices.tobytes() + b"/")
    return {
        "data": splits.source.fingerprint(),
        "weights": weights_fingerprint,
        "splits": digest.hexdigest(),
    }


def find_changed(known: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Returns the flag of the first part that differs; None if all are the same."""
    changed = [name for name, fingerprint in now.items() if known.get(name) != fingerprint]
    return _FLAGS[changed[0]] if changed else None


def cannot_go_on(flag: str, value: object, run_dir: pathlib.Path) -> UsageError:
    """Builds the error for a run that is to go on with another such part."""
    return bad_value(
        flag,
        value,
        f"is not what it was when the unfinished run in {run_dir} began",
        "Restore it, choose another run_dir, or start over with --overwrite",
    )
