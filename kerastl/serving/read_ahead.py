"""Reads files ahead of their use, a bounded number at a time."""

import concurrent.futures
import pathlib
import queue
import threading
from collections.abc import Iterable, Iterator

from kerastl.data.content import read_file

# Files that are being read or wait to be used.
MAX_AHEAD = 64
# Most files are small, so a disk or a network serves several at once.
_READERS = 8
_SECONDS_BETWEEN_TRIES = 0.1

# A path and its content, or the reason why it cannot be read.
ReadFile = tuple[pathlib.Path, bytes | str]


class ReadAhead:
    """Reads files in threads while earlier ones are used; their paths may still be coming."""

    def __init__(self, paths: Iterable[pathlib.Path]) -> None:
        self._paths = paths
        # Files; then None at the end, or the error that ended `paths`.
        self._waiting: queue.Queue[concurrent.futures.Future[ReadFile] | BaseException | None]
        self._waiting = queue.Queue(MAX_AHEAD)
        self._is_closed = threading.Event()

    def batches(self, size: int) -> Iterator[list[ReadFile]]:
        """Yields the files in order, as many as are ready at a time, up to `size`.

        Raises:
            Exception: What `paths` raised, after the files before it.
        """
        # A daemon thread, since it may wait for standard input when the program ends.
        threading.Thread(target=self._read_all, daemon=True).start()
        try:
            while True:
                batch: list[ReadFile] = []
                while not batch or (len(batch) < size and not self._waiting.empty()):
                    item = self._waiting.get()
                    if isinstance(item, concurrent.futures.Future):
                        batch.append(item.result())
                        continue
                    if batch:
                        yield batch
                    if item is not None:
                        raise item
                    return
                yield batch
        finally:
            self._is_closed.set()

    def _read_all(self) -> None:
        try:
            with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
                for path in self._paths:
                    self._put(pool.submit(_read, path))
                    if self._is_closed.is_set():
                        return
            self._put(None)
        except BaseException as error:
            # Raised again by the thread that can handle it.
            self._put(error)

    def _put(self, item: concurrent.futures.Future[ReadFile] | BaseException | None) -> None:
        while not self._is_closed.is_set():
            try:
                self._waiting.put(item, timeout=_SECONDS_BETWEEN_TRIES)
                break
            except queue.Full:
                continue


def _read(path: pathlib.Path) -> ReadFile:
    try:
        content = read_file(path)
    except (OSError, ValueError) as error:  # A path with a NUL is a ValueError.
        return path, getattr(error, "strerror", None) or "cannot be read"
    return path, content or "is empty"
