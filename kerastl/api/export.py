"""`kerastl.export`."""

import os
import pathlib
import sys
from typing import Any

from kerastl import environment
from kerastl.api import values
from kerastl.api.checks import export_directory
from kerastl.outputs.directories import finished_config
from kerastl.outputs.places import without_unusable_cache
from kerastl.paths import local_path
from kerastl.progress import Progress
from kerastl.writing import temporary_place


def export(
    run_dir: str | os.PathLike[str], *, progress: Progress | None = None, **changes: Any
) -> "values.Exported":
    """Writes the model of a finished run for serving, compared with the trained one.

    Args:
        run_dir: Directory of the run.
        progress: Where to report; standard output by default, `Progress()` for silence.
        **changes: `export_dir`, `format`, `parity_images` or `max_accuracy_drop` instead of the
            run's.

    Raises:
        UsageError: If the run is not finished, or a value is wrong.
        KerastlError: If a format cannot be written, or predicts something else than the model.

    Example:
        >>> import kerastl
        >>> exported = kerastl.export(
        ...     "runs/digits", export_dir="exports/digits", progress=kerastl.Progress()
        ... )
        >>> str(exported.path), list(exported.formats)
        ('exports/digits/1', ['savedmodel'])
    """
    progress = Progress.of(progress, default=sys.stdout)
    path = local_path(run_dir, field="run")
    config = without_unusable_cache(finished_config(path, changes), progress)
    with (
        export_directory(config, precision=config.precision),
        temporary_place(pathlib.Path(config.export_dir), field="export_dir"),
        environment.ready(config.precision, config.seed, progress),
    ):
        from kerastl.outputs.finished_run import export_run  # noqa: PLC0415

        return export_run(path, config, progress)
