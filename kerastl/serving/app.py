"""The routes: TensorFlow Serving's REST interface, plain uploads, health, metrics and the page."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from kerastl.data.file_formats import JPEG, MAX_PIXELS, find_format
from kerastl.data.reasons import explain
from kerastl.outputs.formats.savedmodel import DEFAULT_SIGNATURE
from kerastl.serving import rest, uploads
from kerastl.serving.batching import BadImagesError, Batcher, Outputs, QueueFullError
from kerastl.serving.metrics import Metrics
from kerastl.serving.model_version import ModelVersion
from kerastl.serving.page import read_page
from kerastl.serving.request_body import RequestBodies
from kerastl.serving.rest import PredictRequest, RequestError, to_json
from kerastl.serving.versions import Versions

_RETRY_SECONDS = "1"
_BUSY = 503
# Status recorded when a client disconnects, as other servers do; never sent.
_DISCONNECTED = 499
_MAX_INDICES = 20
# Larger bodies are parsed in a thread, so that other clients do not wait.
_LARGE_BYTES = 1 << 19
_Parsed = TypeVar("_Parsed")


def build_app(
    versions: Versions, batcher: Batcher, bodies: RequestBodies, metrics: Metrics
) -> Starlette:
    """Builds the application that serves the current one of `versions`."""
    endpoints = _Endpoints(versions, batcher, bodies, metrics)
    models = ("/v1/models/{name}", "/v1/models/{name}/versions/{version:int}")
    return Starlette(
        routes=[
            Route("/", endpoints.page),
            Route("/model", endpoints.model),
            Route("/healthz", endpoints.healthz),
            Route("/metrics", endpoints.metrics),
            Route("/predict", endpoints.predict_files, methods=["POST"]),
            *(Route(f"{path}:predict", endpoints.predict, methods=["POST"]) for path in models),
            *(Route(f"{path}/metadata", endpoints.metadata) for path in models),
            *(Route(path, endpoints.status) for path in models),
        ],
        exception_handlers={
            RequestError: _request_error,
            HTTPException: _route_error,
            ClientDisconnect: _disconnected,
            Exception: _internal_error,
        },
    )


class _Endpoints:
    def __init__(
        self, versions: Versions, batcher: Batcher, bodies: RequestBodies, metrics: Metrics
    ) -> None:
        self._versions = versions
        self._batcher = batcher
        self._bodies = bodies
        self._metrics = metrics
        self._html, self._headers = read_page()

    async def page(self, request: Request) -> Response:
        return Response(self._html, media_type="text/html", headers=self._headers)

    async def model(self, request: Request) -> Response:
        model = self._versions.current
        names = ("name", "version", "class_names", "card")
        return _json({name: getattr(model, name) for name in names})

    async def healthz(self, request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def metrics(self, request: Request) -> Response:
        text = self._metrics.text(
            queue_images=self._batcher.num_waiting,
            body_bytes=self._bodies.num_bytes,
            model_version=self._versions.current.version,
        )
        return Response(text, headers={"Content-Type": self._metrics.CONTENT_TYPE})

    async def status(self, request: Request) -> Response:
        if ":" in request.path_params["name"]:
            raise HTTPException(405, headers={"Allow": "POST"})
        return _json(rest.status_of(self._find(request)))

    async def metadata(self, request: Request) -> Response:
        return _json(rest.describe(self._find(request)))

    async def predict(self, request: Request) -> Response:
        model = self._find(request)
        async with self._bodies.read(request) as body:
            parsed = await _parse(body, lambda: rest.parse_predict(body, model))
            results = await self._compute(request, model, parsed)
        content = rest.render_predict(results, by_row=parsed.by_row)
        return Response(content, media_type="application/json")

    async def predict_files(self, request: Request) -> Response:
        model = self._versions.current
        top = uploads.read_top(request.query_params)
        content_type = request.headers.get("content-type", "")
        async with self._bodies.read(request) as body:
            files = await _parse(body, lambda: uploads.read_uploads(content_type, body))
            parsed = PredictRequest(DEFAULT_SIGNATURE, [file.content for file in files], True)
            results = await self._compute(request, model, parsed)
        return _json(uploads.render(model, files, results, top=top))

    def _find(self, request: Request) -> ModelVersion:
        """Finds the model that a path names."""
        model = self._versions.current
        name, version = request.path_params["name"], request.path_params.get("version")
        if name == model.name and version in (None, model.version):
            return model
        requested = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise RequestError(
            f"Servable not found for request: {requested}. This server has {model.name}, version "
            f"{model.version}.",
            404,
        )

    async def _compute(
        self, request: Request, model: ModelVersion, parsed: PredictRequest
    ) -> Sequence[Outputs]:
        """Waits for the outputs, unless the client disconnects."""
        num_images = len(parsed.values)
        if num_images > self._batcher.queue_size:
            raise RequestError(
                f"The request has {num_images} images, and the queue holds "
                f"{self._batcher.queue_size}. Send fewer at a time, or restart the server with a "
                "larger --queue_size.",
                413,
            )
        try:
            submission = self._batcher.submit(model, parsed.signature, parsed.values)
        except QueueFullError as error:
            raise RequestError("The queue is full. Try again later.", _BUSY) from error
        result = asyncio.wrap_future(submission.result)
        disconnect = asyncio.ensure_future(_disconnect(request))
        try:
            await asyncio.wait((result, disconnect), return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                raise ClientDisconnect
            return result.result()
        except BadImagesError as error:
            self._metrics.bad_images.inc(len(error.indices))
            raise RequestError(_describe(error, parsed)) from error
        finally:
            disconnect.cancel()
            self._batcher.withdraw(submission)


def _describe(error: BadImagesError, parsed: PredictRequest) -> str:
    if not isinstance(parsed.values[0], bytes):
        return str(error).split("\n")[0]
    named = error.indices[:_MAX_INDICES]
    shown = ", ".join(f"{index} ({_reason(parsed.values[index])})" for index in named)
    more = len(error.indices) - len(named)
    return f"image_bytes: cannot decode the image at index {shown}" + (
        f" and {more} more" if more else ""
    )


def _reason(content: bytes) -> str:
    """Describes what is wrong with a file; the model reports only its index."""
    found = find_format(content)
    may_be_too_large = found not in (None, JPEG) and "damaged" in explain(content, "")
    more = f", or has more than {MAX_PIXELS // 10**6} million pixels" if may_be_too_large else ""
    return explain(content, "") + more if content else "is empty"


async def _parse(body: bytes, function: Callable[[], _Parsed]) -> _Parsed:
    return await asyncio.to_thread(function) if len(body) >= _LARGE_BYTES else function()


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(value: object) -> Response:
    return Response(to_json(value), media_type="application/json")


async def _request_error(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestError) else 500
    return _error(status, str(error), {"Retry-After": _RETRY_SECONDS} if status == _BUSY else {})


async def _route_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"{error.detail}: {request.method} {request.url.path}"
    return _error(error.status_code, text, dict(error.headers or {}))


async def _disconnected(request: Request, error: Exception) -> Response:
    return Response(status_code=_DISCONNECTED)


async def _internal_error(request: Request, error: Exception) -> Response:
    return _error(500, "Internal error; see the output of the server.", {})


def _error(status: int, text: str, headers: dict[str, str]) -> Response:
    return Response(
        to_json({"error": text}), status, media_type="application/json", headers=headers
    )
