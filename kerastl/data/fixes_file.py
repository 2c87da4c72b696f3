"""`fixes.csv`: what a person corrects in the data, by the content of the images."""

import dataclasses
import functools
import pathlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kerastl.data.content import HASH
from kerastl.data.table_rows import Wrong, in_lines, read_rows, read_text
from kerastl.errors import bad_value, shorten
from kerastl.paths import local_path

KEEP, RELABEL, DROP, KEEP_ONE = "keep", "relabel", "drop", "keep_one"
_KINDS = (KEEP, RELABEL, DROP, KEEP_ONE)
# Kinds of the audit's findings.
RELABELED, DROPPED, UNMATCHED = "relabeled", "dropped", "fix without image"
FIELD = "fixes"
# What a run calls its copy, beside its splits; as `outputs.directories` has it.
_COPY = "fixes.csv"
# A whole SHA-256, as `sha256sum` prints it, or its first half, as a run writes it.
_DIGITS = 2 * HASH.itemsize
_SHA256 = re.compile(rf"[0-9a-f]{{{_DIGITS}}}([0-9a-f]{{{64 - _DIGITS}}})?")
_ADVICE = f"Give columns sha256, fix ({', '.join(_KINDS)}) and new_class"


class Fix(NamedTuple):
    """A row of `fixes.csv`.

    Attributes:
        sha256: Hash of the file's content, in as many hexadecimal digits as a run writes.
        fix: KEEP, RELABEL, DROP, or KEEP_ONE of several files of this content.
        new_class: The class of RELABEL; of KEEP_ONE, if the file is to have another than its own.
        example: Where the file was, for a reader, and the file that KEEP_ONE keeps.
    """

    sha256: str
    fix: str
    new_class: str = ""
    example: str = ""

    @property
    def is_for_copies(self) -> bool:
        """Whether it keeps one of several files of the same content."""
        return self.fix == KEEP_ONE


@dataclasses.dataclass(frozen=True)
class Fixed:
    """What became of the fixes.

    Attributes:
        rows: All of them.
        num_relabeled: Images whose class has changed.
        num_kept: Images that are as they were: to be kept, or of their new class already.
        unmatched: Fixes that match no image.
        relabeled: Hashes of the relabeled images, as values of `HASH`.
        dropped: Images that were left out: their names, and the splits that they came with.
    """

    rows: tuple[Fix, ...]
    num_relabeled: int
    num_kept: int
    unmatched: tuple[Fix, ...]
    relabeled: frozenset[bytes]
    dropped: tuple[tuple[str, str], ...]

    def counts(self) -> dict[str, int]:
        """Counts the images by what became of them, and the fixes that match none."""
        return {
            RELABELED: self.num_relabeled,
            DROPPED: len(self.dropped),
            "kept": self.num_kept,
            "unmatched": len(self.unmatched),
        }

    def line(self) -> str:
        """Returns the line that a run prints."""
        *known, unmatched = self.counts().items()
        words = [f"{count} {kind}" for kind, count in known if count]
        if unmatched[1]:
            first = next((fix.example for fix in self.unmatched if fix.example), "")
            example = f" any more, as {shorten(first)}" if first else ""
            words.append(f"{unmatched[1]} match{'es' * (unmatched[1] == 1)} no image{example}")
        return f"Fixes: {', '.join(words) or 'none'}."


def forgotten_words(splits_from: str, path: str) -> Iterator[str]:
    """Yields a line if a run leaves out fixes of the one whose splits it has.

    Args:
        splits_from: The `splits.csv` of the earlier run.
        path: The fixes of this run; empty for none.

    Raises:
        UsageError: If a file of fixes cannot be read or is wrong.
    """
    before = pathlib.Path(splits_from).with_name(_COPY)
    if not before.exists():
        return
    known = {fix.sha256 for fix in read_fixes(path)} if path else set()
    count = sum(fix.sha256 not in known and fix.fix != KEEP for fix in read_fixes(str(before)))
    if count:
        yield (
            f"Fixes: {count} of {before} {'is' if count == 1 else 'are'} not in "
            f"{path or 'this run'}, whose images are again as they were. To keep these fixes, put "
            "the rows of both files into one."
        )


def read_fixes(path: str) -> tuple[Fix, ...]:
    """Reads the fixes of a person; rows without one do not count, nor do other columns.

    So a table of a run, as `label_issues.csv`, will do with two more columns.

    Raises:
        UsageError: If the file cannot be read, or a row is wrong or contradicts another.
    """
    wrong = functools.partial(bad_value, FIELD, path)
    text = read_text(local_path(path, field=FIELD), wrong)
    rows = read_rows(text, pathlib.Path(path).suffix.lower(), wrong)
    _, header = next(rows)
    if lacking := {"sha256", "fix", "new_class"} - set(header):
        raise wrong(f"has no column {min(lacking)}", _ADVICE)
    found: dict[str, tuple[int, Fix]] = {}
    for line, cells in rows:
        row = dict(zip(header, cells, strict=False))
        if not row.get("fix"):
            continue
        fix = _read_row(row, line, wrong)
        before, same = found.setdefault(fix.sha256, (line, fix))
        # Which file it was decides only which one is kept.
        length = 4 if fix.fix == KEEP_ONE else 3
        if same[:length] != fix[:length]:
            raise wrong(
                f"has two fixes of one image {in_lines([before, line])}: {_words(same)}, and "
                f"{_words(fix)}",
                "Keep one of them",
            )
    return tuple(fix for _, fix in found.values())


def _read_row(row: Mapping[str, str], line: int, wrong: Wrong) -> Fix:
    sha256, fix = row.get("sha256", "").lower(), row["fix"].lower()
    new_class = unicodedata.normalize("NFC", row.get("new_class", ""))
    if not _SHA256.fullmatch(sha256):
        problem = f"has {shorten(sha256)!r} as sha256" if sha256 else "has no sha256"
        raise wrong(
            f"{problem} in line {line}",
            f"Give the {_DIGITS} digits of a run, or the 64 of sha256sum",
        )
    if fix not in _KINDS:
        raise wrong(f"has {shorten(fix)!r} as fix in line {line}", f"Use {', '.join(_KINDS)}")
    if fix != KEEP_ONE and (fix == RELABEL) != bool(new_class):
        problem = "has no new_class for" if fix == RELABEL else "has a new_class beside"
        raise wrong(f"{problem} {fix} in line {line}", f"Give one for each {RELABEL}, and no other")
    return Fix(sha256[:_DIGITS], fix, new_class, row.get("example", ""))


def _words(fix: Fix) -> str:
    example = f" {shorten(fix.example)!r}" if fix.fix == KEEP_ONE else ""
    return f"{fix.fix}{example}" + (f" as {shorten(fix.new_class)!r}" if fix.new_class else "")
