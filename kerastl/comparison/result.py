"""The result of a comparison, and its lines."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from kerastl.comparison.paired import FEWEST, LOSS, ONE_IN, Difference
from kerastl.comparison.shared import Shared
from kerastl.errors import printable, shorten
from kerastl.short_form import ShortForm

# Classes and images that are shown; the result has all.
_MOST_CLASSES, _MOST_EXAMPLES, _MOST_PLACES = 10, 5, 4
_LOST, _WON = "right, now wrong", "wrong, now right"
# Stands for the interval of so few images that it means nothing.
_TOO_FEW = "too few images"


@dataclasses.dataclass(frozen=True)
class Changed:
    """A test image that only one of two models has right.

    Attributes:
        example: Its name.
        class_name: Its true class.
        first: The first model's class.
        other: The other model's class.
    """

    example: str
    class_name: str
    first: str
    other: str

    def __str__(self) -> str:
        """Names it, its class and the wrong class for the terminal."""
        is_lost = self.first == self.class_name
        wrong = f"now {shorten(self.other)}" if is_lost else f"was {shorten(self.first)}"
        return f"{printable(self.example)} ({shorten(self.class_name)}, {wrong})"


@dataclasses.dataclass(frozen=True)
class Versus:
    """A run compared with the first one.

    Attributes:
        run: Its directory.
        shared: The test images that are compared.
        flags: Settings that may change predictions and have other values, by name: the value in
            the first run, and in this one.
        environment: What else differs between the receipts, see `compare_environments`.
        scores: accuracy, balanced_accuracy, macro_f1 and loss.
        recalls: The recall of each class in the test images.
        lost: Images that only the first run has right.
        won: Images that only this one has right.
        num_changed: Images that have another predicted class than in the first run, right or wrong.
        p_value: Of McNemar's exact test, by which equally good models would have `lost` and `won`
            so unlike each other.
    """

    run: pathlib.Path
    shared: Shared
    flags: Mapping[str, tuple[str, str]]
    environment: Mapping[str, tuple[str, str]]
    scores: tuple[Difference, ...]
    recalls: tuple[Difference, ...]
    lost: tuple[Changed, ...]
    won: tuple[Changed, ...]
    num_changed: int
    p_value: float

    def lines(self) -> Iterator[str]:
        """Yields what differs."""
        yield from self.shared.lines()
        changed = [
            f"--{name}={now}, was {was or 'empty'}" for name, (was, now) in self.flags.items()
        ]
        yield f"flags: {'; '.join(changed)}" if changed else "flags: the same"
        if self.environment:
            changed = [
                f"{place} {now}, was {was}" for place, (was, now) in self.environment.items()
            ]
            more = f"; and {len(changed) - _MOST_PLACES} more" if changed[_MOST_PLACES:] else ""
            yield f"environment: {'; '.join(changed[:_MOST_PLACES])}{more}"
        yield from _table(self.scores)
        yield self._verdict()
        yield from self._class_lines()
        for images, words in ((self.lost, _LOST), (self.won, _WON)):
            if images:
                some = ", ".join(map(str, images[:_MOST_EXAMPLES]))
                more = (
                    f" and {len(images) - _MOST_EXAMPLES} more" if images[_MOST_EXAMPLES:] else ""
                )
                yield f"{words}: {some}{more}"

    def _verdict(self) -> str:
        if not self.num_changed:
            return "Both models predict the same class for every image."
        clear = "" if self.p_value < 1 / ONE_IN else " no"
        few = len(self.won) + len(self.lost) < FEWEST
        return (
            f"Right in only one: {len(self.won)} in this, {len(self.lost)} in the first; "
            f"p = {self.p_value:.2g} (McNemar's exact test),{clear} clear difference"
            f"{f', which takes {FEWEST} such images or more' if few else ''}."
        )

    def _class_lines(self) -> Iterator[str]:
        changed = [each for each in self.recalls if each.difference]
        changed.sort(key=lambda each: -abs(each.difference))
        if changed:
            yield "recall of the classes with the largest differences:"
            yield from _table(changed[:_MOST_CLASSES])
        if more := changed[_MOST_CLASSES:]:
            yield f"and {len(more)} more that differ less"


@dataclasses.dataclass(frozen=True)
class Comparison(ShortForm):
    """Runs compared on the test images that they share.

    Attributes:
        first: Directory of the run that the others are compared with.
        num_images: Its test images; `Versus.shared` has how many of them are compared.
        others: The other runs, in the order given.
    """

    first: pathlib.Path
    num_images: int
    others: tuple[Versus, ...]

    def table(self) -> Iterator[tuple[str, ...]]:
        """Yields a header, and a row for each image that only one run has right."""
        yield ("run", "change", *(field.name for field in dataclasses.fields(Changed)))
        for one in self.others:
            for words, images in ((_LOST, one.lost), (_WON, one.won)):
                for image in images:
                    yield str(one.run), words, *dataclasses.astuple(image)

    def lines(self) -> Iterator[str]:
        """Yields the lines that `kerastl compare` prints."""
        for one in self.others:
            yield f"{one.run} compared with {self.first}, {one.shared.words()}:"
            for line in one.lines():
                yield f"  {line}"
        if len(self.others) > 1:
            yield (
                f"Of {len(self.others)} comparisons one in {ONE_IN} shows a difference by chance: "
                f"trust p below {1 / ONE_IN / len(self.others):.2g} (Bonferroni)."
            )


def _table(rows: Sequence[Difference]) -> Iterator[str]:
    cells = [("", "images", "first", "this", "difference", "95% interval", "")]
    for row in rows:
        gains = (row.difference > 0) != (row.name == LOSS)
        cells.append(
            (
                shorten(row.name),
                str(row.num_images),
                f"{row.first:.4f}",
                f"{row.other:.4f}",
                f"{row.difference:+.4f}",
                f"{row.low:+.4f} to {row.high:+.4f}" if row.num_images >= FEWEST else _TOO_FEW,
                ("better" if gains else "worse") if row.is_clear else "",
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for name, *numbers, word in cells:
        columns = map(str.rjust, numbers, widths[1:])
        yield "  ".join((f"  {name.ljust(widths[0])}", *columns, word)).rstrip()
