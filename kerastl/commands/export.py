"""`kerastl export`: writes a finished run's model for serving."""

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress
from kerastl.settings import SETTINGS, Decides


def _export(given: Given, output: Progress) -> None:
    run = given.only_argument("run", "kerastl export runs/first")
    kerastl.export(run, progress=output, **given.values)


COMMAND = Command(
    name="export",
    about="Writes the model of the finished run in the directory RUN to EXPORT_DIR/<next "
    "integer>/. Each format is opened in a fresh process and compared with the trained model on "
    "the run's test images; a format that predicts something else is not kept.",
    call=_export,
    flags={name: entry for name, entry in SETTINGS.items() if entry.decides is Decides.OUTPUT},
    arguments="RUN",
    defaults="the run's",
)
