"""Exit codes, interrupts and errors of every command."""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from kerastl import native_messages
from kerastl.errors import KerastlError, UsageError, first_line
from kerastl.progress import Progress, format_bytes
from kerastl.resources import usable_memory

_FAILED = 1
_USAGE = 2
_SECONDS_UNTIL_REPEATED = 0.1


def guard(command: Callable[[Progress], None]) -> int:
    """Runs a command; an error that the user can fix becomes one line on stderr.

    Args:
        command: Receives standard output as a `Progress`.

    Returns:
        The exit code: 0 done, 1 failed, 2 usage.
    """
    native_messages.open_streams()
    with native_messages.held_back():
        return _guarded(command)


def _guarded(command: Callable[[Progress], None]) -> int:
    output, errors = Progress(sys.stdout), Progress(sys.stderr)
    if threading.current_thread() is threading.main_thread():
        # They clean up like an interrupt from the keyboard; `nohup` has one of them ignored.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, _stop)
    hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(_repeat_interrupt, hook)
    try:
        command(output)
        _check_written(output)
    except (KerastlError, KeyboardInterrupt, OSError, MemoryError) as error:
        if (told := _explain(error)) is None:
            raise
        errors.line(f"error: {told}")
        return _USAGE if isinstance(error, UsageError) else _FAILED
    finally:
        sys.unraisablehook = hook
        if output.failure is not None:
            # Python would try once more at exit to write what is buffered.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


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
    path = getattr(error, "filename", None)
    if not isinstance(path, (str, bytes)):
        return None  # Not of a disk.
    return (
        f"{os.fsdecode(path)!r}: {getattr(error, 'strerror', error)}. Check that it and its drive "
        "can be used, and start again."
    )


def _check_written(output: Progress) -> None:
    if output.failure is not None:
        raise KerastlError(
            f"stdout: could not be written ({output.failure.strerror}). The command finished its "
            "work; only its output on the terminal is lost."
        )


def _repeat_interrupt(hook: Callable[[Any], object], unraisable: Any) -> None:
    """Repeats an interrupt that arrived where Python cannot raise an exception."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Delayed: raised at once, it would hit the same spot again.
        interrupt = functools.partial(signal.raise_signal, signal.SIGINT)
        threading.Timer(_SECONDS_UNTIL_REPEATED, interrupt).start()
    else:
        hook(unraisable)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt
