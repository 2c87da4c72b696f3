"""The routes: TensorFlow Serving's REST interface, plain uploads, health, metrics and the page."""

import asyncio
import base64
import hashlib
import importlib.resources
import re
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from kerastl.data.kinds import MAX_PIXELS, kind_of
from kerastl.data.refusals import explain
from kerastl.serving import uploads
from kerastl.serving.batching import BadImagesError, Batcher, QueueFullError, Row
from kerastl.serving.bodies import Bodies
from kerastl.serving.metrics import Metrics
from kerastl.serving.models import DEFAULT_SIGNATURE, Model, Models
from kerastl.serving.rest import (
    Predict,
    RequestError,
    describe,
    parse_predict,
    render_predict,
    status_of,
    to_json,
)

_RETRY_SECONDS = "1"
_BUSY = 503
_GONE = 499  # As other servers note a client that did not wait; nobody gets to see it.
_INDICES_NAMED = 20
# Above this a body is read in a thread, so that other clients do not wait for it.
_LARGE_BYTES = 1 << 19


def build_app(models: Models, batcher: Batcher, bodies: Bodies, metrics: Metrics) -> Starlette:
    """Builds the application that answers for the model that `models` serves."""
    server = _Endpoints(models, batcher, bodies, metrics)
    model, version = "/v1/models/{name}", "/versions/{version:int}"
    return Starlette(
        routes=[
            Route("/", server.page),
            Route("/model", server.model),
            Route("/healthz", server.healthz),
            Route("/metrics", server.metrics),
            Route("/predict", server.predict_files, methods=["POST"]),
            *(
                Route(f"{path}:predict", server.predict, methods=["POST"])
                for path in (model, model + version)
            ),
            *(Route(f"{path}/metadata", server.metadata) for path in (model, model + version)),
            *(Route(path, server.status) for path in (model, model + version)),
        ],
        exception_handlers={
            RequestError: _refuse,
            HTTPException: _refuse_route,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )


class _Endpoints:
    def __init__(self, models: Models, batcher: Batcher, bodies: Bodies, metrics: Metrics) -> None:
        self._models = models
        self._batcher = batcher
        self._bodies = bodies
        self._metrics = metrics
        self._page, self._page_headers = _read_page()

    async def page(self, request: Request) -> Response:
        return Response(self._page, media_type="text/html", headers=self._page_headers)

    async def model(self, request: Request) -> Response:
        model = self._models.current
        about = {
            "name": model.name,
            "version": model.version,
            "class_names": model.class_names,
            "card": model.card,
        }
        return _json(about)

    async def healthz(self, request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), headers={"Content-Type": self._metrics.CONTENT_TYPE})

    async def status(self, request: Request) -> Response:
        if ":" in request.path_params["name"]:
            raise HTTPException(405, headers={"Allow": "POST"})
        return _json(status_of(self._find(request)))

    async def metadata(self, request: Request) -> Response:
        return _json(describe(self._find(request)))

    async def predict(self, request: Request) -> Response:
        model = self._find(request)
        async with self._bodies.read(request) as body:
            predict = await _unless_small(len(body), parse_predict, body, model)
            rows = await self._answer(request, model, predict)
        answer = render_predict(rows, by_row=predict.by_row)
        return Response(answer, media_type="application/json")

    async def predict_files(self, request: Request) -> Response:
        model = self._models.current
        top = uploads.read_top(request.query_params)
        async with self._bodies.read(request) as body:
            files = await uploads.read_files(request, body)
            contents = [file.content for file in files]
            rows = await self._answer(request, model, Predict(DEFAULT_SIGNATURE, contents, True))
        return _json(uploads.render(model, files, rows, top=top))

    def _find(self, request: Request) -> Model:
        """Finds the model that a path names."""
        model = self._models.current
        name, version = request.path_params["name"], request.path_params.get("version")
        if name == model.name and version in (None, model.version):
            return model
        asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise RequestError(
            f"Servable not found for request: {asked}. Served is {model.name}, version "
            f"{model.version}.",
            404,
        )

    async def _answer(self, request: Request, model: Model, predict: Predict) -> Sequence[Row]:
        """Waits for the answer, unless the client goes away."""
        num_images = len(predict.values)
        if num_images > self._batcher.queue_size:
            raise RequestError(
                f"The request has {num_images} images, and {self._batcher.queue_size} may wait. "
                "Send fewer at a time, or serve with a larger --queue_size.",
                413,
            )
        try:
            ticket = self._batcher.submit(model, predict.signature, predict.values)
        except QueueFullError as error:
            raise RequestError("Too many images wait already. Try again soon.", 503) from error
        answer = asyncio.wrap_future(ticket.answer)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ClientDisconnect
            return answer.result()
        except BadImagesError as error:
            self._metrics.bad_images.inc(len(error.indices))
            raise RequestError(_explain(error, predict)) from error
        finally:
            gone.cancel()
            self._batcher.withdraw(ticket)


def _explain(error: BadImagesError, predict: Predict) -> str:
    if not isinstance(predict.values[0], bytes):
        return error.message.split("\n")[0]
    named = error.indices[:_INDICES_NAMED]
    shown = ", ".join(f"{index} ({_reason(predict.values[index])})" for index in named)
    more = len(error.indices) - len(named)
    return f"image_bytes: no image that can be decoded at index {shown}" + (
        f" and {more} more" if more else ""
    )


def _reason(content: bytes) -> str:
    """Says what may be wrong with a file; the graph says only that something is."""
    kind = kind_of(content)
    may_be_too_large = kind and kind != "JPEG" and "damaged" in explain(content, "")
    more = f", or has more than {MAX_PIXELS // 10**6} million pixels" if may_be_too_large else ""
    return explain(content, "") + more if content else "is empty"


async def _unless_small(num_bytes: int, function: Any, *arguments: Any) -> Any:
    if num_bytes < _LARGE_BYTES:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(value: object) -> Response:
    return Response(to_json(value), media_type="application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestError) else 500
    return _error(status, str(error), {"Retry-After": _RETRY_SECONDS} if status == _BUSY else {})


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"{error.detail}: {request.method} {request.url.path}"
    return _error(error.status_code, text, dict(error.headers or {}))


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=_GONE)


async def _failed(request: Request, error: Exception) -> Response:
    return _error(500, "Internal error; the server's own output has more of it.", {})


def _error(status: int, text: str, headers: dict[str, str]) -> Response:
    return Response(
        to_json({"error": text}), status, media_type="application/json", headers=headers
    )


def _read_page() -> tuple[str, dict[str, str]]:
    """Reads the page, and the headers by which it can run its own script and nothing else."""
    page = importlib.resources.files("kerastl.serving").joinpath("page.html").read_text("utf-8")
    allowed = {
        name: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        )
        for name, tag in (("script-src", "script"), ("style-src", "style"))
    }
    policy = {
        "default-src": "'none'",
        **allowed,
        "img-src": "blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return page, {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
