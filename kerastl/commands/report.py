"""`kerastl report`: the page of a run."""

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress


def _report(given: Given, output: Progress) -> None:
    run = given.only_argument("run", "kerastl report runs/first")
    kerastl.report(run, progress=output)


COMMAND = Command(
    name="report",
    about="Writes report.html into RUN, the directory of a run: one page with its scores, its "
    "mistakes, the findings of the audit, and the origin of the result. A run that finishes writes "
    "the page itself. This command writes it again, also for a run that was stopped.\n\n"
    "The page shows pictures of digits, of arrays in files, and of images in folders and tables "
    "that are still there. Call it in the directory in which the run was started.",
    call=_report,
    arguments="RUN",
)
