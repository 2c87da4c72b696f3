"""`kerastl.report`."""

import os
import pathlib
import sys

from kerastl.api import values
from kerastl.paths import local_path
from kerastl.progress import Progress


def report(
    run: str | os.PathLike[str],
    *,
    source: "values.Source | None" = None,
    progress: Progress | None = None,
) -> pathlib.Path:
    """Writes `report.html` of a run, finished or not, into its directory.

    The page needs neither network nor other files. What the run lacks, the page leaves out.

    Args:
        run: Directory of the run.
        source: Images from Python, if those of the run were: for their pictures.
        progress: Where to report; standard output by default, `Progress()` for silence.

    Returns:
        The path of the page.

    Raises:
        UsageError: If it is the directory of no run.
        KerastlError: If the page cannot be written.

    Example:
        >>> import kerastl
        >>> str(kerastl.report("runs/digits", progress=kerastl.Progress()))
        'runs/digits/report.html'
    """
    from kerastl.report.page import write_page  # noqa: PLC0415

    parts = write_page(
        local_path(run, field="run"), source, Progress.of(progress, default=sys.stdout)
    )
    return parts.path
