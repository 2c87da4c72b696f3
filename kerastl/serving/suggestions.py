"""Suggestions of images to label next: what they are, and how they are written."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

from kerastl.data.content import readable
from kerastl.disk_errors import explained
from kerastl.errors import KerastlError
from kerastl.progress import Progress, count_of
from kerastl.serving.options import SuggestOptions
from kerastl.short_form import ShortForm
from kerastl.writing import csv_text, replace_csv

# `label` is for a person to fill in: with it, this is a table of `--dataset=csv:FILE`.
HEADER = ("path", "label", "guess", "confidence", "uncertainty", "rank")
# Lines on a terminal: suggestions, and files that cannot be used.
_SHOWN, _PROBLEMS_SHOWN = 12, 4
_FIELD = "output"


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """An image to label.

    Attributes:
        path: The file.
        guess: The most probable class.
        confidence: Its probability.
        uncertainty: From 0 for a sure guess to 1 where two classes are as probable.
    """

    path: pathlib.Path
    guess: str
    confidence: float
    uncertainty: float


@dataclasses.dataclass(frozen=True)
class Suggestions(ShortForm):
    """Images worth labeling next, the most useful first.

    Attributes:
        suggestions: The images.
        num_files: Files that were found.
        num_labeled: Images left out, as the run has them with their labels.
        num_duplicates: Uncertain images left out, as they show what another one shows.
        problems: Files that cannot be used, each with the reason.
    """

    suggestions: tuple[Suggestion, ...]
    num_files: int
    num_labeled: int
    num_duplicates: int
    problems: tuple[tuple[pathlib.Path, str], ...]

    def __iter__(self) -> Iterator[Suggestion]:
        """Iterates over the images."""
        return iter(self.suggestions)

    def __len__(self) -> int:
        """Counts them."""
        return len(self.suggestions)

    def write(self, output: str | os.PathLike[str] = "", *, progress: Progress) -> None:
        """Writes the suggestions to a CSV file, or prints them.

        Its columns are those of `HEADER`; paths are relative to the file, as in a table of labels.

        Args:
            output: The file. If empty, a terminal gets the first suggestions, anything else the
                rows of the file.
            progress: Where to print; a summary where there is a file.

        Raises:
            UsageError: If it is no CSV file.
            KerastlError: If it cannot be written.
        """
        options = SuggestOptions(output=os.fspath(output))
        if options.output:
            path = pathlib.Path(options.output)
            with explained(path, field=_FIELD):
                path.parent.mkdir(parents=True, exist_ok=True)
            replace_csv(path, HEADER, self._rows(path.parent), field=_FIELD)
        elif not progress.on_terminal:
            rows = self._rows(pathlib.Path())
            progress.line(csv_text(HEADER, rows).rstrip("\n"))
            return
        for line in self.lines(options.output):
            progress.line(line)

    def lines(self, output: str = "") -> Iterator[str]:
        """Yields at most twenty lines about them; `output` is the file that has them all."""
        yield "uncertainty  guess and image"
        for one in self.suggestions[:_SHOWN]:
            yield (
                f"{one.uncertainty:>11.4f}  {one.guess} {one.confidence:.4f}  {readable(one.path)}"
            )
        if (more := len(self) - _SHOWN) > 0:
            yield f"and {more} more" + ("" if output else "; --output=FILE.csv writes all")
        for path, problem in self.problems[:_PROBLEMS_SHOWN]:
            yield f"          -  {readable(path)}: {problem}"
        reasons = (
            (self.num_labeled, "that the run has labels for"),
            (self.num_duplicates, "that look like them"),
        )
        left_out = " and ".join(f"{count} {reason}" for count, reason in reasons if count)
        yield (
            f"{len(self)} of {count_of(self.num_files, 'image')} to label next"
            f"{left_out and f'; {left_out} left out'}."
        )
        if output and self.suggestions:
            yield (
                f"Fill in the column label of {output}, and train with --dataset=csv:{output} "
                "or add its rows to your table."
            )

    def check(self) -> None:
        """Reports files that could not be used.

        Raises:
            KerastlError: If there are some.
        """
        if self.problems:
            path, problem = self.problems[0]
            raise KerastlError(
                f"paths: {len(self.problems)} of {count_of(self.num_files, 'file')} could not be "
                f"used, the first as {readable(path)} {problem}. The others were looked at."
            )

    def _rows(self, folder: pathlib.Path) -> Iterator[tuple[object, ...]]:
        for rank, one in enumerate(self.suggestions, start=1):
            path = one.path if one.path.is_absolute() else os.path.relpath(one.path, folder)
            numbers = f"{one.confidence:.4f}", f"{one.uncertainty:.4f}"
            yield (readable(path), "", one.guess, *numbers, rank)
