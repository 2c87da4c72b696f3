"""Exit codes, interrupts and errors of every command."""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from kerastl import native_messages
from kerastl.errors import KerastlError, UsageError
from kerastl.progress import Progress

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
    with native_messages.held_back():
        return _guarded(command)


def _guarded(command: Callable[[Progress], None]) -> int:
    output, errors = Progress(sys.stdout), Progress(sys.stderr)
    if threading.current_thread() is threading.main_thread():
        # SIGTERM cleans up like an interrupt from the keyboard.
        signal.signal(signal.SIGTERM, _stop)
    hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(_repeat_interrupt, hook)
    try:
        command(output)
        _check_written(output)
    except UsageError as error:
        errors.line(f"error: {error}")
        return _USAGE
    except KerastlError as error:
        errors.line(f"error: {error}")
        return _FAILED
    except KeyboardInterrupt as stop:
        errors.line(" ".join(["error: stopped.", *map(str, stop.args)]))
        return _FAILED
    finally:
        sys.unraisablehook = hook
    return 0


def _check_written(output: Progress) -> None:
    if output.failure is not None:
        # Python would try once more at exit to write what is buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
