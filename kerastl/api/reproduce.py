"""`kerastl.reproduce`."""

import functools
import os
import sys

from kerastl.api import values
from kerastl.api.run import run as run_config
from kerastl.outputs.directories import require_finished
from kerastl.paths import local_path
from kerastl.progress import Progress


def reproduce(
    run: str | os.PathLike[str],
    *,
    run_dir: str | os.PathLike[str] = "",
    overwrite: bool = False,
    source: "values.Source | None" = None,
    progress: Progress | None = None,
) -> "values.Reproduction":
    """Runs a finished run again from its own flags and splits, and compares the results.

    Nothing that is stored is used: every image is inspected and computed again. No export is
    written. Where `run_dir` holds the repeated run, it is only compared.

    Args:
        run: Directory of the run.
        run_dir: New directory; by default that of the run with "-again" behind it.
        overwrite: Replace a finished run in `run_dir`.
        source: Images from Python, if those of the run were.
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If there is no such run, or the new directory is not free.
        KerastlError: If the run fails, or a file of it is missing.

    Example:
        >>> import kerastl
        >>> again = kerastl.reproduce("runs/digits", progress=kerastl.Progress())
        >>> str(again.run_dir), again.different
        ('runs/digits-again', ())
    """
    path = local_path(run, field="run")
    require_finished(path)
    again = local_path(run_dir or f"{os.path.normpath(path)}-again", field="run_dir")
    from kerastl.comparison.reproduction import run_again  # noqa: PLC0415

    progress = Progress.of(progress, default=sys.stdout)
    repeat = functools.partial(run_config, source=source, progress=progress)
    return run_again(path, again, repeat, overwrite=overwrite, progress=progress)
