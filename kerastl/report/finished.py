"""What is shown of a run when it ends: its page, and the same images in TensorBoard."""

import pathlib

from kerastl.data.source import Source
from kerastl.errors import KerastlError, first_line
from kerastl.progress import Progress
from kerastl.report.page import write_page
from kerastl.report.tensorboard import write_tensorboard


def report_finished(run_dir: pathlib.Path, source: Source, progress: Progress) -> None:
    """Writes both; one that cannot be made must not fail the run."""
    try:
        parts = write_page(run_dir, source, progress)
        write_tensorboard(parts, num_epochs=len(parts.contents.history))
    except (KerastlError, OSError, MemoryError, RuntimeError) as error:
        progress.line(f"Report: not written ({first_line(error)}).")
