"""Checks every image before the first step, so that a run does not meet a broken one halfway."""

import collections
import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kerastl.data.content import as_rows
from kerastl.data.duplicates import (
    find_causes,
    find_copied_class,
    find_duplicates,
    find_near_duplicates,
    find_turned_duplicates,
    join_groups,
)
from kerastl.data.file_facts import list_facts
from kerastl.data.file_formats import FORMATS
from kerastl.data.fixes_file import DROPPED, RELABELED, UNMATCHED
from kerastl.data.inspection import Inspection, inspect
from kerastl.data.labels import refuse_alike
from kerastl.data.leaving_out import leave_out_classes
from kerastl.data.named_copies import find_named_copies
from kerastl.data.source import USED, Cause, Finding, Source
from kerastl.data.unusable import report, sort_out, with_hashes
from kerastl.errors import bad_value, name_some, printable
from kerastl.progress import Progress, count_of
from kerastl.settings import DataSettings
from kerastl.split_names import SPLITS, TRAIN

# Classes that an error names.
_MAX_NAMED = 3
_ENDINGS = {one.name: one.endings for one in FORMATS}
# A size or shape is unusual if it differs from the median by this factor, and if its logarithm
# deviates at least five times as far as the median deviation: data may have no usual size.
_FAR_SIZE = 3.0
_FAR_SHAPE = 2.0
_FAR_DEVIATIONS = 5.0
# Images that are nearly the same are a scene rather than copies if they are more than this.
_MANY = 20
# Classes are unbalanced if the largest has this many times the images of a smaller one.
_IMBALANCE = 10
# Depths of cameras and scanners, in bits, whose values some programs write to 16 bits as they are.
_DEPTHS = (8, 10, 12, 14)
_SHALLOW = "{} bits in 16, which train and are served dark (multiply by {} first)"
# The largest value, of 255, of a picture in which nobody sees anything.
_BLACK = 15
# Ends the kinds of findings of which one label must be wrong.
_TWO = "in two classes"


def audit(
    source: Source, data: DataSettings, *, memory: pathlib.Path | None, progress: Progress
) -> Source:
    """Inspects all images, removes unusable ones, and reports what is unusual.

    Images that are the same, or nearly, also turned or mirrored, get one group, so that they are
    on one side of every split.

    `memory` is a directory that keeps inspections; None keeps nothing.

    Raises:
        UsageError: If an image cannot be used and `data.on_bad_image` is "stop", or a class is
            left without images.
    """
    inspections = inspect(source, memory=memory, progress=progress)
    files = sort_out(source, inspections)
    report(source, files, is_stop=data.on_bad_image == "stop", progress=progress)
    usable, good = source.subset(files.kept), [inspections[number] for number in files.kept]
    _check_classes(usable)
    same, near = list(find_duplicates(good)), list(find_near_duplicates(good))
    turned = list(find_turned_duplicates(good, near))
    named = list(_named_copies(usable))
    for line in _shared_splits(usable, same + near + turned + named):
        progress.line(line)
    if data.near_duplicates == "group":
        _refuse_copied_class(usable, same + near)
    findings = (
        *source.findings,
        *files.unusable,
        *files.left_out,
        *_pairs(usable, "same image", same),
        *_pairs(usable, "nearly the same image", [one for one in near if len(one) <= _MANY]),
        *_pairs(usable, "same image turned or mirrored", turned),
        *_scenes(usable, [one for one in near if len(one) > _MANY]),
        *_copies(usable, named),
        *_divided_groups(usable),
        *_unusual_files(usable, good),
        *_dark_files(usable, good),
        *_unusual_classes(usable),
        *_unusual_colors(usable, good),
    )
    _summarize(findings, progress)
    if data.near_duplicates == "report":
        near, turned, named = [], [], []
    lists = {Cause.EQUAL: same, Cause.NEAR: near + turned, Cause.NAMED: named}
    return dataclasses.replace(
        usable,
        groups=join_groups(len(usable), usable.groups, itertools.chain(*lists.values())),
        causes=find_causes(usable.groups, lists, count=len(usable)),
        pixels=as_rows(bytes.fromhex(one.pixels) for one in good),
        sides=np.array([(one.height, one.width) for one in good], np.int64),
        facts=list_facts(good),
        findings=tuple(with_hashes(findings, source)),
    )


def _check_classes(source: Source) -> None:
    counts = np.bincount(source.labels, minlength=len(source.class_names))
    if empty := [source.class_names[label] for label in np.flatnonzero(counts == 0)]:
        has = "class {} has" if len(empty) == 1 else "classes {} have"
        raise bad_value(
            "dataset",
            source.name,
            f"{has.format(name_some(map(repr, empty)))} no usable image",
            f"Add some, or leave what is no class {leave_out_classes(empty, source.patterns)}",
        )
    refuse_alike(source.class_names, name=source.name)


def _shared_splits(source: Source, lists: Sequence[Sequence[int]]) -> Iterator[str]:
    """Yields a line for each split that has at least half of its images in train, too."""
    splits = source.given_splits
    for split in dict.fromkeys(splits[splits != TRAIN].tolist()):
        shared = sum(
            int(np.sum(splits[list(numbers)] == split))
            for numbers in lists
            if TRAIN in splits[list(numbers)]
        )
        total = int(np.sum(splits == split))
        if 2 * shared >= total:
            yield (
                f"Audit: {shared} of {count_of(total, 'image')} of {split} are in train, too, or "
                f"nearly: results on {split} will look better than they are."
            )


def _divided_groups(source: Source) -> Iterator[Finding]:
    """Yields a row for each group of the data that its own splits divide."""
    if source.groups is None or source.group_names is None:
        return
    places: dict[int, dict[str, int]] = {}
    for index, (group, split) in enumerate(
        zip(source.groups.tolist(), source.given_splits.tolist(), strict=True)
    ):
        places.setdefault(group, {}).setdefault(split, index)
    for of_splits in places.values():
        (first, index), *others = sorted(of_splits.items(), key=lambda one: SPLITS.index(one[0]))
        for split, other in others:
            yield Finding(
                source.examples[other],
                "group in two splits",
                f"{source.group_names[other]} is in {first} and in {split}",
                source.examples[index],
            )


def _refuse_copied_class(source: Source, lists: Sequence[Sequence[int]]) -> None:
    if found := find_copied_class(source.labels, lists):
        label, others, count = found
        images = count_of(int(np.sum(source.labels == label)), "image")
        raise bad_value(
            "dataset",
            source.name,
            f"class {source.class_names[label]!r} repeats others: {count} of {images} are the same "
            f"as, or nearly, those of {name_some(source.class_names[one] for one in others)}",
            f"Leave it {leave_out_classes([source.class_names[label]], source.patterns)}, or add "
            "--near_duplicates=report if it is a class of its own",
        )


def _named_copies(source: Source) -> Iterator[list[int]]:
    if source.has_files:
        labels, splits = source.labels.tolist(), source.given_splits.tolist()
        yield from find_named_copies(source.examples, labels, splits)


def _copies(source: Source, lists: Iterable[Sequence[int]]) -> Iterator[Finding]:
    """Yields a row for each image that has the name of a copy of another."""
    for first, *others in lists:
        for number in others:
            detail = f"one of {1 + len(others)} images of that name"
            yield Finding(
                source.examples[number], "copy by its name", detail, source.examples[first]
            )


def _pairs(source: Source, what: str, lists: Iterable[Sequence[int]]) -> Iterator[Finding]:
    """Yields a row for each image that is like an earlier one, for the worst kind of pair.

    An image in another class may hide one in another split, so there may be a row for both.
    """
    for numbers in lists:
        for place, number in enumerate(numbers[1:], start=1):
            before = numbers[:place]
            label, split = source.labels[number], source.given_splits[number]
            in_class = next((one for one in before if source.labels[one] != label), None)
            # One of its own class first: that adds more to the row before.
            elsewhere = [one for one in before if source.given_splits[one] != split]
            in_split = min(elsewhere, key=lambda one: source.labels[one] != label, default=None)
            if in_class is not None:
                yield _pair(source, in_class, number, f"{what} {_TWO}")
            if in_split is not None:
                yield _pair(source, in_split, number, f"{what} in two splits")
            if in_class is None and in_split is None:
                yield _pair(source, before[0], number, f"{what} twice")


def _scenes(source: Source, lists: Iterable[Sequence[int]]) -> Iterator[Finding]:
    """Yields one row for many images that are nearly the same, however many pairs they make."""
    for numbers in lists:
        names = sorted({source.class_names[label] for label in source.labels[numbers]})
        first, last = (source.examples[place] for place in (min(numbers), max(numbers)))
        detail = f"{len(numbers)} of {len(source)} images, of {', '.join(names[:_MAX_NAMED])}"
        yield Finding(first, "many images nearly alike, as from one camera", detail, last)


def _pair(source: Source, first: int, number: int, kind: str) -> Finding:
    pair = [number, first]
    parts = [("class", [source.class_names[label] for label in source.labels[pair]])]
    # The splits that a run makes are not known yet.
    if len(np.unique(source.given_splits)) > 1:
        parts.append(("split", source.given_splits[pair].tolist()))
    detail = ", ".join(f"{what} {' and '.join(dict.fromkeys(names))}" for what, names in parts)
    return Finding(source.examples[number], kind, detail, source.examples[first])


def _unusual_files(source: Source, inspections: Sequence[Inspection]) -> Iterator[Finding]:
    widths, heights = (
        np.array([getattr(one, side) for one in inspections]) for side in ("width", "height")
    )
    far_sizes = _far_away(np.sqrt(widths * heights), _FAR_SIZE)
    far_shapes = _far_away(widths / heights, _FAR_SHAPE)
    for number, (example, one) in enumerate(zip(source.examples, inspections, strict=True)):
        size = f"{one.width} x {one.height} pixels"
        ending = os.path.splitext(example)[1].lower()
        if source.has_files and ending not in _ENDINGS[one.kind]:
            kind = "wrong ending" if ending else "no ending"
            yield Finding(example, kind, f"is {one.kind} by its content")
        if one.remark:
            yield Finding(example, f"odd {one.kind} data", one.remark)
        if one.is_flat:
            yield Finding(example, "one color", size)
        if far_sizes[number]:
            yield Finding(example, "unusual size", size)
        if far_shapes[number]:
            yield Finding(example, "unusual shape", size)


def _dark_files(source: Source, inspections: Sequence[Inspection]) -> Iterator[Finding]:
    """Yields a row for each file that uses a small part of its range of values."""
    shallow = {
        number: one.deepest
        for number, one in enumerate(inspections)
        if 0 < one.deepest < 1 << _DEPTHS[-1]
    }
    bits = max((value.bit_length() for value in shallow.values()), default=0)
    depth = next(depth for depth in _DEPTHS if depth >= bits)
    for number, one in enumerate(inspections):
        if number in shallow:
            kind = _SHALLOW.format(depth, 1 << 16 - depth)
            yield Finding(
                source.examples[number], kind, f"at most {one.deepest} of {(1 << 16) - 1}"
            )
        elif one.brightest <= _BLACK and not one.is_flat:
            detail = f"at most {one.brightest} of 255"
            yield Finding(source.examples[number], "nearly black", detail)


def _far_away(values: np.ndarray, times: float) -> np.ndarray:
    """Finds values that are several times above or below the median, bool (values,)."""
    logs = np.log(values)
    distances = np.abs(logs - np.median(logs))
    usual = _FAR_DEVIATIONS * np.median(distances)
    far: np.ndarray = distances > max(np.log(times), usual)
    return far


def _unusual_classes(source: Source) -> Iterator[Finding]:
    counts = np.bincount(source.labels, minlength=len(source.class_names))
    for label in np.flatnonzero(counts == 1).tolist():
        number = int(np.argmax(source.labels == label))
        yield Finding(source.examples[number], "only image of its class", source.class_names[label])
    largest = int(counts.argmax())
    for label in np.flatnonzero(counts * _IMBALANCE <= counts[largest]).tolist():
        yield Finding(
            source.class_names[label],
            "imbalance",
            f"{count_of(int(counts[label]), 'image')}, and {counts[largest]} of the largest class, "
            f"{source.class_names[largest]}",
        )


def _unusual_colors(source: Source, inspections: Sequence[Inspection]) -> Iterator[Finding]:
    """Yields a row for the only class with color profiles: its colors may give it away."""
    has_profile = np.array([one.has_other_colors for one in inspections])
    counts = np.bincount(source.labels[has_profile], minlength=len(source.class_names))
    if np.count_nonzero(counts) == 1:
        label = int(counts.argmax())
        images = count_of(int(np.sum(source.labels == label)), "image")
        yield Finding(
            source.class_names[label],
            "color profiles in one class",
            f"{counts[label]} of {images} are not in sRGB; profiles are not applied",
        )


def _summarize(findings: Sequence[Finding], progress: Progress) -> None:
    # These are reported already.
    reported = ("unusable", "left out", RELABELED, DROPPED, UNMATCHED)
    by_kind = collections.Counter(one.kind for one in findings if one.kind not in reported)
    for kind, count in by_kind.items():
        first = next(finding for finding in findings if finding.kind == kind)
        other = f" and {first.other}" if first.other else ""
        detail = f" ({printable(first.detail)})" if first.detail else ""
        used = f" {USED} relabel or drop them." if kind.endswith(_TWO) else ""
        progress.line(f"Audit: {kind}: {count}, as {first.file}{other}{detail}.{used}")
