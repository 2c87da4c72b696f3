"""The table of commands."""

import importlib
import re
import sys
import textwrap
from collections.abc import Sequence

from kerastl.commands.command import Command
from kerastl.commands.guard import guard
from kerastl.errors import unknown_name
from kerastl.progress import Progress
from kerastl.version import VERSION

_HELP_FORMS, _VERSION_FORMS = ("--help", "-help", "-h", "help"), ("--version", "-V", "version")
_WIDTH, _INDENT = 88, 18
# Each is a module of this package with its row, `COMMAND`; it is imported only for its command.
NAMES = (
    *("train", "rank", "learning_curve", "tune", "predict", "suggest", "export", "serve"),
    *("report", "compare", "reproduce", "backbones", "cache", "doctor"),
)


def find_command(name: str) -> Command:
    """Returns the row of the command that a name in `NAMES` stands for."""
    command: Command = importlib.import_module(f"kerastl.commands.{name}").COMMAND
    return command


def run_command(name: str, arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0 done, 1 failed, 2 usage.

    Args:
        name: One of `NAMES`.
        arguments: Its arguments, by default those of this process.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: find_command(name).run(given, output))


def main() -> int:
    """Runs the command that the first argument names; returns its exit code."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in NAMES:
        return run_command(name, arguments)
    return guard(lambda output: _explain(name, output))


def _explain(name: str, output: Progress) -> None:
    if name in _VERSION_FORMS:
        output.line(f"kerastl {VERSION}")
        return
    if name not in _HELP_FORMS:
        raise unknown_name("command", name, NAMES, what="a command")
    output.line(f"usage: kerastl {'|'.join(NAMES)} [--flag=value ...]")
    output.line("")
    for known in NAMES:
        first_sentence = re.split(r"(?<=\.)\s", find_command(known).about, maxsplit=1)[0]
        wrapped = textwrap.wrap(first_sentence, _WIDTH - _INDENT, break_on_hyphens=False)
        output.line(f"  {known:<{_INDENT - 2}}{wrapped[0]}")
        for line in wrapped[1:]:
            output.line(" " * _INDENT + line)
    output.line("")
    output.line("kerastl COMMAND --help lists a command's flags, kerastl --version its version.")
