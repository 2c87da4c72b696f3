"""The server process: starts, listens, and stops when every accepted request is answered."""

import asyncio
import contextlib
import dataclasses
import logging
import math
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from kerastl.errors import KerastlError
from kerastl.progress import Progress
from kerastl.resources import most_files
from kerastl.serving.app import build_app
from kerastl.serving.batching import Batcher
from kerastl.serving.connections import Connections, watched
from kerastl.serving.export_path import ExportPath
from kerastl.serving.inference import Inference
from kerastl.serving.listener import url_of
from kerastl.serving.metrics import Metrics
from kerastl.serving.middleware import Middleware
from kerastl.serving.options import TIMEOUTS, Limits, Timeouts
from kerastl.serving.platforms import ANYWHERE, Platform
from kerastl.serving.request_body import RequestBodies
from kerastl.serving.versions import Versions

# Memory for bodies, in bodies of the largest size.
_MAX_BODIES = 8
# Clients that are accepted at a time, and the share of them in the files that may be open: asyncio
# accepts some more times until the first of them are known, on two addresses.
_BACKLOG, _SHARE = 1024, 16
# Files that the server needs beside connections.
_FILES = 64
_SECONDS_BETWEEN_CHECKS = 1.0
# What scripts of other sites may use, if their site is allowed to.
_METHODS = ("GET", "POST")


@dataclasses.dataclass(frozen=True)
class Served:
    """Counts of what a server did until it was stopped.

    Attributes:
        url: Where it listened.
        num_images: Number of images that it classified.
        seconds: How long it ran.
    """

    url: str
    num_images: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class RunningServer:
    """A server that is running."""

    url: str
    versions: Versions
    batcher: Batcher
    metrics: Metrics
    server: uvicorn.Server
    thread: threading.Thread


def serve(
    export: ExportPath,
    listeners: Sequence[socket.socket],
    *,
    limits: Limits,
    platform: Platform = ANYWHERE,
    progress: Progress,
) -> Served:
    """Serves until SIGTERM or SIGINT, if called from the main thread.

    `listeners` come from `open_listeners`; `progress` gets the start, the stop and new versions.

    Raises:
        KerastlError: If no version can be served, or the server fails.
    """
    started = time.monotonic()
    with running(export, listeners, limits=limits, platform=platform, progress=progress) as server:
        model = server.versions.current
        progress.line(
            f"Serving {model.name}, version {model.version}, {len(model.class_names)} classes, at "
            f"{server.url}"
        )
        with _stop_signal() as stop:
            while not stop.wait(_SECONDS_BETWEEN_CHECKS):
                if not server.thread.is_alive():
                    raise KerastlError(
                        "serve: the server has failed. See the messages above, and restart it."
                    )
            progress.line("Stopping after the requests that were accepted.")
    return Served(server.url, server.metrics.num_images, time.monotonic() - started)


@contextlib.contextmanager
def running(
    export: ExportPath,
    listeners: Sequence[socket.socket],
    *,
    limits: Limits,
    platform: Platform = ANYWHERE,
    timeouts: Timeouts = TIMEOUTS,
    progress: Progress,
) -> Iterator[RunningServer]:
    """Serves during the block; at its end answers the requests that were accepted.

    Raises:
        KerastlError: If no version can be served.
    """
    versions = Versions(
        export,
        batch_sizes=_batch_sizes(limits.max_batch_size),
        progress=progress,
        seconds_between_checks=timeouts.new_version,
    )
    metrics = Metrics()
    batcher = Batcher(
        max_batch_size=limits.max_batch_size,
        wait_seconds=limits.batch_wait_ms / 1000,
        queue_size=limits.queue_size,
        on_batch=metrics.observe_batch,
    )
    server = _build_server(
        Inference(versions, batcher, metrics), limits=limits, platform=platform, timeouts=timeouts
    )
    # Signals go to the main thread, so the server has another one.
    thread = threading.Thread(target=server.run, args=(list(listeners),), name="http", daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            if not thread.is_alive():
                raise KerastlError(
                    "port: cannot be listened on. See the messages above, and try another --port."
                )
        versions.watch()
        yield RunningServer(url_of(listeners), versions, batcher, metrics, server, thread)
    finally:
        server.should_exit = True
        thread.join()
        versions.close()
        batcher.close()


def _build_server(
    inference: Inference, *, limits: Limits, platform: Platform, timeouts: Timeouts
) -> "_Server":
    max_bytes = round(limits.max_body_mb * 1e6)
    bodies = RequestBodies(
        max_bytes=max_bytes, max_total_bytes=_MAX_BODIES * max_bytes, timeouts=timeouts
    )
    room = max(_SHARE, most_files() - _FILES)
    connections = Connections(
        idle_seconds=limits.idle_seconds, head_seconds=timeouts.head, most=room // 2
    )
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    routes = _with_origins(build_app(inference, bodies, platform), limits.origins)
    app = Middleware(routes, inference.metrics, connections, drain_seconds=timeouts.drain)
    backlog = min(_BACKLOG, room // _SHARE)
    return _Server(app, connections, limits.idle_seconds, timeouts, backlog=backlog)


def _with_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Allows the pages of some sites to read every answer of `app`, errors too."""
    if not origins:
        return app
    return CORSMiddleware(app, allow_origins=origins, allow_methods=_METHODS, allow_headers=["*"])


class _Server(uvicorn.Server):
    """Answers requests that are on their way when it is stopped."""

    def __init__(
        self,
        app: Middleware,
        connections: Connections,
        idle_seconds: float,
        timeouts: Timeouts,
        *,
        backlog: int,
    ) -> None:
        self._app = app
        self._grace_seconds = timeouts.grace
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            # Errors go to stderr, which is Python's default; what clients do wrong does not.
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            server_header=False,
            # Connections are known by the address of the client.
            proxy_headers=False,
            backlog=backlog,
            # `Connections` closes them before.
            timeout_keep_alive=math.ceil(idle_seconds) + 1,
            timeout_graceful_shutdown=timeouts.shutdown,
        )
        config.load()
        config.http_protocol_class = watched(config.http_protocol_class, connections)
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.is_stopping = True
        for server in self.servers:
            server.close()
        await asyncio.sleep(self._grace_seconds)
        await super().shutdown(sockets)


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Yields an event that the first signal sets; a second signal has its previous effect."""
    stop = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGTERM, signal.SIGINT) if is_main else ()
    before = {number: signal.getsignal(number) for number in numbers}

    def note(number: int, frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        stop.set()

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _batch_sizes(largest: int) -> list[int]:
    """Returns the powers of two up to a size, and the size."""
    return [*(2**power for power in range(largest.bit_length()) if 2**power < largest), largest]
