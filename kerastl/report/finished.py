"""What is shown of a run when it ends: its page, and the same images in TensorBoard."""

import contextlib
import pathlib
from collections.abc import Iterator

from kerastl.data.source import Source
from kerastl.errors import KerastlError, first_line
from kerastl.progress import Progress
from kerastl.report.page import write_page
from kerastl.report.tensorboard import write_tensorboard
from kerastl.training.checks import Check, CheckRecorder


def report_finished(run_dir: pathlib.Path, source: Source, progress: Progress) -> None:
    """Writes both; one that cannot be made must not fail the run."""
    try:
        parts = write_page(run_dir, source, progress)
        write_tensorboard(parts, num_epochs=len(parts.contents.history))
    except (KerastlError, OSError, MemoryError, RuntimeError) as error:
        progress.line(f"Report: not written ({first_line(error)}).")


@contextlib.contextmanager
def failure_reported(
    run_dir: pathlib.Path, record: CheckRecorder, source: Source, progress: Progress
) -> Iterator[None]:
    """Writes the page if the block fails after the test, with the failure among the checks."""
    try:
        yield
    except KerastlError as error:
        record.add_check(Check(first_line(error), passed=False))
        report_finished(run_dir, source, progress)
        raise
