"""Closes idle connections.

uvicorn does so only after a response: a connection that never sends a request, or whose next
request stops within its head, stays open. https://github.com/Kludex/uvicorn/issues/157
Where no more files may be open, asyncio fills the output with errors.
https://github.com/Kludex/uvicorn/issues/1030
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import NamedTuple

Client = tuple[str, int]


class _Waiting(NamedTuple):
    """A connection on which the next request, or the rest of its head, is waited for."""

    transport: asyncio.Transport
    timer: asyncio.TimerHandle
    is_idle: bool


class Connections:
    """Closes connections whose next request does not come, or does not get beyond its head.

    A client may take its time between requests, but the head of a request comes at once. So
    connections that a load balancer keeps stay open, and one that dribbles a head does not. Where
    there are too many, the one that has waited longest gives way to a new one.
    """

    def __init__(self, *, idle_seconds: float, head_seconds: float, most: int) -> None:
        """Sets the time until a request begins, from there to the end of its head, and a limit."""
        self._most = most
        self._idle_seconds = idle_seconds
        self._head_seconds = head_seconds
        self._waiting: dict[Client, _Waiting] = {}

    def opened(self, transport: asyncio.Transport, *, count: int) -> None:
        """Starts the idle timer of a new connection, with which `count` are open."""
        if count > self._most and not self._close_longest():
            transport.close()
            return
        self._wait(_client_of(transport), transport, is_idle=True)

    def received(self, transport: asyncio.Transport) -> None:
        """Notes that something came: on an idle connection, a request begins."""
        client = _client_of(transport)
        if client in self._waiting and self._waiting[client].is_idle:
            self._wait(client, transport, is_idle=False)

    @contextlib.contextmanager
    def in_use(self, client: Client) -> Iterator[None]:
        """Keeps a connection open in the block, and restarts its idle timer after it."""
        transport = self._stop(client)
        try:
            yield
        finally:
            if transport is not None and not transport.is_closing():
                self._wait(client, transport, is_idle=True)

    def _wait(self, client: Client, transport: asyncio.Transport, *, is_idle: bool) -> None:
        # Closed connections stay until their time is over, and clients may reuse a port.
        self._stop(client)
        seconds = self._idle_seconds if is_idle else self._head_seconds
        timer = asyncio.get_running_loop().call_later(seconds, self._close, client)
        self._waiting[client] = _Waiting(transport, timer, is_idle)

    def _stop(self, client: Client) -> asyncio.Transport | None:
        waiting = self._waiting.pop(client, None)
        if waiting is None:
            return None
        waiting.timer.cancel()
        return waiting.transport

    def _close_longest(self) -> bool:
        """Closes the connection that has waited longest; reports whether there was one."""
        while self._waiting:
            transport = self._stop(next(iter(self._waiting)))
            if transport is not None and not transport.is_closing():
                transport.close()
                return True
        return False

    def _close(self, client: Client) -> None:
        self._waiting.pop(client).transport.close()


def _client_of(transport: asyncio.Transport) -> Client:
    host, port, *_ = transport.get_extra_info("peername")
    return host, port


def watched(protocol: type[asyncio.Protocol], connections: Connections) -> type[asyncio.Protocol]:
    """Extends a protocol so that `connections` sees every connection, and when something comes."""

    class Watched(protocol):  # type: ignore[valid-type, misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            connections.opened(transport, count=len(self.connections))

        def data_received(self, data: bytes) -> None:
            connections.received(self.transport)
            super().data_received(data)

    return Watched
