"""Files that cannot be used: which stop a run, which are left out, and their report."""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from kerastl.data.beside import claims_picture, other_kind
from kerastl.data.conversions import way_of_reason
from kerastl.data.inspection import Inspection
from kerastl.data.source import Finding, Source
from kerastl.errors import ListedError
from kerastl.progress import Progress, count_kind, count_of

# Reasons, examples of each, and kinds of files that are shown; `audit.csv` has them all.
_MAX_REASONS = 8
_EXAMPLES = 2
_MAX_KINDS = 16


@dataclasses.dataclass(frozen=True)
class Sorted:
    """The files of a source, sorted by what becomes of them.

    Attributes:
        kept: Positions of those that can be used.
        unusable: A row for each that claims to be an image and cannot be used.
        left_out: A row for each that was met in a folder and claims nothing.
        ignored: Number of other files, by kind, those of `left_out` among them.
    """

    kept: np.ndarray
    unusable: list[Finding]
    left_out: list[Finding]
    ignored: Mapping[str, int]


def sort_out(source: Source, inspections: Sequence[Inspection]) -> Sorted:
    """Sorts the files of a source by their inspections."""
    unusable, left_out = [], []
    ignored = collections.Counter(source.ignored)
    for example, one in zip(source.examples, inspections, strict=True):
        if one.problem and one.other and source.is_searched and not claims_picture(example):
            left_out.append(Finding(example, "left out", one.problem))
            ignored[other_kind(pathlib.PurePath(example).name) or one.other] += 1
        elif one.problem:
            unusable.append(Finding(example, "unusable", one.problem))
    kept = np.flatnonzero([not one.problem for one in inspections])
    return Sorted(kept, unusable, left_out, ignored)


def report(source: Source, files: Sorted, *, is_stop: bool, progress: Progress) -> None:
    """Summarizes how many files are used, and the reasons for the others, in a few lines.

    Raises:
        ListedError: If some cannot be used and `is_stop` is on.
    """
    thing = "file" if source.has_files else "image"
    stops = bool(files.unusable) and is_stop
    endings = (pathlib.PurePath(finding.file).suffix.lower() for finding in files.unusable)
    by_ending = collections.Counter(ending or "no ending" for ending in endings)
    skipped = _join(by_ending, "{} {}".format) if source.has_files else ""
    num_ignored = sum(files.ignored.values())
    num_found = len(source) - len(files.left_out) + num_ignored
    progress.line(
        f"{count_of(num_found, thing)} found: {len(files.kept)} {'usable' if stops else 'used'}, "
        f"{len(files.unusable)} {'unusable' if stops else 'skipped'}{skipped}, {num_ignored} "
        f"ignored{_join(files.ignored, count_kind)}."
    )
    lines = list(_reasons(files.unusable))
    for line in lines:
        progress.line(f"  {line}")
    if stops:
        rows = with_hashes([*source.findings, *files.unusable, *files.left_out], source)
        error = ListedError(
            f"dataset={source.name!r}: {count_of(len(files.unusable), thing)} cannot be used"
            f"{_most(files.unusable)}. {_advise(files)}.",
            [field.name for field in dataclasses.fields(Finding)],
            [dataclasses.astuple(row) for row in rows],
        )
        # In Python, where `progress` may be silent, a traceback shows the reasons.
        error.add_note("\n".join(lines))
        raise error


def _advise(files: Sorted) -> str:
    """Returns what to do with files that cannot be used."""
    if len(files.kept):
        return "Repair, convert or remove them, or add --on_bad_image=skip"
    (reason, _), *_ = _by_reason(files.unusable)
    return way_of_reason(reason) or "Repair or convert them, since none can be used"


def with_hashes(findings: Iterable[Finding], source: Source) -> Iterator[Finding]:
    """Yields findings with the hashes of their files, by which a person can fix them.

    A name that stands for several images is that of none.
    """
    hashes: dict[str, str] = {}
    for index, example in enumerate(source.examples):
        hashes[example] = "" if example in hashes else source.hashes[index].tobytes().hex()
    for one in findings:
        # What was dropped is no longer in the source.
        first, other = one.sha256 or hashes.get(one.file, ""), hashes.get(one.other, "")
        yield dataclasses.replace(one, sha256=first, other_sha256=other)


def _reasons(unusable: Sequence[Finding]) -> Iterator[str]:
    """Yields a line for each reason, those of most files first."""
    groups = _by_reason(unusable)
    for reason, findings in groups[:_MAX_REASONS]:
        examples = " and ".join(finding.file for finding in findings[:_EXAMPLES])
        yield f"{reason}: {len(findings)}, as {examples}"
    if rest := [finding for _, findings in groups[_MAX_REASONS:] for finding in findings]:
        reasons = count_of(len(groups) - _MAX_REASONS, "other reason")
        yield f"{reasons}: {len(rest)}, as {rest[0].file}, which {rest[0].detail}"


def _most(unusable: Sequence[Finding]) -> str:
    """Names the reason of most files with one of them."""
    (reason, findings), *others = _by_reason(unusable)
    if len(unusable) == 1:
        return f": {findings[0].file} {reason}"
    share = f"{len(findings)} of them " if others and len(findings) > 1 else ""
    return f", {share}such as {findings[0].file}, which {reason}"


def _by_reason(unusable: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    groups: dict[str, list[Finding]] = {}
    for finding in unusable:
        groups.setdefault(finding.detail, []).append(finding)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def describe_ignored(counts: Mapping[str, int]) -> str:
    """Says how many other files were ignored, by kind; empty for none."""
    found = +collections.Counter(counts)
    files = count_of(found.total(), "other file")
    return f"{files} ignored{_join(found, count_kind)}." if found else ""


def _join(counts: Mapping[str, int], describe: Callable[[int, str], str]) -> str:
    """Lists counts in parentheses, the largest only; nothing for none."""
    shown = sorted(collections.Counter(counts).most_common(_MAX_KINDS))
    words = [describe(count, kind) for kind, count in shown]
    if rest := sum(counts.values()) - sum(count for _, count in shown):
        words.append(f"{rest} of other kinds")
    return f" ({', '.join(words)})" if words else ""
