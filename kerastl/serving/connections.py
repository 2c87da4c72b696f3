"""Closes idle connections.

uvicorn does so only after a response: a connection that never sends a request, or whose next
request stops within its head, stays open. https://github.com/Kludex/uvicorn/issues/157
"""

import asyncio
import contextlib
from collections.abc import Iterator

Client = tuple[str, int]


class Connections:
    """Closes connections on which no request has been answered for some seconds."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._timers: dict[Client, tuple[asyncio.Transport, asyncio.TimerHandle]] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        """Starts the idle timer of a new connection."""
        host, port, *_ = transport.get_extra_info("peername")
        self._start((host, port), transport)

    @contextlib.contextmanager
    def in_use(self, client: Client) -> Iterator[None]:
        """Keeps a connection open in the block, and restarts its idle timer after it."""
        transport = self._stop(client)
        try:
            yield
        finally:
            if transport is not None and not transport.is_closing():
                self._start(client, transport)

    def _start(self, client: Client, transport: asyncio.Transport) -> None:
        # Closed connections stay until their time is over, and clients may reuse a port.
        self._stop(client)
        timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._close, client)
        self._timers[client] = transport, timer

    def _stop(self, client: Client) -> asyncio.Transport | None:
        transport, timer = self._timers.pop(client, (None, None))
        if timer is not None:
            timer.cancel()
        return transport

    def _close(self, client: Client) -> None:
        transport, _ = self._timers.pop(client)
        transport.close()


def watched(protocol: type[asyncio.Protocol], connections: Connections) -> type[asyncio.Protocol]:
    """Extends a protocol so that `connections` sees every connection."""

    class Watched(protocol):  # type: ignore[valid-type, misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            connections.opened(transport)

    return Watched
