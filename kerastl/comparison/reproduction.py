"""Runs a finished run again, and compares every file."""

import contextlib
import dataclasses
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence

from kerastl.comparison.files import Compared, compare_files
from kerastl.config import Config
from kerastl.errors import KerastlError, bad_value
from kerastl.outputs.directories import (
    RunFile,
    naming,
    own_fixes,
    read_config,
    read_findable,
    read_json,
    writable_directory,
)
from kerastl.outputs.environments import compare_environments
from kerastl.progress import Progress
from kerastl.short_form import ShortForm

# In the new directory, until the run is done: what its frozen part computes. Nobody else's.
_CACHE = ".reproduce"


@dataclasses.dataclass(frozen=True)
class Reproduction(ShortForm):
    """A run that was run again.

    Attributes:
        first: Directory of the run.
        run_dir: Where it was run again.
        files: Each file of the run, compared with that of the new one.
        environment: What differs between the receipts, see `compare_environments`.
    """

    first: pathlib.Path
    run_dir: pathlib.Path
    files: tuple[Compared, ...]
    environment: Mapping[str, tuple[str, str]]

    @property
    def different(self) -> tuple[Compared, ...]:
        """The files that differ."""
        return tuple(each for each in self.files if each.difference)

    def lines(self) -> Iterator[str]:
        """Yields the lines that `kerastl reproduce` prints."""
        yield f"{self.first}, run again in {self.run_dir}:"
        width = max(len(each.name) for each in self.files)
        for each in self.files:
            yield f"  {each.name.ljust(width)}  {each}"
        yield "  receipt.json, report.html and tensorboard/ are left out: they hold times."
        changes = [f"{place}: {now}, was {was}" for place, (was, now) in self.environment.items()]
        yield "Environment: the same." if not changes else "Environment:"
        for change in changes:
            yield f"  {change}"
        if not self.different:
            yield f"Reproduced: all {len(self.files)} files are identical."

    def check(self) -> None:
        """Stops where it was not reproduced.

        Raises:
            KerastlError: If a file differs.
        """
        if self.different:
            raise KerastlError(
                f"run={str(self.first)!r}: was not reproduced: {len(self.different)} of "
                f"{len(self.files)} files differ. Look at the environment, and at what is "
                f"not_deterministic in its {RunFile.RECEIPT}."
            )


def run_again(
    path: pathlib.Path,
    again: pathlib.Path,
    run: Callable[[Config], object],
    *,
    overwrite: bool,
    progress: Progress,
) -> Reproduction:
    """Runs a finished run again in another directory, and compares every file.

    Args:
        path: Directory of the run.
        again: The other directory.
        run: Runs a config; it is not called if the other directory has what it would make.
        overwrite: Replace a finished run there.
        progress: Gets a line if nothing is run.

    Raises:
        UsageError: If the other directory is not free.
        KerastlError: If the run fails, or a file of it is missing.
    """
    with naming(path, RunFile.RECEIPT):
        before = read_json(path, RunFile.RECEIPT)
    with _repeated(path, again, overwrite=overwrite) as config:
        # As it does where the comparison was cut off.
        if not overwrite and _is_done(again, config.to_flags()):
            progress.line(f"{again} holds it already; --overwrite runs it once more.")
        else:
            run(config)
    files = tuple(compare_files(path, again))
    after = read_json(again, RunFile.RECEIPT)
    return Reproduction(path, again, files, compare_environments(before, after))


def _is_done(again: pathlib.Path, flags: Sequence[str]) -> bool:
    """Whether a directory holds the finished run of these flags."""
    is_finished = (again / RunFile.METRICS).exists()
    return is_finished and read_config(again).to_flags() == flags


@contextlib.contextmanager
def _repeated(path: pathlib.Path, again: pathlib.Path, *, overwrite: bool) -> Iterator[Config]:
    """Yields the settings that repeat a run in another directory.

    Its features are computed anew, and stored there until it is done: one that is cut off goes on.
    """
    if again.exists() and again.samefile(path):
        raise bad_value("run_dir", str(again), "is the run itself", "Choose another directory")
    config = read_findable(path)
    config = config.changed(
        "kerastl reproduce",
        run_dir=str(again),
        export_dir="",
        splits_from=str(path / RunFile.SPLITS),
        fixes=own_fixes(path, config.fixes),
        overwrite=overwrite,
    )
    cache = again / _CACHE
    with writable_directory(again, field="run_dir"):
        # A run without a store has none here either.
        yield dataclasses.replace(config, stand_in=cache if config.cache_dir else None)
    shutil.rmtree(cache, ignore_errors=True)
