"""Gathers the images of concurrent requests into batches for one worker thread."""

import collections
import contextlib
import dataclasses
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kerastl.data.kinds import kind_of
from kerastl.outputs.runtimes import refused_indices
from kerastl.serving.models import Model

# What stands at or near the end of a whole file of a kind.
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b";"}
_END_BYTES = 1 << 12

Row = Mapping[str, np.ndarray]


class QueueFullError(Exception):
    """There is no room for a request's images now."""


class BadImagesError(Exception):
    """Images of a request cannot be decoded: `indices` are their places in it."""

    def __init__(self, indices: Sequence[int], message: str) -> None:
        super().__init__(message)
        self.indices = sorted(indices)
        self.message = message


@dataclasses.dataclass(eq=False)
class Request:
    """Images that were put into the queue together; `answer` gives a row for each."""

    model: Model
    signature: str
    num_images: int
    answer: "Future[list[Row]]" = dataclasses.field(default_factory=Future)
    rows: dict[int, Row] = dataclasses.field(default_factory=dict)
    bad: dict[int, str] = dataclasses.field(default_factory=dict)

    def finish_if_all_are_there(self) -> None:
        """Gives the answer once there is a row or an error for every image."""
        if len(self.rows) + len(self.bad) < self.num_images:
            return
        with contextlib.suppress(InvalidStateError):  # Its client has gone.
            if self.bad:
                message = next(iter(self.bad.values()))
                self.answer.set_exception(BadImagesError(list(self.bad), message))
            else:
                self.answer.set_result([self.rows[index] for index in range(self.num_images)])


class _Image(NamedTuple):
    request: Request
    # Its place in the request.
    number: int
    value: Any
    # Images of one batch have this in common.
    group: tuple[object, ...]


class Batcher:
    """Runs signatures on batches of the images that wait, first come, first served.

    While a batch is computed the next one collects. An idle worker starts at once; it waits,
    for at most `wait_seconds`, only for as many images as the last batch had, since clients that
    have just been answered tend to ask again. One client alone never waits.
    """

    def __init__(
        self,
        *,
        max_batch_size: int,
        wait_seconds: float,
        queue_size: int,
    ) -> None:
        """Starts the worker.

        Args:
            max_batch_size: Most images that are computed at once.
            wait_seconds: See above.
            queue_size: Most images that may wait.
        """
        self.queue_size = queue_size
        self._max_batch_size = max_batch_size
        self._wait_seconds = wait_seconds
        # Is told of each batch: how many images, and the seconds it took.
        self.on_batch: Callable[[int, float], None] = lambda num_images, seconds: None
        self._queue: collections.deque[_Image] = collections.deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._last_size = 0
        self._worker = threading.Thread(target=self._work, name="batches", daemon=True)
        self._worker.start()

    def submit(self, model: Model, signature: str, values: Sequence[Any]) -> Request:
        """Puts a request's images, at least one, into the queue.

        Raises:
            QueueFullError: If they do not fit in.
        """
        request = Request(model, signature, len(values))
        images = [
            _Image(request, index, value, (id(model), signature, *_kind(value)))
            for index, value in enumerate(values)
        ]
        with self._changed:
            if len(self._queue) + len(images) > self.queue_size:
                raise QueueFullError
            self._queue.extend(images)
            self._changed.notify()
        return request

    def withdraw(self, request: Request) -> None:
        """Frees the places of a request that nobody waits for any more."""
        if request.answer.done() and not request.answer.cancelled():
            return
        request.answer.cancel()
        with self._changed:
            self._queue = collections.deque(
                image for image in self._queue if image.request is not request
            )

    def waiting(self) -> int:
        """Counts the images in the queue."""
        return len(self._queue)

    def close(self) -> None:
        """Answers what is in the queue and ends the worker."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._worker.join()

    def _work(self) -> None:
        while batch := self._take():
            started = time.monotonic()
            size = len(batch)
            try:
                self._run(batch)
            # Whatever it was, the worker has to go on, and the clients have to be told.
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                for image in batch:
                    with contextlib.suppress(InvalidStateError):
                        image.request.answer.set_exception(error)
            self.on_batch(size, time.monotonic() - started)

    def _take(self) -> list[_Image]:
        """Waits for images; gives none when closed and all is done."""
        with self._changed:
            expected = len(self._queue)
            while not self._queue and not self._is_closing:
                self._changed.wait()
            deadline = time.monotonic() + self._wait_seconds
            expected = min(self._max_batch_size, expected + self._last_size)
            while len(self._queue) < expected and not self._is_closing:
                seconds = deadline - time.monotonic()
                if seconds <= 0 or not self._changed.wait(seconds):
                    break
            batch: list[_Image] = []
            others: collections.deque[_Image] = collections.deque()
            for image in self._queue:
                fits = len(batch) < self._max_batch_size
                is_alike = not batch or image.group == batch[0].group
                (batch if fits and is_alike else others).append(image)
            self._queue = others
            self._last_size = len(batch)
        return batch

    def _run(self, batch: list[_Image]) -> None:
        """Answers every image of a batch, if need be without those that cannot be decoded."""
        signature = batch[0].request.model.signatures[batch[0].request.signature]
        while batch:
            try:
                outputs = signature([image.value for image in batch])
            except tf.errors.InvalidArgumentError as error:
                failed = refused_indices(error) or ({0} if len(batch) == 1 else set())
                if not failed:
                    # Nothing tells which it was, so it is looked for in either half.
                    self._run(batch[: len(batch) // 2])
                    batch = batch[len(batch) // 2 :]
                    continue
                _refuse([batch[place] for place in failed], str(error))
                batch = [image for place, image in enumerate(batch) if place not in failed]
                continue
            for place, image in enumerate(batch):
                row = {name: values[place] for name, values in outputs.items()}
                image.request.rows[image.number] = row
            for request in {image.request for image in batch}:
                request.finish_if_all_are_there()
            return


def _kind(value: Any) -> tuple[object, ...]:
    """Tells apart what cannot share a batch, or better does not.

    A file that looks damaged goes with its like, so that sound ones are seldom run twice.
    """
    if not isinstance(value, bytes):
        return tuple(value.shape)
    kind = kind_of(value)
    return (bool(kind) and _ENDS.get(kind, b"") in value[-_END_BYTES:],)


def _refuse(images: Sequence[_Image], message: str) -> None:
    for image in images:
        image.request.bad[image.number] = message
    for request in {image.request for image in images}:
        request.finish_if_all_are_there()
