"""`kerastl compare`: what changed between finished runs, on the same test images."""

import dataclasses
import pathlib

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress, count_of
from kerastl.settings import SettingGroup, describe, setting
from kerastl.writing import replace_csv


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareFlags(SettingGroup):
    """The command's own flags."""

    changed: str = setting(
        "",
        help="CSV file to write, with each image that only one of two runs has right.",
        is_path=True,
    )


def _compare(given: Given, output: Progress) -> None:
    path = CompareFlags(**given.values).changed
    comparison = kerastl.compare(*given.arguments)
    for line in comparison.lines():
        output.line(line)
    if path:
        header, *rows = comparison.table()
        replace_csv(pathlib.Path(path), header, rows, field="changed")
        output.line(f"{count_of(len(rows), 'image')} in {path}.")


COMMAND = Command(
    name="compare",
    about="Compares finished runs with the first of them, on the test images that both have with "
    "the same class. Shows changed flags, scores with the interval of their difference, the recall "
    "of classes, and the images that only one has right. Runs that share no test image are "
    "refused.\n\n"
    "The intervals come from 2,000 bootstrap draws of the test images. They do not include how "
    "much another seed of training would change.",
    call=_compare,
    flags=describe(CompareFlags),
    arguments="RUN_A RUN_B...",
)
