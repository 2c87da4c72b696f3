"""The main command: `python -m kerastl.main --flagfile configs/cifar10.flags`.

It parses flags, calls `kerastl.run`, and prints; everything else can be imported and tested.
"""

import _thread
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from kerastl.errors import KerastlError, UsageError
from kerastl.flags import config_from_flags, help_text, wants_help
from kerastl.progress import Progress
from kerastl.run import Result, run

_FAILED = 1
_USAGE = 2
_SECONDS_UNTIL_REPEATED = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains as the flags say; returns the exit code: 0 done, 1 failed, 2 usage."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _train(given, output))


def guard(command: Callable[[Progress], None]) -> int:
    """Runs a command; what a user can mend becomes one line on stderr and an exit code.

    Args:
        command: Gets standard output as a `Progress`.
    """
    output, errors = Progress(sys.stdout), Progress(sys.stderr)
    if threading.current_thread() is threading.main_thread():
        # A job that is told to end cleans up as one that is stopped from the keyboard.
        signal.signal(signal.SIGTERM, _stop)
    hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(_stop_all_the_same, hook)
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


def _train(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line(help_text("python -m kerastl.main"))
        return
    tell_test(run(config_from_flags(arguments), progress=output), output)


def tell_test(result: Result, output: Progress) -> None:
    """Says what each phase reached, and how accurate the result is on the test images."""
    phases = result.metrics["highest_validation_accuracy"]
    if phases.keys() == {"head", "finetune"}:
        output.line(
            f"Transfer: highest validation accuracy {phases['head']:.4f} of a head on frozen "
            f"features, {phases['finetune']:.4f} of fine-tuning."
        )
    test = result.metrics["test"]
    output.line(
        f"Test accuracy {test['accuracy']:.4f} "
        f"({test['accuracy_low']:.4f}-{test['accuracy_high']:.4f}) on {test['num_images']} images"
    )


def _check_written(output: Progress) -> None:
    if output.failure is not None:
        # Python would try once more at its end to write what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise KerastlError(
            f"stdout: could not be written ({output.failure.strerror}). The command has finished "
            "its work all the same; only what it said is lost."
        )


def _stop_all_the_same(hook: Callable[[Any], object], unraisable: Any) -> None:
    """Repeats an interrupt that fell into a moment in which Python can raise nothing."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Not at once, or it would fall into the same moment.
        threading.Timer(_SECONDS_UNTIL_REPEATED, _thread.interrupt_main).start()
    else:
        hook(unraisable)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
