"""The main command: `python -m kerastl.main --flagfile configs/cifar10.flags`.

It parses flags, calls `kerastl.run`, and prints; everything else can be imported and tested.
"""

import os
import sys
from collections.abc import Callable, Sequence

from kerastl.errors import KerastlError, UsageError
from kerastl.flags import config_from_flags, help_text
from kerastl.progress import Progress
from kerastl.run import run

_FAILED = 1
_USAGE = 2
_HELP = frozenset({"--help", "-help", "-h", "--h"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains as the flags say; returns the exit code: 0 done, 1 failed, 2 usage."""
    return guard(lambda: _train(sys.argv[1:] if arguments is None else arguments))


def guard(command: Callable[[], None]) -> int:
    """Runs a command; what a user can mend becomes one line on stderr and an exit code."""
    errors = Progress(sys.stderr)
    try:
        command()
    except UsageError as error:
        errors.line(f"error: {error}")
        return _USAGE
    except KerastlError as error:
        errors.line(f"error: {error}")
        return _FAILED
    except KeyboardInterrupt:
        errors.line("error: stopped from the keyboard. The best finished epoch is in checkpoints/.")
        return _FAILED
    return 0


def _train(arguments: Sequence[str]) -> None:
    progress = Progress(sys.stdout)
    if _HELP.intersection(arguments):
        progress.line(help_text("python -m kerastl.main"))
        return
    test = run(config_from_flags(arguments), progress=progress).metrics["test"]
    progress.line(
        f"Test accuracy {test['accuracy']:.4f} "
        f"({test['accuracy_low']:.4f}-{test['accuracy_high']:.4f}) on {test['num_images']} images"
    )
    if progress.failure is not None:
        # Python would try once more at its end to write what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise KerastlError(
            f"stdout: could not be written ({progress.failure.strerror}). The run is finished; "
            "its results are in run_dir."
        )


if __name__ == "__main__":
    sys.exit(main())
