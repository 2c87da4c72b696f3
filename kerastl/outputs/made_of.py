"""What a run or a search is made of: images, files that change them, weights, each a fingerprint.

A part that an earlier version of kerastl has not kept is taken to be what it was.
"""

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from kerastl.data.splits import Splits
from kerastl.errors import UsageError, bad_value
from kerastl.outputs.directories import RunFile, read_json
from kerastl.outputs.unfinished import Opened
from kerastl.settings import Decides
from kerastl.settings.model import brings_weights

# The part of `receipt.json` that has them all.
MADE_OF = "made_of"
# What a run is made of, with the flag that names it. Where splits differ from what the same files
# made of them, the data do so in what no other part has, such as the groups of a table.
FLAGS = {
    "fixes": "fixes",
    "data": "dataset",
    "earlier": "splits_from",
    "splits": "dataset",
    "teacher": "teacher",
    "weights": "weights",
}


def describe_data(splits: Splits) -> dict[str, str]:
    """Fingerprints the images and the files that change them, the causes of others first."""
    source, digest = splits.source, hashlib.sha256()
    for _, indices in splits.items():
        digest.update(indices.tobytes() + b"/")
    parts = {"data": source.fingerprint(), "splits": digest.hexdigest()}
    if source.fixed:
        parts["fixes"] = _hash(fix[:3] for fix in source.fixed.rows)
    if splits.earlier:
        parts["earlier"] = _hash(splits.earlier.items())
    if splits.teacher:
        parts["teacher"] = splits.teacher.fingerprint
    return {name: parts[name] for name in FLAGS if name in parts}


def describe_parts(splits: Splits, weights_fingerprint: str) -> dict[str, str]:
    """Fingerprints what a run is made of: its images as `describe_data` does, and its weights."""
    return {**describe_data(splits), "weights": weights_fingerprint}


def find_changed(
    known: Mapping[str, str], now: Mapping[str, str], flags: Mapping[str, Any], *, what: str
) -> UsageError | None:
    """Finds a part that is not what it was.

    Args:
        known: The parts of what is to go on.
        now: Those of now.
        flags: The settings of images and network.
        what: What is to go on, as in "the unfinished run in runs/first".

    Returns:
        An error that names the flag of the first; None if all are the same.
    """
    for part, fingerprint in now.items():
        if known.get(part, fingerprint) != fingerprint:
            is_of_backbone = part == "weights" and brings_weights(flags["backbone"])
            flag = "backbone" if is_of_backbone else FLAGS[part]
            return bad_value(
                flag,
                flags[flag],
                f"is not what it was when {what} began",
                "Restore it, choose another run_dir, or start over with --overwrite",
            )
    return None


def is_made_of(known: Mapping[str, str], now: Mapping[str, str], opened: Opened) -> bool:
    """Whether an unfinished run is of these images and weights.

    Raises:
        UsageError: If it is not, and may not be overwritten.
    """
    flags = opened.config.deciding(Decides.IMAGES, Decides.FEATURES)
    error = find_changed(known, now, flags, what=f"the unfinished run in {opened.config.run_dir}")
    if error and not opened.config.overwrite:
        raise error
    return error is None


def read_made_of(run_dir: pathlib.Path) -> dict[str, str] | None:
    """Reads from its receipt what a run is made of; None if the receipt is lost or an old one."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        known: dict[str, str] = read_json(run_dir, RunFile.RECEIPT)[MADE_OF]
        return known
    return None


def _hash(rows: Iterable[tuple[str, ...]]) -> str:
    """Hashes rows, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()
