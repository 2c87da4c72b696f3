"""Ends a command that gets a signal before it has started, with one line and its exit code.

While Python imports the package, an interrupt would show where.
"""

import os
import signal
import sys

from kerastl.decoder_words import ENDING

# Added to the number of a signal that stops a command, as a shell does.
STOPPED = 128


def is_command() -> bool:
    """Whether this process runs a command, in the package's first import."""
    program = sys.argv[0] if sys.argv else ""
    if program != "-m":
        return os.path.basename(program) == "kerastl"
    # While Python looks for the module of `python -m kerastl.main`. Those of packages in this one
    # are run by commands.
    modules = [word.removeprefix("-m").split(".") for word in sys.orig_argv]
    return any(first == "kerastl" and len(rest) <= 1 for first, *rest in modules)


def end_at_signals() -> None:
    """Makes signals end this process, until the command takes care of them."""
    for number in ENDING:
        if is_usual(number):
            signal.signal(number, _end)


def is_usual(number: int) -> bool:
    """Whether a signal still does what it does in every program, or `end_at_signals` has set."""
    return signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler, _end)


def _end(number: int, _: object) -> None:
    os.write(2, b"error: stopped.\n")
    # Nothing has been written yet.
    os._exit(STOPPED + number)
