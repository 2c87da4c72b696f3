"""Applies what a person corrects in the data: images change their class, or are left out."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kerastl.data.content import HASH, as_keys
from kerastl.data.fixes_file import DROP, DROPPED, FIELD, RELABELED, UNMATCHED, Fix, Fixed
from kerastl.data.source import Finding, Source
from kerastl.data.splits import Splits
from kerastl.errors import bad_value, closest, name_some, shorten
from kerastl.split_names import TEST, TRAIN


def apply_fixes(source: Source, fixes: Sequence[Fix], path: str) -> Source:
    """Changes classes and leaves images out, whatever the names of their files are.

    Files of the same content are one image here: a fix is for all of them. KEEP_ONE leaves all but
    one out: the one that it names, or else the first by name.

    Args:
        source: The images, before the audit.
        fixes: Result of `read_fixes`.
        path: Where they are from, for the message.

    Raises:
        UsageError: If one names no class of the source.
    """
    _check_classes(source, fixes, path)
    # As the values of NumPy's arrays, which lose zeros at their end.
    fix_of = {bytes.fromhex(fix.sha256).rstrip(b"\0"): fix for fix in fixes}
    keys = as_keys(source.hashes)
    matched = np.flatnonzero(np.isin(keys, np.array([*fix_of], HASH)))
    unmatched = fix_of.keys() - set(keys[matched].tolist())
    copies = _choose_copies(source, {key: fix for key, fix in fix_of.items() if fix.is_for_copies})
    labels, is_kept = _decide(source, fix_of, matched, copies)
    changed = dataclasses.replace(source, labels=labels)
    is_relabeled = (labels != source.labels) & is_kept
    fixed = Fixed(
        tuple(fixes),
        num_relabeled=int(is_relabeled.sum()),
        num_kept=len(matched) - int((is_relabeled | ~is_kept).sum()),
        unmatched=tuple(fix for key, fix in fix_of.items() if key in unmatched),
        relabeled=frozenset(keys[is_relabeled].tolist()),
        dropped=tuple(_dropped(source, is_kept)),
    )
    changes = (
        *_list_changes(source, changed, is_kept, copies),
        *_list_unmatched(source, fixed.unmatched),
    )
    changed = dataclasses.replace(changed, findings=(*source.findings, *changes), fixed=fixed)
    return changed if is_kept.all() else changed.subset(np.flatnonzero(is_kept))


def _decide(
    source: Source, fix_of: Mapping[bytes, Fix], matched: np.ndarray, copies: Mapping[bytes, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the class of each image, and whether it is kept."""
    label_of = {name.strip(): label for label, name in enumerate(source.class_names)}
    labels, is_kept = source.labels.copy(), np.ones(len(source), bool)
    keys = as_keys(source.hashes)
    for index in matched.tolist():
        fix = fix_of[keys[index]]
        is_kept[index] = fix.fix != DROP and copies.get(keys[index], index) == index
        labels[index] = label_of.get(fix.new_class, labels[index])
    return labels, is_kept


def _dropped(source: Source, is_kept: np.ndarray) -> Iterator[tuple[str, str]]:
    for index in np.flatnonzero(~is_kept).tolist():
        yield source.examples[index], str(source.given_splits[index])


def _choose_copies(source: Source, fix_of: Mapping[bytes, Fix]) -> dict[bytes, int]:
    """Chooses the image to keep of those of each content, by its position."""
    places: dict[bytes, list[int]] = {key: [] for key in fix_of}
    for index, key in enumerate(as_keys(source.hashes).tolist()):
        if key in places:
            places[key].append(index)
    names = source.examples
    return {
        key: min(found, key=lambda index: (names[index] != fix_of[key].example, names[index]))
        for key, found in places.items()
        if found
    }


def _list_changes(
    source: Source, changed: Source, is_kept: np.ndarray, copies: Mapping[bytes, int]
) -> Iterator[Finding]:
    keys = as_keys(source.hashes)
    for index in np.flatnonzero(~is_kept | (changed.labels != source.labels)).tolist():
        was, now = (one.class_names[one.labels[index]] for one in (source, changed))
        kind, words = (RELABELED, f", now {now}") if is_kept[index] else (DROPPED, "")
        kept = copies.get(keys[index], index)
        other = "" if kept == index else source.examples[kept]
        words += ", a copy is kept" if other else ""
        sha256 = source.hashes[index].tobytes().hex()
        yield Finding(source.examples[index], kind, f"was {was}{words}", other, sha256)


def _list_unmatched(source: Source, fixes: Sequence[Fix]) -> Iterator[Finding]:
    """Lists the fixes that match no image, and which of their files have another content now."""
    names = set(source.examples)
    for fix in fixes:
        what = f"{fix.fix} as {fix.new_class}" if fix.new_class else fix.fix
        why = "its file has another content now" if fix.example in names else "its file is not here"
        yield Finding(
            fix.example or fix.sha256, UNMATCHED, f"{what}: {why if fix.example else 'no image'}"
        )


def name_splits(splits: Splits, earlier: Mapping[str, str]) -> Splits:
    """Adds to each finding about a fix the split of the image.

    That of a dropped image is the one that it came with, or was in before; else nobody knows it.
    `earlier` has the split of each image of an earlier run, see `splits_file.read_earlier`.
    """
    source = splits.source
    if source.fixed is None:
        return splits
    split_of = {
        RELABELED: {source.examples[at]: name for name, chosen in splits.items() for at in chosen},
        DROPPED: {
            # Of those that came for training, some are split off.
            name: earlier.get(name, "") if own == TRAIN else own
            for name, own in source.fixed.dropped
        },
    }

    def add_split(finding: Finding) -> Finding:
        split = split_of.get(finding.kind, {}).get(finding.file)
        return (
            dataclasses.replace(finding, detail=f"{finding.detail}, {split}") if split else finding
        )

    findings = tuple(map(add_split, source.findings))
    return dataclasses.replace(splits, source=dataclasses.replace(source, findings=findings))


def changed_test_words(splits: Splits, earlier: Mapping[str, str]) -> Iterator[str]:
    """Yields a line if the fixes change the test images, or may.

    `earlier` has the split of each image of an earlier run, see `splits_file.read_earlier`.
    """
    if splits.source.fixed is None:
        return
    relabeled, dropped, may_differ = count_in_test(splits, splits.source.fixed, earlier).values()
    if relabeled or dropped:
        yield (
            f"Fixes: the test set has changed, {relabeled} of its images relabeled and {dropped} "
            "dropped. kerastl compare compares with other runs on the images that are as before."
        )
    elif may_differ:
        yield (
            "Fixes: dropped images may change which images are split off for the test; add "
            "--splits_from with the splits.csv of an earlier run to keep its test set."
        )


def count_in_test(splits: Splits, fixed: Fixed, earlier: Mapping[str, str]) -> dict[str, int]:
    """Counts the test images that fixes change, for `receipt.json`.

    Returns:
        `test_relabeled`; `test_dropped`, as far as it is known; and `test_may_differ`, whether
        images are dropped of which nobody knows whether they would have been test images.
    """
    given = splits.source.given_splits
    keys = as_keys(splits.source.hashes[splits.test]).tolist()
    return {
        "test_relabeled": sum(key in fixed.relabeled for key in keys),
        "test_dropped": sum(TEST in (own, earlier.get(name)) for name, own in fixed.dropped),
        "test_may_differ": bool(fixed.dropped and TEST not in given and not earlier),
    }


def _check_classes(source: Source, fixes: Sequence[Fix], path: str) -> None:
    known = [name.strip() for name in source.class_names]
    if unknown := sorted({fix.new_class for fix in fixes if fix.new_class} - set(known)):
        near = closest(unknown[0], known)
        advice = f"Did you mean {near[0]!r}? " if near else ""
        raise bad_value(
            FIELD,
            path,
            f"relabels an image as {shorten(unknown[0])!r}, which is no class of {source.name}",
            f"{advice}Known: {name_some(known, most=20)}",
        )
