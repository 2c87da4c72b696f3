"""What benchmarks leave behind: their outcomes, a JSON line each, and their parts of the docs.

A part of a page stands between two comments. A benchmark that is given `--markdown=PAGE` writes it
anew, and nobody else does.
"""

import contextlib
import datetime
import json
import pathlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

_OUTCOMES = pathlib.Path(__file__).parent / "outcomes"
_END = "<!-- end -->"


class Outcomes:
    """The file of a benchmark's outcomes, which says on which machine and day each was measured.

    A benchmark that takes hours is measured part by part: what is in the file is not measured
    again.

    Attributes:
        rows: Those that are known, in their order.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.rows: list[dict[str, Any]] = []
        self._path = path
        with contextlib.suppress(FileNotFoundError):
            self.rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def has(self, place: Mapping[str, Any]) -> bool:
        """Returns whether the outcome at a place is known."""
        return any(place.items() <= row.items() for row in self.rows)

    def add(self, row: Mapping[str, Any], machine: str) -> None:
        """Adds an outcome that was measured now."""
        known = {**row, "machine": machine, "date": str(today())}
        self.rows.append(known)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(known) + "\n")
        sys.stderr.write(f"{known}\n")

    def machines(self) -> Iterable[str]:
        """Yields a line for each machine, with the days on which it measured."""
        for machine in dict.fromkeys(row["machine"] for row in self.rows):
            days = sorted({row["date"] for row in self.rows if row["machine"] == machine})
            yield f"{machine}; {days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}."


def default_outcomes(benchmark: str) -> pathlib.Path:
    """Returns where the outcomes of a benchmark are kept, by the name of its module."""
    return _OUTCOMES / f"{pathlib.Path(benchmark).stem}.jsonl"


def today() -> datetime.date:
    """Returns the date, in UTC."""
    return datetime.datetime.now(datetime.UTC).date()


def write_part(page: pathlib.Path | None, benchmark: str, lines: Iterable[str]) -> None:
    """Prints lines, and writes them into a page if there is one.

    Args:
        page: Where a comment that names the benchmark begins the part.
        benchmark: Its module's `__file__`.
        lines: Those of the part.
    """
    text = "\n".join(lines)
    print(text)
    if page:
        start = f"<!-- written by benchmarks/{pathlib.Path(benchmark).name} -->"
        before, _, rest = page.read_text("utf-8").partition(start)
        _, end, after = rest.partition(_END)
        if not end:
            raise SystemExit(f"{page}: has no part between {start} and {_END}")
        page.write_text(f"{before}{start}\n{text}\n{_END}{after}", "utf-8")
