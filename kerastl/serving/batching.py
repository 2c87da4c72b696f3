"""Gathers the images of concurrent requests into batches for a worker thread."""

import collections
import contextlib
import dataclasses
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kerastl.data.file_formats import find_format
from kerastl.data.reasons import explain_decoded
from kerastl.outputs.formats.savedmodel import undecodable_indices
from kerastl.serving.model_version import ModelVersion

# The tail of a whole file is within this many bytes of its end.
_END_BYTES = 1 << 12

# The outputs for one image, by name.
Outputs = Mapping[str, np.ndarray]


class QueueFullError(Exception):
    """The images of a request do not fit into the queue now."""


class BadImagesError(Exception):
    """Images of a request cannot be decoded: those at `indices`."""

    def __init__(self, indices: Iterable[int], message: str) -> None:
        super().__init__(message)
        self.indices = sorted(indices)


@dataclasses.dataclass(eq=False)
class Submission:
    """Images that were submitted together; `result` becomes the outputs for each."""

    model: ModelVersion
    signature: str
    num_images: int
    result: "Future[list[Outputs]]" = dataclasses.field(default_factory=Future)
    outputs: dict[int, Outputs] = dataclasses.field(default_factory=dict)
    bad: dict[int, str] = dataclasses.field(default_factory=dict)

    def finish_if_complete(self) -> None:
        """Sets the result once there are outputs or an error for every image."""
        if len(self.outputs) + len(self.bad) < self.num_images:
            return
        with contextlib.suppress(InvalidStateError):  # The client has disconnected.
            if self.bad:
                message = next(iter(self.bad.values()))
                self.result.set_exception(BadImagesError(self.bad, message))
            else:
                self.result.set_result([self.outputs[index] for index in range(self.num_images)])


class _Image(NamedTuple):
    submission: Submission
    position: int
    value: Any
    # The same for all images of a batch.
    group: tuple[object, ...]


class Batcher:
    """Runs signatures on batches of waiting images, first come, first served.

    While a batch is computed, images for the next one are queued. An idle worker starts at once.
    It waits, for at most `wait_seconds`, only for as many images as the last batch had, because
    clients that have just been answered tend to send another request. A single client never waits.
    """

    def __init__(
        self,
        *,
        max_batch_size: int,
        wait_seconds: float,
        queue_size: int,
        on_batch: Callable[[int, float], None] = lambda num_images, seconds: None,
    ) -> None:
        """Starts the worker.

        `on_batch` is called after each batch with its number of images and its seconds.
        """
        self.queue_size = queue_size
        self._max_batch_size = max_batch_size
        self._wait_seconds = wait_seconds
        self._on_batch = on_batch
        self._queue: collections.deque[_Image] = collections.deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._last_size = 0
        self._worker = threading.Thread(target=self._work, name="batches", daemon=True)
        self._worker.start()

    def submit(self, model: ModelVersion, signature: str, values: Sequence[Any]) -> Submission:
        """Puts images, at least one, into the queue.

        Raises:
            QueueFullError: If they do not fit.
        """
        submission = Submission(model, signature, len(values))
        images = [
            _Image(submission, index, value, (id(model), signature, *_group(value)))
            for index, value in enumerate(values)
        ]
        with self._changed:
            if len(self._queue) + len(images) > self.queue_size:
                raise QueueFullError
            self._queue.extend(images)
            self._changed.notify()
        return submission

    def withdraw(self, submission: Submission) -> None:
        """Removes images from the queue if they are still there."""
        if submission.result.done() and not submission.result.cancelled():
            return
        submission.result.cancel()
        with self._changed:
            self._queue = collections.deque(
                image for image in self._queue if image.submission is not submission
            )

    @property
    def num_waiting(self) -> int:
        """Number of images in the queue."""
        return len(self._queue)

    def close(self) -> None:
        """Computes what is in the queue, then ends the worker."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._worker.join()

    def _work(self) -> None:
        while batch := self._take():
            started = time.monotonic()
            size = len(batch)
            try:
                self._run(_refuse(batch, _find_damaged(batch)))
            # Whatever it is, the clients must get it and the worker must go on.
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                for image in batch:
                    with contextlib.suppress(InvalidStateError):
                        image.submission.result.set_exception(error)
            self._on_batch(size, time.monotonic() - started)

    def _take(self) -> list[_Image]:
        """Waits for images and returns a batch; an empty one when closed."""
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
        """Computes a batch, if necessary again without images that cannot be decoded."""
        while batch:
            submission = batch[0].submission
            signature = submission.model.signatures[submission.signature]
            try:
                outputs = signature([image.value for image in batch])
            except tf.errors.InvalidArgumentError as error:
                failed = undecodable_indices(error) or ({0} if len(batch) == 1 else set())
                if not failed:
                    # The error does not name the image, so each half is tried.
                    self._run(batch[: len(batch) // 2])
                    batch = batch[len(batch) // 2 :]
                    continue
                batch = _refuse(batch, dict.fromkeys(failed, str(error)))
                continue
            for place, image in enumerate(batch):
                values = {name: rows[place] for name, rows in outputs.items()}
                image.submission.outputs[image.position] = values
            _finish(batch)
            return


def _group(value: Any) -> tuple[object, ...]:
    """Returns a key that differs for images that should not share a batch.

    Files that look damaged form their own batches, so that intact ones are rarely computed twice.
    """
    if not isinstance(value, bytes):
        return tuple(value.shape)
    found = find_format(value)
    return (found is not None and found.tail in value[-_END_BYTES:],)


def _find_damaged(batch: Sequence[_Image]) -> dict[int, str]:
    """Finds files that would be decoded, but are not used to train either, by their places."""
    files = {place: one.value for place, one in enumerate(batch) if isinstance(one.value, bytes)}
    return {place: why for place, one in files.items() if (why := explain_decoded(one))}


def _refuse(batch: Sequence[_Image], reasons: Mapping[int, str]) -> list[_Image]:
    """Ends the images at some places; returns the others."""
    for place, why in reasons.items():
        batch[place].submission.bad[batch[place].position] = why
    _finish(batch[place] for place in reasons)
    return [image for place, image in enumerate(batch) if place not in reasons]


def _finish(images: Iterable[_Image]) -> None:
    for submission in {image.submission for image in images}:
        submission.finish_if_complete()
