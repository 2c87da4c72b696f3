"""How many models were scored on the same test split, over all runs that share a cache.

Who chooses between runs by their test accuracy chooses by chance too, the more the more there are.
Each scored model is a file of its own, so that runs need no lock and one that goes on counts once.
"""

import datetime
import hashlib
import pathlib
from typing import Any

from kerastl.config import Config
from kerastl.data.splits import Splits
from kerastl.disk_errors import explained
from kerastl.errors import KerastlError
from kerastl.split_names import TEST
from kerastl.writing import replace_text

_FOLDER = "test_readings"
_FIELD = "cache_dir"


class Readings:
    """The models of a run that were scored on a test split, and those of other runs."""

    def __init__(self, cache: pathlib.Path | None, fingerprint: str, run: str) -> None:
        """Takes the cache, None where nothing lasts; the test split's hash; and the run's ID."""
        self._folder = None if cache is None else cache / _FOLDER / fingerprint
        self._run = run
        self._added: set[str] = set()

    def add(self, model: str, about: str) -> None:
        """Notes a model before it is scored; the same one again changes nothing.

        Args:
            model: Names it within the run.
            about: For a person who opens the file.
        """
        name = f"{self._run}-{model}"
        self._added.add(name)
        if self._folder is not None:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            try:
                with explained(self._folder, field=_FIELD):
                    self._folder.mkdir(parents=True, exist_ok=True)
                replace_text(self._folder / name, f"{now} {about}\n", field=_FIELD)
            except KerastlError:
                # A cache is only a help: nothing is known of other runs then.
                self._folder = None

    def describe(self) -> dict[str, Any]:
        """Returns `by_this_run` and `in_all`, None where other runs are not known."""
        found = None
        if self._folder is not None and self._folder.is_dir():
            found = {path.name for path in self._folder.iterdir() if not path.name.startswith(".")}
        mine = {name for name in found or () if name.startswith(f"{self._run}-")} | self._added
        return {"by_this_run": len(mine), "in_all": None if found is None else len(found | mine)}


def count_reading(config: Config, splits: Splits, run_dir: pathlib.Path) -> None:
    """Notes the model of other flags that a run is compared with, see `Readings.add`.

    Whoever was killed and goes on compares with the same flags, which count once.
    """
    about = str(run_dir.absolute())
    flags = "\n".join([about, *config.to_flags()])
    run = hashlib.sha256(flags.encode()).hexdigest()
    Readings(config.lasting_path, splits.fingerprints()[TEST], run).add("alone", about)
