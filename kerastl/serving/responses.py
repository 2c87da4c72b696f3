"""Responses in JSON, those to errors included."""

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kerastl.serving.rest import RequestError, to_json
from kerastl.serving.tensors import LENGTH_HEADER

_RETRY_SECONDS = "1"
_NOT_FOUND, _BUSY = 404, 503
# Status recorded when a client disconnects, as other servers do; never sent.
_DISCONNECTED = 499
_ADDRESSES = (
    "Image files go to POST /predict, JSON to POST /v1/models/NAME:predict or "
    "/v2/models/NAME/infer."
)


def json_response(value: object) -> Response:
    """Builds a response of JSON."""
    return Response(to_json(value), media_type="application/json")


def binary_response(value: object, binary: bytes) -> Response:
    """Builds a response of JSON with what follows it, by the Open Inference Protocol."""
    text = to_json(value)
    headers = {LENGTH_HEADER: str(len(text))}
    return Response(text + binary, media_type="application/octet-stream", headers=headers)


async def _request_error(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestError) else 500
    return _error(status, str(error), {"Retry-After": _RETRY_SECONDS} if status == _BUSY else {})


async def _route_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    text = f"{error.detail}: {request.method} {request.url.path}"
    allowed = headers.get("Allow", "")
    # What is posted goes to another address, rather than by another method.
    if error.status_code == _NOT_FOUND or (request.method == "POST" and "POST" not in allowed):
        text += f". {_ADDRESSES}"
    elif allowed:
        text += f". Use {allowed}."
    return _error(error.status_code, text, headers)


async def _disconnected(request: Request, error: Exception) -> Response:
    return Response(status_code=_DISCONNECTED)


async def _internal_error(request: Request, error: Exception) -> Response:
    return _error(500, "Internal error; see the output of the server.", {})


def _error(status: int, text: str, headers: dict[str, str]) -> Response:
    return Response(
        to_json({"error": text}), status, media_type="application/json", headers=headers
    )


HANDLERS = {
    RequestError: _request_error,
    HTTPException: _route_error,
    ClientDisconnect: _disconnected,
    Exception: _internal_error,
}
