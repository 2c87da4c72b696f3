"""Makes the page of a run from `page.html`, and writes it beside what it is made from."""

import dataclasses
import pathlib
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jinja2

from kerastl.data.source import Source
from kerastl.errors import KerastlError, first_line
from kerastl.outputs.directories import RunFile
from kerastl.progress import Progress, count_of, format_bytes, format_duration, listed
from kerastl.report import facts, figures
from kerastl.report.classes import Confusion
from kerastl.report.contents import Contents, read_contents
from kerastl.report.heat import Heat
from kerastl.report.next_steps import list_steps
from kerastl.report.thumbnails import Read, Thumbnails, read_from_disk, read_from_source
from kerastl.settings.training import score_of, why_kept
from kerastl.split_names import TRAIN, VALIDATION
from kerastl.training.calibration import CALIBRATION
from kerastl.training.coverage import COVERAGE
from kerastl.version import VERSION
from kerastl.writing import replace_text

# What reading, drawing and filling in may raise over files that are not as a run writes them.
_BROKEN = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    jinja2.TemplateError,
)
_TEMPLATE = "page.html"


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a page shows.

    Attributes:
        contents: The files of the run.
        made: Each part by name; None or empty stands for one that the run lacks.
        problems: What could not be read or made, in words.
    """

    contents: Contents
    made: Mapping[str, Any]
    problems: tuple[str, ...]

    @property
    def path(self) -> pathlib.Path:
        """Where the page is."""
        return self.contents.path / RunFile.REPORT


def write_page(path: pathlib.Path, source: Source | None, progress: Progress) -> Parts:
    """Writes `report.html` of a run, finished or not, into its directory; returns what it shows.

    `source` is needed for pictures of images from Python. See `kerastl.report`.

    Raises:
        UsageError: If it is the directory of no run.
        KerastlError: If the page cannot be written.
    """
    contents = read_contents(path)
    read: Read | None = read_from_source(source) if source is not None else None
    if read is None and contents.config:
        try:
            read = read_from_disk(contents.config)
        except KerastlError as error:
            problem = f"There are no pictures on this page. {error}"
            contents = dataclasses.replace(contents, problems=(*contents.problems, problem))
            progress.line(problem)
    try:
        parts = make_parts(contents, read)
        text = make_page(parts)
    except _BROKEN as error:
        raise KerastlError(
            f"run={str(path)!r}: no page can be made of it ({first_line(error)}). Restore its "
            "files, or run again."
        ) from error
    replace_text(parts.path, text, field="run")
    progress.line(f"Report: {parts.path}")
    return parts


def make_parts(contents: Contents, read: Read | None) -> Parts:
    """Makes what the page shows; `read` reads the images, as far as they are there."""
    problems = list(contents.problems)
    made: dict[str, Any] = {}
    # In the order in which pictures are worth the page's room.
    for name, make in _makers(contents, Thumbnails(read)).items():
        try:
            made[name] = make()
        except _BROKEN as error:
            problems.append(f"The part about {name} is left out: {first_line(error)}.")
            made[name] = None
    return Parts(contents, made, tuple(problems))


def make_page(parts: Parts) -> str:
    """Returns the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda share: f"{100 * share:.1f}%",
        decimals=lambda value: f"{value:.4f}",
        duration=format_duration,
        size=format_bytes,
        counted=count_of,
        listed=listed,
    )
    return environment.get_template(_TEMPLATE).render(
        run=parts.contents, problems=parts.problems, version=VERSION, **parts.made
    )


def _makers(contents: Contents, thumbnails: Thumbnails) -> Mapping[str, Callable[[], Any]]:
    """Returns how each part is made; None or empty stands for one that the run lacks."""
    predictions = contents.predictions
    confusion = Confusion(predictions) if predictions else None
    calibration = predictions.calibration() if predictions else None
    coverage = predictions.coverage() if predictions else None
    rule = contents.config.resize if contents.config else ""
    heat = Heat(contents.heat_maps, rule, thumbnails)
    trained = {name: row.get(TRAIN, 0) for name, row in contents.counts.items()}
    made: dict[str, Callable[[], Any]] = {
        "title": lambda: contents.path.resolve().name,
        "commands": lambda: _commands(contents),
        "steps": lambda: list_steps(contents),
        "mistakes": lambda: (
            confusion and confusion.mistakes(thumbnails, heat, facts.hash_mistakes(contents))
        ),
        "held_out": lambda: confusion and facts.list_held_out(contents, thumbnails),
        "num_held_out": lambda: sum(row["split"] == VALIDATION for row in contents.mistakes),
        "recognized": lambda: confusion and confusion.recognized(thumbnails, heat),
        "below": lambda: facts.list_below(contents.slices, thumbnails),
        "findings": lambda: facts.group_findings(contents, thumbnails),
        "suspects": lambda: facts.list_suspects(contents, thumbnails),
        "cells": lambda: confusion and confusion.cells(thumbnails),
        "classes": lambda: confusion and confusion.classes(trained),
        "matrix": lambda: confusion and confusion.matrix(),
        "pairs": lambda: confusion and confusion.pairs(),
        "num_mistakes": lambda: confusion and confusion.num_mistakes,
        "calibration": lambda: calibration and _name(CALIBRATION, calibration.rows),
        "coverage": lambda: coverage and _name(COVERAGE, coverage),
        "selective": lambda: coverage and figures.draw_coverage(coverage),
        "reliability": lambda: calibration and figures.draw_reliability(calibration),
        "curves": lambda: contents.history and _curves(contents),
        "kept": lambda: _kept_words(contents),
        "fixing": lambda: facts.prepare_fixing(contents),
        "splits": lambda: contents.counts and facts.sum_splits(contents.counts),
        "stages": lambda: facts.list_stages(contents.receipt),
        "chosen": lambda: facts.list_chosen(contents),
        "receipt": lambda: facts.receipt_text(contents),
    }
    return made


def _name(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _commands(contents: Contents) -> list[tuple[str, str]]:
    """Returns what each command does, and the command."""
    # One that is not finished cannot be repeated yet; what to do next is to go on with it.
    config = contents.config if contents.metrics else None
    if config is None or config.source_kind.is_passed_in:
        return []
    run = shlex.quote(str(contents.path))
    return [("Run it again and compare every file", f"kerastl reproduce {run}")]


def _kept_words(contents: Contents) -> str:
    best, history = contents.metrics.get("best"), contents.history
    if not best or not history or not contents.config:
        return ""
    reason = why_kept(
        best["phase"],
        int(best["epoch"]),
        last_phase=history[-1]["phase"],
        best_by=contents.config.best_by,
    )
    return f"The model is that of {best['phase']} epoch {best['epoch']}, {reason}."


def _curves(contents: Contents) -> list[tuple[str, str]]:
    score = score_of(contents.config.best_by) if contents.config else "accuracy"
    best = contents.metrics.get("best")
    chosen = [
        place
        for place, row in enumerate(contents.history)
        if best and (row["phase"], row["epoch"]) == (best["phase"], str(best["epoch"]))
    ]
    column = "accuracy" if score == "loss" else score
    return figures.draw_curves(contents.history, column, chosen[-1] if chosen else None)
