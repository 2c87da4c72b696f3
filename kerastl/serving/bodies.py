"""Reads what clients send, within limits of size, time and memory."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from kerastl.serving.rest import RequestError

# A client that sends nothing for so long, or is not done after so long, is given up.
_SECONDS_OF_SILENCE = 10.0
_SECONDS_IN_ALL = 120.0


class Bodies:
    """Holds the bodies of all requests that are being answered."""

    def __init__(self, *, max_bytes: int, max_bytes_in_all: int) -> None:
        """Starts empty.

        Args:
            max_bytes: Most that one request may send.
            max_bytes_in_all: Most that all together may hold at a time.
        """
        self._max_bytes = max_bytes
        self._max_bytes_in_all = max_bytes_in_all
        self._held = 0

    def held(self) -> int:
        """Counts the bytes."""
        return self._held

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yields the whole body, which counts as held until the block ends.

        Raises:
            RequestError: If it is too large or too slow, or there is no room for it now.
            ClientDisconnect: If the client goes away meanwhile.
        """
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RequestError("Content-Encoding: is not understood. Send the body as it is.", 415)
        length = request.headers.get("content-length", "0")
        if int(length) > self._max_bytes:
            raise self._too_large()
        held = 0
        try:
            chunks: list[bytes] = []
            async for chunk in _chunks(request):
                chunks.append(chunk)
                held += len(chunk)
                self._held += len(chunk)
                if held > self._max_bytes:
                    raise self._too_large()
                if self._held > self._max_bytes_in_all:
                    raise RequestError("Too much is being sent at once. Try again soon.", 503)
            yield b"".join(chunks)
        finally:
            self._held -= held

    def _too_large(self) -> RequestError:
        return RequestError(
            f"The body has more than the {self._max_bytes / 1e6:g} MB that are allowed. Send "
            "smaller images or fewer, or serve with a larger --max_body_mb.",
            413,
        )


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    end = time.monotonic() + _SECONDS_IN_ALL
    more = True
    while more:
        seconds = min(_SECONDS_OF_SILENCE, end - time.monotonic())
        try:
            message = await asyncio.wait_for(request.receive(), seconds)
        except TimeoutError as error:
            raise RequestError("The body did not come in time.", 408) from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        yield message.get("body", b"")
