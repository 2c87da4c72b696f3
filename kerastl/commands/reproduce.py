"""`kerastl reproduce`: a finished run once more, compared file by file."""

import dataclasses

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress
from kerastl.settings import SETTINGS, SettingGroup, describe, repeated


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReproduceFlags(SettingGroup):
    """The command's own flags."""

    run_dir: str = repeated(
        SETTINGS["run_dir"],
        default="",
        help="New directory for the run; empty for RUN with -again behind it.",
    )
    overwrite: bool = repeated(SETTINGS["overwrite"])


def _reproduce(given: Given, output: Progress) -> None:
    run = given.only_argument("run", "kerastl reproduce runs/first")
    flags = ReproduceFlags(**given.values)
    found = kerastl.reproduce(
        run, run_dir=flags.run_dir, overwrite=flags.overwrite, progress=output
    )
    for line in found.lines():
        output.line(line)
    found.check()


COMMAND = Command(
    name="reproduce",
    about="Runs the finished run in the directory RUN once more, from its own flags and splits, in "
    "a new directory, and compares every file. It prints for each file that it is identical, or "
    "the first difference, and then what differs in versions, code, data and machine. The exit "
    "code is 1 if a file differs.\n\n"
    "It uses no stored features, writes no export, and does not compare times.",
    call=_reproduce,
    flags=describe(ReproduceFlags),
    arguments="RUN",
)
