"""Surrounds every request: counts it, keeps its connection open, and receives all of its body."""

import asyncio
import contextlib
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kerastl.serving.connections import Connections
from kerastl.serving.metrics import Metrics
from kerastl.serving.platforms import plain_path

# The response to a body that was not received in time; the rest of it is not waited for.
_TIMED_OUT = 408


class Middleware:
    """An ASGI application around another."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, connections: Connections, *, drain_seconds: float
    ) -> None:
        """Wraps `app`; waits for the rest of a refused body for at most `drain_seconds`."""
        self._app = app
        self._metrics = metrics
        self._connections = connections
        self._drain_seconds = drain_seconds
        # Clients then have to send their next request over another connection.
        self.is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http":
            # Clients behind a proxy put the server's address before the path.
            path = re.sub(r"^/?https?://[^/]+(?=/)", "", scope["path"])
            scope = {**scope, "path": plain_path(path)}
            with self._connections.in_use(scope["client"]):
                await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        body = _Body(scope, receive)
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.is_stopping:
                    message["headers"].append((b"connection", b"close"))
            elif not (message.get("more_body", False) or body.is_whole or status == _TIMED_OUT):
                await send({**message, "more_body": True})
                await body.drain(self._drain_seconds)
                message = {"type": "http.response.body"}
            await send(message)

        try:
            await self._app(scope, body.receive, send_on)
        finally:
            endpoint = scope.get("endpoint")
            route = getattr(endpoint, "__name__", "unknown")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - started)


class _Body:
    """Receives a body, and notes whether it is whole."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        # A client that expects "100 Continue" sends no body if it gets another response.
        self.is_whole = b"expect" in headers or not (
            b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        )
        self._receive = receive

    async def receive(self) -> Message:
        message = await self._receive()
        self.is_whole = not message.get("more_body", False)
        return message

    async def drain(self, seconds: float) -> None:
        """Receives the rest: if it stayed unread, the system would discard the response."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.is_whole:
                    await self.receive()
