"""The versions of an export: serves the highest one, and switches when another appears."""

import contextlib
import ctypes
import gc
import pathlib
import threading
from collections.abc import Sequence

from kerastl.errors import KerastlError
from kerastl.progress import Progress
from kerastl.serving.export_path import ExportPath
from kerastl.serving.model_version import ModelVersion, load_version


class Versions:
    """The version that is served now: the highest one in the directory.

    `current` may change at any time; a request keeps the one it started with.
    """

    current: ModelVersion

    def __init__(
        self,
        export: ExportPath,
        *,
        batch_sizes: Sequence[int],
        progress: Progress,
        seconds_between_checks: float = 1,
    ) -> None:
        """Loads the highest version that can be served; `batch_sizes` warm a version up.

        Raises:
            KerastlError: If there is none.
        """
        self._export = export
        self._batch_sizes = batch_sizes
        self._progress = progress
        self._seconds_between_checks = seconds_between_checks
        # The content of versions at the last check, and of those that could not be loaded: a
        # version is loaded when it no longer changes, and again only after it has changed.
        self._seen: dict[int, object] = {}
        self._failed: dict[int, object] = {}
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="versions", daemon=True)
        self.current = self._load_first()

    def watch(self) -> None:
        """Starts to check for other versions, unless a single version is served."""
        if self._export.version is None:
            self._watcher.start()

    def close(self) -> None:
        """Stops checking."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def _load_first(self) -> ModelVersion:
        failures: list[KerastlError] = []
        for version, path in self._export.versions().items():
            try:
                loaded = self._load(version, path)
            except KerastlError as error:
                failures.append(error)
                self._failed[version] = _content_of(path)
            else:
                for failure in failures:
                    self._progress.line(str(failure))
                return loaded
        raise failures[0]

    def _load(self, version: int, path: pathlib.Path) -> ModelVersion:
        return load_version(
            path, name=self._export.name, version=version, batch_sizes=self._batch_sizes
        )

    def _watch(self) -> None:
        problem = ""
        while not self._stop.wait(self._seconds_between_checks):
            before, problem = problem, ""
            try:
                self._check()
            except OSError as error:
                # The disk may come back; the problem is reported once.
                problem = f"{self._export.directory}: cannot be read ({error.strerror})."
                if problem != before:
                    self._progress.line(problem)

    def _check(self) -> None:
        for version, path in self._export.versions().items():
            # The highest one that exists is served, so removing a version takes it back.
            if version == self.current.version:
                return
            content = _content_of(path)
            is_settled = self._seen.get(version) == content
            self._seen[version] = content
            if not is_settled:
                return
            if self._failed.get(version) != content and self._switch_to(version, path, content):
                return

    def _switch_to(self, version: int, path: pathlib.Path, content: object) -> bool:
        try:
            loaded = self._load(version, path)
        except KerastlError as error:
            self._failed[version] = content
            self._progress.line(f"{error} Still serving version {self.current.version}.")
            return False
        self.current = loaded
        self._progress.line(f"Now serving version {version} from {path}.")
        _release_memory()
        return True


def _release_memory() -> None:
    # The objects of a SavedModel refer to each other in circles.
    gc.collect()
    # Loading takes more memory than the model itself, which the C library would keep.
    with contextlib.suppress(AttributeError, OSError, TypeError):  # Not glibc.
        ctypes.CDLL(None).malloc_trim(0)


def _content_of(path: pathlib.Path) -> object:
    """Returns the names, sizes and times of all files, by which a change is noticed."""
    states = {entry: entry.stat() for entry in sorted(path.rglob("*"))}
    return [(str(entry), state.st_size, state.st_mtime_ns) for entry, state in states.items()]
