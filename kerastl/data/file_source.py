"""A `Source` from labelled image files, after every one of them has been looked at."""

import collections
import dataclasses
import itertools

import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.audit import Facts, duplicates, look_at_files, near_duplicates
from kerastl.data.files import LabelledFile, Listing, list_folder, list_table
from kerastl.data.sources import Finding, Source
from kerastl.errors import UsageError, bad_value
from kerastl.progress import Progress, count_of

# Unusable files that an error names; all are lines on standard output.
_MAX_NAMED = 3


def read_files(config: Config, progress: Progress) -> Source:
    """Lists the files of `config.dataset`, looks at each and makes a source of them.

    Raises:
        UsageError: If a file cannot be used and `config.on_bad_image` is "stop", or a class is
            left without images.
    """
    kind, _, place = config.dataset.partition(":")
    if kind == "folder":
        listing = list_folder(place)
    else:
        names = ("image", "label", "split", "group")
        columns = {name: getattr(config, f"{name}_column") for name in names}
        listing = list_table(place, columns=columns)
    facts = look_at_files(listing.files, memory=config.memory_path, progress=progress)
    bad = [number for number, fact in enumerate(facts) if fact.problem]
    for number in bad:
        progress.line(f"  {listing.files[number].example} {facts[number].problem}")
    if bad and config.on_bad_image == "stop":
        named = [f"{listing.files[number].example} {facts[number].problem}" for number in bad]
        more = f", and {len(bad) - _MAX_NAMED} more" if len(bad) > _MAX_NAMED else ""
        raise UsageError(
            f"dataset={config.dataset!r}: {count_of(len(bad), 'file')} cannot be used: "
            f"{', '.join(named[:_MAX_NAMED])}{more}. Mend or remove them, or add "
            "--on_bad_image=skip."
        )
    _account(listing, len(bad), progress)
    kept = [number for number, fact in enumerate(facts) if not fact.problem]
    files = [listing.files[number] for number in kept]
    good = [facts[number] for number in kept]
    _check_classes(listing, files, config)
    alike = {
        "same image": list(duplicates(good)),
        "nearly the same image": list(near_duplicates(good)),
    }
    findings = (*_bad_files(listing, facts), *_findings(files, good, alike))
    _tell(findings, progress)
    return dataclasses.replace(
        _make_source(config.dataset, listing, files, good, alike), findings=findings
    )


def _make_source(
    name: str,
    listing: Listing,
    files: list[LabelledFile],
    facts: list[Facts],
    alike: dict[str, list[list[int]]],
) -> Source:
    paths = tf.constant([str(file.path) for file in files])
    labels = {class_name: label for label, class_name in enumerate(listing.class_names)}
    return Source(
        name=name,
        class_names=listing.class_names,
        examples=[file.example for file in files],
        labels=np.array([labels[file.class_name] for file in files], np.int64),
        digests=np.array([list(bytes.fromhex(fact.digest)) for fact in facts], np.uint8),
        given_splits=np.array([file.split for file in files]),
        read=lambda index: tf.io.read_file(tf.gather(paths, index)),
        groups=_groups(files, alike),
    )


def _groups(files: list[LabelledFile], alike: dict[str, list[list[int]]]) -> np.ndarray:
    """Numbers what belongs on one side: equal or nearly equal pixels, and equal groups."""
    parent = list(range(len(files)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    named: dict[str, int] = {}
    for number, file in enumerate(files):
        if file.group:
            parent[root(number)] = root(named.setdefault(file.group, number))
    for numbers in itertools.chain(*alike.values()):
        for number in numbers[1:]:
            parent[root(number)] = root(numbers[0])
    return np.array([root(number) for number in range(len(files))], np.int64)


def _account(listing: Listing, skipped: int, progress: Progress) -> None:
    used = len(listing.files) - skipped
    ignored = sum(listing.ignored.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(listing.ignored.items()))
    progress.line(
        f"{used + skipped + ignored} files found: {used} used, {skipped} skipped, {ignored} "
        f"ignored{f' ({kinds})' if kinds else ''}."
    )


def _check_classes(listing: Listing, files: list[LabelledFile], config: Config) -> None:
    counts = collections.Counter(file.class_name for file in files)
    if empty := [name for name in listing.class_names if not counts[name]]:
        raise bad_value(
            "dataset",
            config.dataset,
            f"class {', '.join(map(repr, empty))} has no image that can be used",
            "Add some or remove the class",
        )
    alike: dict[str, list[str]] = {}
    for name in listing.class_names:
        alike.setdefault(" ".join(name.casefold().split()), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            raise bad_value(
                "dataset",
                config.dataset,
                f"classes {' and '.join(map(repr, names))} differ by case or spaces alone",
                "Join them or tell them apart",
            )


def _bad_files(listing: Listing, facts: list[Facts]) -> list[Finding]:
    return [
        Finding(file.example, "unusable", fact.problem)
        for file, fact in zip(listing.files, facts, strict=True)
        if fact.problem
    ]


def _findings(
    files: list[LabelledFile], facts: list[Facts], alike: dict[str, list[list[int]]]
) -> list[Finding]:
    found = [
        _pair(files[numbers[0]], files[number], what)
        for what, lists in alike.items()
        for numbers in lists
        for number in numbers[1:]
    ]
    found += [
        Finding(file.example, "one colour", f"{fact.width} x {fact.height} pixels")
        for file, fact in zip(files, facts, strict=True)
        if fact.is_flat
    ]
    return found


def _pair(first: LabelledFile, file: LabelledFile, what: str) -> Finding:
    if file.class_name != first.class_name:
        where = "in two classes"
    elif file.split != first.split:
        where = "in two splits"
    else:
        where = "twice"
    detail = f"{first.class_name} and {file.class_name}, {first.split} and {file.split}"
    return Finding(file.example, f"{what} {where}", detail, first.example)


def _tell(findings: tuple[Finding, ...], progress: Progress) -> None:
    by_kind = collections.Counter(finding.kind for finding in findings)
    for kind, count in by_kind.items():
        first = next(finding for finding in findings if finding.kind == kind)
        other = f" and {first.other}" if first.other else ""
        progress.line(f"Audit: {kind}: {count}, as {first.file}{other}.")
