"""Checkpoints of further trainings in a run directory, such as those with other seeds.

Each has a folder below the checkpoints of the run itself.
"""

import pathlib
import shutil

from kerastl.checked_files import Versions
from kerastl.disk_errors import explained
from kerastl.outputs.directories import RunFile
from kerastl.progress import Progress
from kerastl.training.checkpoint import Checkpoint, read_checkpoint
from kerastl.training.course import Recorder


class FurtherRecorder(Recorder):
    """Keeps what a further training goes on from, and nothing else of it."""

    keeps_checkpoints = True

    def __init__(self, run_dir: pathlib.Path, name: str, progress: Progress) -> None:
        """Reads what was kept; `progress` gets a line about each checkpoint that is damaged."""
        self._path = run_dir / RunFile.CHECKPOINTS / name
        self._versions = Versions(self._path)
        self._found = read_checkpoint(self._versions, progress)

    def find_checkpoint(self) -> Checkpoint | None:
        """Returns what was kept last; None if the training has not begun."""
        return self._found

    def save_checkpoint(self, checkpoint: Checkpoint, *, num_epochs: int) -> None:
        """Keeps what the training goes on from."""
        self._versions.write(checkpoint.to_bytes())

    def finish(self) -> None:
        """Removes what was kept."""
        _remove(self._path)


def remove_further(run_dir: pathlib.Path) -> None:
    """Removes what was kept of all further trainings.

    Raises:
        KerastlError: If it cannot be removed.
    """
    for path in (run_dir / RunFile.CHECKPOINTS).glob("*"):
        _remove(path)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        with explained(path, field="run_dir"):
            shutil.rmtree(path)
