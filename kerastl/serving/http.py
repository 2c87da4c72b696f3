"""The server process: starts, listens, and stops when what was accepted is answered."""

import asyncio
import contextlib
import dataclasses
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from kerastl.errors import KerastlError
from kerastl.progress import Progress
from kerastl.serving.app import build_app
from kerastl.serving.batching import Batcher
from kerastl.serving.bodies import Bodies
from kerastl.serving.front import Front
from kerastl.serving.metrics import Metrics
from kerastl.serving.models import Models
from kerastl.serving.place import Place

_SECONDS_BETWEEN_LOOKS = 1.0
# So many of the largest bodies may be held at a time.
_BODIES_IN_ALL = 8
_BACKLOG = 1024
_SECONDS_FOR_A_HEAD = 10.0
# What clients have sent by the time that a stop is asked for is read within this.
_SECONDS_OF_GRACE = 0.25
# A client that does not take its answer is left after this.
_SECONDS_TO_STOP = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is taken at a time."""

    max_batch_size: int = 32
    batch_wait_ms: float = 5
    queue_size: int = 256
    max_body_mb: float = 32


@dataclasses.dataclass(frozen=True)
class Serving:
    """A server that runs."""

    url: str
    models: Models
    batcher: Batcher
    server: uvicorn.Server
    thread: threading.Thread


def serve(place: Place, listener: socket.socket, limits: Limits, progress: Progress) -> None:
    """Serves until the process is told to stop, by SIGTERM or from the keyboard."""
    with running(place, listener, limits, progress) as serving:
        stop = _told_to_stop()
        model = serving.models.current
        progress.line(
            f"Serving {model.name}, version {model.version}, {len(model.class_names)} classes, at "
            f"{serving.url}"
        )
        while not stop.wait(_SECONDS_BETWEEN_LOOKS):
            if not serving.thread.is_alive():
                raise KerastlError(
                    "serve: the server has ended by itself. See above; start it anew."
                )
        progress.line("Stopping; what was accepted is answered first.")
    progress.line("Stopped.")


@contextlib.contextmanager
def running(
    place: Place, listener: socket.socket, limits: Limits, progress: Progress
) -> Iterator[Serving]:
    """Serves while the block lasts; at its end answers what was accepted.

    Args:
        place: The export.
        listener: A socket that has a port.
        limits: How much is taken at a time.
        progress: Is told of new versions.

    Raises:
        KerastlError: If no version can be served.
    """
    models = Models(place, batch_sizes=_batch_sizes(limits.max_batch_size), progress=progress)
    batcher = Batcher(
        max_batch_size=limits.max_batch_size,
        wait_seconds=limits.batch_wait_ms / 1000,
        queue_size=limits.queue_size,
    )
    max_bytes = round(limits.max_body_mb * 1e6)
    bodies = Bodies(max_bytes=max_bytes, max_bytes_in_all=_BODIES_IN_ALL * max_bytes)
    metrics = Metrics(
        waiting=batcher.waiting, held=bodies.held, version=lambda: models.current.version
    )
    batcher.on_batch = metrics.observe_batch
    front = Front(build_app(models, batcher, bodies, metrics), metrics)
    server = _Server(front)
    # Signals go to the main thread, which is free for them while another serves.
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            if not thread.is_alive():
                raise KerastlError(
                    "port: cannot be listened on. See above, and try another --port."
                )
        models.watch()
        yield Serving(_url(listener), models, batcher, server, thread)
    finally:
        server.should_exit = True
        thread.join()
        models.close()
        batcher.close()


class _Server(uvicorn.Server):
    """Lets the requests that are on their way in when it is stopped come in."""

    def __init__(self, front: Front) -> None:
        self._front = front
        super().__init__(
            uvicorn.Config(
                front,
                http=_Protocol,
                ws="none",
                lifespan="off",
                # What goes wrong goes to stderr by Python's own default.
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=_SECONDS_TO_STOP,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._front.is_stopping = True
        for server in self.servers:
            server.close()
        await asyncio.sleep(_SECONDS_OF_GRACE)
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """Leaves clients that open a connection and do not send the head of a request in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_a_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_idle() and self._deadline is None and not self.transport.is_closing():
            self._expect_a_head()
        elif not self._is_idle():
            self._forget_the_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_the_deadline()
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_a_head(self) -> None:
        self._deadline = self.loop.call_later(_SECONDS_FOR_A_HEAD, self._leave)

    def _forget_the_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _leave(self) -> None:
        self._deadline = None
        if self._is_idle():
            self.transport.close()


def _told_to_stop() -> threading.Event:
    """Gives an event that the first signal sets; a second one ends the process as always."""
    stop = threading.Event()

    def note(number: int, frame: object) -> None:
        signal.signal(number, before[number])
        stop.set()

    numbers: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in before:
        signal.signal(number, note)
    return stop


def _batch_sizes(largest: int) -> list[int]:
    """Gives the powers of two up to a size, and the size."""
    return [*(2**power for power in range(largest.bit_length()) if 2**power < largest), largest]


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
