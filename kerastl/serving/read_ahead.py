"""Reads files ahead of their use, a bounded number at a time."""

import concurrent.futures
import contextlib
import pathlib
import queue
import threading
from collections.abc import Iterable, Iterator

from kerastl.data.content import read_file
from kerastl.serving.in_memory import InMemory

# Files that are being read or wait to be used.
MAX_AHEAD = 64
# Most files are small, so a disk or a network serves several at once.
_READERS = 8
_SECONDS_BETWEEN_TRIES = 0.1

# A path and its content, or the reason why it cannot be read.
ReadFile = tuple[pathlib.Path, bytes | str]
# A file; then None at the end, or the error that ended the paths.
_Item = concurrent.futures.Future[ReadFile] | BaseException | None
_Waiting = queue.Queue[_Item]


def read_batches(paths: Iterable[pathlib.Path | InMemory], size: int) -> Iterator[list[ReadFile]]:
    """Yields the files in order, as many as are ready at a time, up to `size`.

    Files are read in threads while earlier ones are used; their paths may still be coming.

    Raises:
        Exception: What `paths` raised, after the files before it.
    """
    waiting: _Waiting = queue.Queue(MAX_AHEAD)
    is_closed = threading.Event()
    # A daemon thread, since it may wait for standard input when the program ends.
    threading.Thread(target=_read_all, args=(paths, waiting, is_closed), daemon=True).start()
    try:
        while True:
            batch: list[ReadFile] = []
            while not batch or (len(batch) < size and not waiting.empty()):
                item = waiting.get()
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
        is_closed.set()


def _read_all(
    paths: Iterable[pathlib.Path | InMemory], waiting: _Waiting, is_closed: threading.Event
) -> None:
    def put(item: _Item) -> None:
        while not is_closed.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(item, timeout=_SECONDS_BETWEEN_TRIES)
                return

    try:
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            for path in paths:
                put(pool.submit(_read, path))
                if is_closed.is_set():
                    return
        put(None)
    except BaseException as error:
        # Raised again by the thread that can handle it.
        put(error)


def _read(path: pathlib.Path | InMemory) -> ReadFile:
    if isinstance(path, InMemory):
        return path.path, path.content or "is empty"
    try:
        content = read_file(path)
    except (OSError, ValueError) as error:  # A path with a NUL is a ValueError.
        return path, getattr(error, "strerror", None) or "cannot be read"
    return path, content or "is empty"
