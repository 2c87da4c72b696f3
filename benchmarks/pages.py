"""What benchmarks leave behind: their outcomes, a JSON line each, and their parts of the docs.

Each takes `--markdown=PAGE`, and then writes what it prints into the part of a page that a comment
with its command begins.
"""

import argparse
import contextlib
import datetime
import io
import json
import pathlib
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
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
        known = {**row, "machine": machine, "date": _today()}
        self.rows.append(known)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(known) + "\n")
        sys.stderr.write(f"{known}\n")

    def machines(self) -> Iterable[str]:
        """Yields a line for each machine, with the days on which it measured."""
        for machine in dict.fromkeys(row["machine"] for row in self.rows):
            days = sorted({row["date"] for row in self.rows if row["machine"] == machine})
            yield f"{machine}; measured {' to '.join(dict.fromkeys((days[0], days[-1])))}."


def default_outcomes(benchmark: str) -> pathlib.Path:
    """Returns where a benchmark keeps its outcomes, by its `__file__`."""
    return _OUTCOMES / f"{pathlib.Path(benchmark).stem}.jsonl"


def publish(main: Callable[[], None], benchmark: str) -> None:
    """Runs a benchmark, and writes what it prints into a page if the command names one.

    Args:
        main: Parses the rest of the command, measures and prints.
        benchmark: Its `__file__`.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--markdown", type=pathlib.Path)
    given, sys.argv[1:] = parser.parse_known_args()
    command = shlex.join(["python", f"benchmarks/{pathlib.Path(benchmark).name}", *sys.argv[1:]])
    before, after = _around(given.markdown, command) if given.markdown else ("", "")
    printed = _Copied()
    with contextlib.redirect_stdout(printed):
        main()
        if printed.getvalue():
            print(f"\n`{command}`, {_today()}.")
    if given.markdown:
        given.markdown.write_text(f"{before}\n{printed.getvalue()}{after}", "utf-8")


class _Copied(io.StringIO):
    """Keeps what is printed, and shows it."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def _around(page: pathlib.Path, command: str) -> tuple[str, str]:
    """Returns what stands in a page before and after the part of a command, with its marks."""
    start = f"<!-- {command} -->"
    before, _, rest = page.read_text("utf-8").partition(start)
    _, end, after = rest.partition(_END)
    if not end:
        raise SystemExit(f"{page}: has no part from {start} to {_END}")
    return before + start, end + after


def _today() -> str:
    return str(datetime.datetime.now(datetime.UTC).date())
