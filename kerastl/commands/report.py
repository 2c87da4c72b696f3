"""`kerastl report`: the page of a run."""

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress


def _report(given: Given, output: Progress) -> None:
    run = given.only_argument("run", "kerastl report runs/first")
    kerastl.report(run, progress=output)


COMMAND = Command(
    name="report",
    about="Writes report.html into the directory RUN of a run: one page with its scores, its "
    "mistakes, what the audit found, and what it came from. A run that finishes writes it; this "
    "writes it again, and that of a run that was stopped, with what there is.\n\n"
    "Pictures are shown of images in folders and tables that are still there, and of digits.",
    call=_report,
    arguments="RUN",
)
