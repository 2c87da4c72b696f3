"""Looks at every image before the first step: a run does not meet a broken one halfway."""

import collections
import dataclasses
import pathlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kerastl.config import Config
from kerastl.data.facts import MOST_COMPARED, Facts, duplicates, look_at, near_duplicates
from kerastl.data.sources import Finding, Source, find_source
from kerastl.errors import UsageError, bad_value
from kerastl.progress import Progress, count_of

# Unusable files that an error names; all are lines on standard output.
_MAX_NAMED = 3
# Endings of each kind of file; in any case of letters.
_ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WebP": (".webp",),
}
# A size or shape is told of that is so many times the usual one, or one of so many, and so many
# times as far from it as the middle image is: data whose sizes spread widely have no usual one.
_FAR_SIZE = 3.0
_FAR_SHAPE = 2.0
_FAR_DEVIATIONS = 5.0
# Classes are told of where the largest has so many times the images of the smallest.
_IMBALANCE = 10


def read_source(config: Config, progress: Progress) -> Source:
    """Opens the data set that `config.dataset` names and looks at all of it.

    Raises:
        UsageError: See `find_source` and `audited`.
        KerastlError: See `find_source`.
    """
    return audited(find_source(config, progress), config, progress)


def audited(source: Source, config: Config, progress: Progress) -> Source:
    """Looks at all images, takes out what cannot be used, and says what is strange.

    Images that are the same, or nearly, get one group, so that they are on one side of every
    split.

    Raises:
        UsageError: If an image cannot be used and `config.on_bad_image` is "stop", or a class is
            left without images.
    """
    facts = look_at(source, memory=config.memory_path, progress=progress)
    bad = [number for number, fact in enumerate(facts) if fact.problem]
    named = [f"{source.examples[number]} {facts[number].problem}" for number in bad]
    for line in named:
        progress.line(f"  {line}")
    if bad and config.on_bad_image == "stop":
        more = f", and {len(bad) - _MAX_NAMED} more" if len(bad) > _MAX_NAMED else ""
        error = UsageError(
            f"dataset={source.name!r}: {count_of(len(bad), _thing(source))} cannot be used: "
            f"{', '.join(named[:_MAX_NAMED])}{more}. Mend, convert or remove them, or "
            "add --on_bad_image=skip."
        )
        # In Python, where `progress` may be silent, a traceback shows the rest.
        error.add_note("\n".join(named))
        raise error
    progress.line(_account(source, bad, facts))
    kept = np.setdiff1d(np.arange(len(source)), bad)
    good = [facts[number] for number in kept]
    usable = source.subset(kept)
    _check_classes(usable)
    same, near = list(duplicates(good)), list(near_duplicates(good))
    if len(usable) > MOST_COMPARED:
        progress.line(
            f"Audit: of more than {MOST_COMPARED} images only equal ones are found, not nearly "
            "equal ones."
        )
    findings = [
        *source.findings,
        *(Finding(source.examples[number], "unusable", facts[number].problem) for number in bad),
        *_alike(usable, "same image", same),
        *_alike(usable, "nearly the same image", near),
        *_strange_files(usable, good),
        *_strange_classes(usable),
    ]
    _tell(findings, progress)
    together = same + near if config.near_duplicates == "group" else same
    groups = _groups(usable, together)
    hashes = b"".join(bytes.fromhex(fact.pixels) for fact in good)
    pixels = np.frombuffer(hashes, np.uint8).reshape(len(usable), -1)
    return dataclasses.replace(usable, groups=groups, pixels=pixels, findings=tuple(findings))


def _thing(source: Source) -> str:
    return "file" if source.has_files else "image"


def _account(source: Source, bad: Sequence[int], facts: Sequence[Facts]) -> str:
    ignored = sum(source.ignored.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(source.ignored.items()))
    endings: collections.Counter[str] = collections.Counter(
        pathlib.PurePath(source.examples[number]).suffix.lower() or "no ending"
        if source.has_files
        else facts[number].problem
        for number in bad
    )
    skipped = ", ".join(f"{count} {ending}" for ending, count in sorted(endings.items()))
    return (
        f"{count_of(len(source) + ignored, _thing(source))} found: {len(source) - len(bad)} used, "
        f"{len(bad)} skipped{f' ({skipped})' if skipped else ''}, {ignored} ignored"
        f"{f' ({kinds})' if kinds else ''}."
    )


def _check_classes(source: Source) -> None:
    counts = np.bincount(source.labels, minlength=len(source.class_names))
    if empty := [source.class_names[label] for label in np.flatnonzero(counts == 0)]:
        raise bad_value(
            "dataset",
            source.name,
            f"class {', '.join(map(repr, empty))} has no image that can be used",
            "Add some or remove the class",
        )
    alike: dict[str, list[str]] = {}
    for name in source.class_names:
        folded = unicodedata.normalize("NFKC", name).casefold()
        alike.setdefault("".join(folded.split()), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            raise bad_value(
                "dataset",
                source.name,
                f"classes {' and '.join(map(repr, names))} differ by case, spaces or the form of "
                "their letters alone",
                "Join them or tell them apart",
            )


def _alike(source: Source, what: str, lists: Iterable[Sequence[int]]) -> Iterator[Finding]:
    """Yields a row for each image that is like one before it: what it is worst of, and how.

    One in another class may hide one in another split, so there may be a row for both.
    """
    for numbers in lists:
        for place, number in enumerate(numbers[1:], start=1):
            before = numbers[:place]
            label, split = source.labels[number], source.given_splits[number]
            in_class = next((one for one in before if source.labels[one] != label), None)
            # One of its own class first: that says more than what the row before says already.
            elsewhere = [one for one in before if source.given_splits[one] != split]
            in_split = min(elsewhere, key=lambda one: source.labels[one] != label, default=None)
            if in_class is not None:
                yield _pair(source, in_class, number, f"{what} in two classes")
            if in_split is not None:
                yield _pair(source, in_split, number, f"{what} in two splits")
            if in_class is None and in_split is None:
                yield _pair(source, before[0], number, f"{what} twice")


def _pair(source: Source, first: int, number: int, kind: str) -> Finding:
    classes = [source.class_names[source.labels[place]] for place in (first, number)]
    splits = [str(source.given_splits[place]) for place in (first, number)]
    detail = f"{' and '.join(classes)}, {' and '.join(splits)}"
    return Finding(source.examples[number], kind, detail, source.examples[first])


def _strange_files(source: Source, facts: Sequence[Facts]) -> Iterator[Finding]:
    widths, heights = (np.array([getattr(f, side) for f in facts]) for side in ("width", "height"))
    far_sizes = _far_away(np.sqrt(widths * heights), _FAR_SIZE)
    far_shapes = _far_away(widths / heights, _FAR_SHAPE)
    for number, (example, fact) in enumerate(zip(source.examples, facts, strict=True)):
        size = f"{fact.width} x {fact.height} pixels"
        ending = pathlib.PurePath(example).suffix.lower()
        if source.has_files and ending not in _ENDINGS[fact.kind]:
            kind = "wrong ending" if ending else "no ending"
            yield Finding(example, kind, f"is {fact.kind} by its content")
        if fact.is_flat:
            yield Finding(example, "one colour", size)
        if far_sizes[number]:
            yield Finding(example, "unusual size", size)
        if far_shapes[number]:
            yield Finding(example, "unusual shape", size)


def _far_away(values: np.ndarray, times: float) -> np.ndarray:
    """Says which values are several times the median or its inverse, bool (values,)."""
    logs = np.log(values)
    distances = np.abs(logs - np.median(logs))
    usual = _FAR_DEVIATIONS * np.median(distances)
    far: np.ndarray = distances > max(np.log(times), usual)
    return far


def _strange_classes(source: Source) -> Iterator[Finding]:
    counts = np.bincount(source.labels, minlength=len(source.class_names))
    for label in np.flatnonzero(counts == 1).tolist():
        number = int(np.argmax(source.labels == label))
        yield Finding(source.examples[number], "only image of its class", source.class_names[label])
    largest = int(counts.argmax())
    for label in np.flatnonzero(counts * _IMBALANCE <= counts[largest]).tolist():
        yield Finding(
            source.class_names[label],
            "imbalance",
            f"{count_of(int(counts[label]), 'image')}, and {counts[largest]} of the largest class",
            source.class_names[largest],
        )


def _groups(source: Source, alike: Iterable[Sequence[int]]) -> np.ndarray:
    """Numbers what belongs on one side: equal or nearly equal pixels, and equal groups."""
    parent = list(range(len(source)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    first_of: dict[int, int] = {}
    if source.groups is not None:
        for number, group in enumerate(source.groups.tolist()):
            parent[root(number)] = root(first_of.setdefault(group, number))
    for first, *others in alike:
        for number in others:
            parent[root(number)] = root(first)
    return np.array([root(number) for number in range(len(source))], np.int64)


def _tell(findings: Sequence[Finding], progress: Progress) -> None:
    by_kind = collections.Counter(finding.kind for finding in findings)
    for kind, count in by_kind.items():
        first = next(finding for finding in findings if finding.kind == kind)
        other = f" and {first.other}" if first.other else ""
        progress.line(f"Audit: {kind}: {count}, as {first.file}{other}.")
