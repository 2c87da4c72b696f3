"""Reads files before they are asked for, a bounded number at a time."""

import concurrent.futures
import pathlib
import queue
import threading
from collections.abc import Iterable, Iterator

from kerastl.data.content import read_file

# Files that are read, or wait to be taken, at a time.
_AHEAD = 64
# Most files are small, so that a disk or network answers several at once.
_READERS = 8
_SECONDS_BETWEEN_LOOKS = 0.1

# A file and its content, or what is wrong with it.
File = tuple[pathlib.Path, bytes | str]


class ReadAhead:
    """Reads files in a thread of its own, while those before them are worked on.

    Args:
        paths: The files, which may still be coming.
    """

    def __init__(self, paths: Iterable[pathlib.Path]) -> None:
        self._paths = paths
        # What is read, the end as None, or why there is no more.
        self._waiting: queue.Queue[concurrent.futures.Future[File] | BaseException | None]
        self._waiting = queue.Queue(_AHEAD)
        self._is_left = threading.Event()

    def batches(self, size: int) -> Iterator[list[File]]:
        """Yields the files in their order, as many as are there at a time, up to `size`.

        Raises:
            Exception: What `paths` raised, behind the files before.
        """
        # A daemon, since the paths may come from a person who types none.
        threading.Thread(target=self._read_all, daemon=True).start()
        try:
            end: BaseException | concurrent.futures.Future[File] | None = None
            is_over = False
            while not is_over:
                batch: list[File] = []
                while not batch or (len(batch) < size and not self._waiting.empty()):
                    item = self._waiting.get()
                    if not isinstance(item, concurrent.futures.Future):
                        end, is_over = item, True
                        break
                    batch.append(item.result())
                if batch:
                    yield batch
            if isinstance(end, BaseException):
                raise end
        finally:
            self._is_left.set()

    def _read_all(self) -> None:
        try:
            with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
                for path in self._paths:
                    self._put(pool.submit(_read, path))
                    if self._is_left.is_set():
                        return
            self._put(None)
        except BaseException as error:
            # Raised again by the thread that can handle it.
            self._put(error)

    def _put(self, item: concurrent.futures.Future[File] | BaseException | None) -> None:
        while not self._is_left.is_set():
            try:
                self._waiting.put(item, timeout=_SECONDS_BETWEEN_LOOKS)
                break
            except queue.Full:
                continue


def _read(path: pathlib.Path) -> File:
    try:
        content = read_file(path)
    except (OSError, ValueError) as error:  # A path with a NUL is a ValueError.
        return path, getattr(error, "strerror", None) or "cannot be read"
    return path, content or "is empty"
