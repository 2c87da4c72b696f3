"""What a checkup has found."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from kerastl.errors import KerastlError, first_line
from kerastl.short_form import ShortForm

_MARKS = {None: "", True: "ok: ", False: "FAILS: "}


@dataclasses.dataclass(frozen=True)
class Finding:
    """A line of a checkup.

    Attributes:
        name: What it is about.
        text: What was found; the cause where something is wrong, and what to do.
        is_well: Whether it is as it should be; None where nothing was tried.
        is_promise: Whether it is one of the promises, which the exit code is about.
    """

    name: str
    text: str
    is_well: bool | None = None
    is_promise: bool = False

    def __str__(self) -> str:
        """Formats it as one line."""
        return f"{self.name}: {_MARKS[self.is_well]}{self.text}"


@dataclasses.dataclass(frozen=True)
class Diagnosis(ShortForm):
    """The result of a checkup.

    Attributes:
        findings: Everything that was found, in order.
    """

    findings: tuple[Finding, ...]

    def lines(self) -> Iterator[str]:
        """Yields the lines that `kerastl doctor` prints."""
        yield from map(str, self.findings)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The promises that are not kept, or could not be tried."""
        return tuple(each for each in self.findings if each.is_promise and not each.is_well)

    def check(self) -> None:
        """Stops where a promise is not kept.

        Raises:
            KerastlError: If one is not.
        """
        if self.broken:
            names = ", ".join(each.name for each in self.broken)
            raise KerastlError(f"doctor: not kept: {names}. The cause is in the line of each.")


def look(name: str, find_out: Callable[[], str]) -> Finding:
    """Calls a function that returns what is so, or raises the cause if it is wrong."""
    try:
        return Finding(name, find_out(), is_well=True)
    except KerastlError as error:
        return Finding(name, str(error), is_well=False)
    except Exception as error:  # Whatever is wrong here is what a person wants to know.
        cause = f"{type(error).__name__}: {first_line(error)}"
        return Finding(name, f"{cause}. Install kerastl again, or report this.", is_well=False)


def promise(name: str, find_out: Callable[[], str]) -> Finding:
    """Tries a promise as `look` does."""
    return dataclasses.replace(look(name, find_out), is_promise=True)


def reported(findings: Iterable[Finding], report: Callable[[str], None]) -> Iterator[Finding]:
    """Yields findings as they come, each reported first."""
    for finding in findings:
        report(str(finding))
        yield finding
