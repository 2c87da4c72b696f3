"""Reads the bodies of requests, within limits of size, time and memory."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from kerastl.serving.options import Timeouts
from kerastl.serving.rest import RequestError


class RequestBodies:
    """The bodies of all requests that are being answered."""

    def __init__(self, *, max_bytes: int, max_total_bytes: int, timeouts: Timeouts) -> None:
        """Limits the size of each body, and of all bodies together."""
        self._max_bytes = max_bytes
        self._max_total_bytes = max_total_bytes
        self._timeouts = timeouts
        self.num_bytes = 0

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yields a whole body, which counts towards the total until the block ends.

        Raises:
            RequestError: If it is too large or too slow, or does not fit in memory now.
            ClientDisconnect: If the client disconnects.
        """
        encoding = request.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise RequestError(
                f"Content-Encoding: {encoding[:99]} is not supported. Send the body without "
                "compression.",
                415,
            )
        length = request.headers.get("content-length", "0")
        if int(length) > self._max_bytes:
            raise self._too_large()
        num_bytes = 0
        try:
            chunks: list[bytes] = []
            async for chunk in self._chunks(request):
                chunks.append(chunk)
                num_bytes += len(chunk)
                self.num_bytes += len(chunk)
                if num_bytes > self._max_bytes:
                    raise self._too_large()
                if self.num_bytes > self._max_total_bytes:
                    raise RequestError("Too much data at once. Try again later.", 503)
            yield b"".join(chunks)
        finally:
            self.num_bytes -= num_bytes

    def _too_large(self) -> RequestError:
        return RequestError(
            f"The body is larger than {self._max_bytes / 1e6:g} MB. Send smaller or fewer images, "
            "or restart the server with a larger --max_body_mb.",
            413,
        )

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        end = time.monotonic() + self._timeouts.body
        more = True
        while more:
            seconds = min(self._timeouts.chunk, end - time.monotonic())
            try:
                message = await asyncio.wait_for(request.receive(), seconds)
            except TimeoutError as error:
                raise RequestError("The body was not received in time.", 408) from error
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            more = message.get("more_body", False)
            yield message.get("body", b"")
