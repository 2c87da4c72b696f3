"""Exit codes, interrupts and errors of every command."""

import atexit
import os
import sys
from collections.abc import Callable

from kerastl import environment, native_messages
from kerastl.commands.signals import Signals
from kerastl.decoder_words import ignore_signals
from kerastl.early_signals import STOPPED
from kerastl.environment import cannot_import
from kerastl.errors import KerastlError, UsageError, first_line
from kerastl.progress import Progress, format_bytes
from kerastl.resources import open_more_files, usable_cores, usable_memory

# Files that a command has open, beside those that it reads at the same time.
_FILES = 32
_FAILED = 1
_USAGE = 2


def guard(command: Callable[[Progress], None]) -> int:
    """Runs a command; an error that the user can fix becomes one line on stderr.

    Args:
        command: Receives standard output as a `Progress`.

    Returns:
        The exit code: 0 done, 1 failed, 2 usage, 130 stopped from the keyboard, 143 by SIGTERM.
    """
    environment.own_process()
    native_messages.open_streams()
    with native_messages.held_back():
        code = _guarded(command)
    # Now, so that it comes first at the end: libraries may take a second for theirs.
    atexit.register(ignore_signals)
    return code


def _guarded(command: Callable[[Progress], None]) -> int:
    output, errors = Progress(sys.stdout), Progress(sys.stderr)
    signals = Signals(errors)
    try:
        with signals.handled():
            _check_files()
            command(output)
            _check_written(output)
    except (KerastlError, KeyboardInterrupt, OSError, MemoryError, ImportError) as error:
        if signals.is_interrupted:
            error = _find_interrupt(error) or error
        if (explained := _explain(error)) is None:
            raise
        errors.line(f"error: {explained}")
        if isinstance(error, KeyboardInterrupt):
            return STOPPED + signals.number
        return _USAGE if isinstance(error, UsageError) else _FAILED
    finally:
        if output.failure is not None:
            # Python would try once more at exit to write what is buffered.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _find_interrupt(error: BaseException) -> KeyboardInterrupt | None:
    """Finds the interrupt that an error is, or that a library has made the error of."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, KeyboardInterrupt):
            return chain
        if KeyboardInterrupt.__name__ in f"{type(chain).__name__} {chain}":
            return KeyboardInterrupt()
        chain = chain.__cause__ or chain.__context__
    return None


def _check_files() -> None:
    """Refuses a limit of open files at which a command would stop in its middle."""
    needed, allowed = _FILES + usable_cores(), open_more_files()
    if allowed < needed:
        raise KerastlError(
            f"open files: this process may have {allowed} at a time and needs up to {needed}. "
            "Raise the limit, as with ulimit -n 1024."
        )


def _explain(error: BaseException) -> str | None:
    """Puts what a person or their machine has caused into one line; None for a fault of ours."""
    if isinstance(error, KerastlError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return " ".join(["stopped.", *map(str, error.args)])
    if isinstance(error, MemoryError):
        return (
            f"memory: this process may use {format_bytes(usable_memory())}, which is too little "
            f"({first_line(error)}). Lower --batch_size or --image_size, or give it more."
        )
    if isinstance(error, ImportError):
        module = error.name or getattr(error.__cause__, "name", None) or "kerastl"
        return None if module.startswith("kerastl") else str(cannot_import(module, error))
    path = getattr(error, "filename", None)
    if not isinstance(path, (str, bytes)):
        return None  # Not of a disk.
    return (
        f"{os.fsdecode(path)!r}: {getattr(error, 'strerror', error)}. Check that it and its drive "
        "can be used, and repeat the command."
    )


def _check_written(output: Progress) -> None:
    if output.failure is not None:
        raise KerastlError(
            f"stdout: could not be written ({output.failure.strerror}). The command finished its "
            "work; only its output on the terminal is lost."
        )
