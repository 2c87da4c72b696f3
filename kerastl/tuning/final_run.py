"""What follows the last trial: the best settings are trained, tested, and compared."""

import contextlib
import json
import pathlib
from typing import Any

from kerastl import environment
from kerastl.config import Config
from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.outputs.directories import RunFile, open_run_directory
from kerastl.progress import Progress
from kerastl.run import Result, finish_run
from kerastl.tuning.comparison import comparison_words, measure_comparison
from kerastl.tuning.directory import DIRECTORY
from kerastl.writing import replace_text

_FINAL = "final.json"


def run_best(
    final: Config,
    given: Config | None,
    splits: Splits,
    *,
    source: Source | None,
    progress: Progress,
) -> tuple[Result | None, dict[str, Any] | None]:
    """Trains and tests the best settings, and compares them with the flags as given.

    A final run that is there already, of the same settings, is not repeated.

    Args:
        final: The best settings; the run goes to their run_dir.
        given: The flags as given; None if they failed, so that there is nothing to compare with.
        splits: The images, test included.
        source: Images from Python, if `final.dataset` is "python".
        progress: Reports both trainings.

    Returns:
        The run, None if it was there already; and the comparison, see `measure_comparison`.

    Raises:
        KerastlError: If the run fails, or a file cannot be written.
    """
    run_dir = pathlib.Path(final.run_dir)
    path = run_dir / DIRECTORY / _FINAL
    # If a file is damaged or missing, the final run is repeated.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(path.read_text(encoding="utf-8"))
        words = comparison_words(known)
        flags = (run_dir / RunFile.FLAGS).read_text(encoding="utf-8").splitlines()
        if flags == final.to_flags() and (run_dir / RunFile.METRICS).exists():
            progress.line(f"The final run is in {run_dir} already.")
            progress.line(words)
            return None, known
    progress.line("Final run of the best settings, the first to use the test images.")
    path.unlink(missing_ok=True)
    # Anew, so that the random numbers are those of a run of its own.
    with (
        environment.ready(final.precision, final.seed, progress),
        open_run_directory(run_dir, overwrite=True),
    ):
        result = finish_run(final, source, progress)
    comparison = None
    if given is not None:
        comparison = measure_comparison(final, given, splits, run_dir, progress=progress)
    replace_text(path, json.dumps(comparison, indent=2) + "\n", field="run_dir")
    progress.line(comparison_words(comparison))
    return result, comparison
