"""What every request passes on its way in and out: counting, and ends that lose no answer."""

import asyncio
import contextlib
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kerastl.serving.metrics import Metrics

# A client that is refused goes on sending for so long at most.
_SECONDS_OF_DRAINING = 10.0
# The status of one that was too slow already.
_SLOW = 408


class Front:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        # Tells clients to bring their next request elsewhere.
        self.is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        started = time.monotonic()
        inward = _Inward(scope, receive)
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.is_stopping:
                    message["headers"].append((b"connection", b"close"))
            elif not message.get("more_body", False) and not (inward.is_whole or status == _SLOW):
                await send({**message, "more_body": True})
                await inward.drain()
                message = {"type": "http.response.body"}
            await send(message)

        try:
            await self._app(scope, inward.receive, send_on)
        finally:
            endpoint = scope.get("endpoint")
            route = getattr(endpoint, "__name__", "unknown")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - started)


class _Inward:
    """What a client sends, with a note of whether all of it has come."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        # A client that waits to be told to go on sends nothing when it is refused instead.
        self.is_whole = b"expect" in headers or not (
            b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        )
        self._receive = receive

    async def receive(self) -> Message:
        message = await self._receive()
        self.is_whole = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Takes what is still being sent, or the system would throw the answer away with it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SECONDS_OF_DRAINING):
                while not self.is_whole:
                    await self.receive()
