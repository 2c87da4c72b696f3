"""The routes: TensorFlow Serving's REST interface, plain uploads, platforms, and the page."""

import asyncio
from collections.abc import Callable, Iterator
from importlib import resources
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kerastl.serving import open_inference, rest, uploads
from kerastl.serving.drop_page import read_page
from kerastl.serving.inference import Inference
from kerastl.serving.model_version import ModelVersion
from kerastl.serving.platforms import Platform
from kerastl.serving.request_body import RequestBodies
from kerastl.serving.responses import HANDLERS, binary_response, json_response
from kerastl.serving.tensors import LENGTH_HEADER

# Larger bodies are parsed in a thread, so that other clients do not wait.
_LARGE_BYTES = 1 << 19
_Parsed = TypeVar("_Parsed")


def build_app(inference: Inference, bodies: RequestBodies, platform: Platform) -> Starlette:
    """Builds the application that serves the current version of a model."""
    endpoints = _Endpoints(inference, bodies)
    app = Starlette(
        # The first that fits answers, and a platform may want a path that is taken.
        routes=[
            *_platform_routes(endpoints, platform),
            Route("/", endpoints.page),
            Route("/openapi.json", endpoints.openapi),
            Route("/model", endpoints.model),
            Route("/healthz", endpoints.healthz),
            Route("/health", endpoints.healthz),
            Route("/metrics", endpoints.metrics),
            Route("/predict", endpoints.predict_files, methods=["POST"]),
            *_model_routes(endpoints),
            *_open_inference_routes(endpoints),
        ],
        exception_handlers=HANDLERS,
    )
    # Many clients do not follow a redirection of what they post.
    app.router.redirect_slashes = False
    return app


def _platform_routes(endpoints: "_Endpoints", platform: Platform) -> Iterator[Route]:
    """Routes of the platforms that read variables, and SageMaker's."""
    for path in filter(None, (platform.health_route, "/ping")):
        yield Route(path, endpoints.healthz)
    for path in filter(None, (platform.predict_route, "/invocations")):
        yield Route(path, endpoints.predict_any, methods=["POST"])


def _model_routes(endpoints: "_Endpoints") -> Iterator[Route]:
    """TensorFlow Serving's, and the list of models that KServe adds to it.

    https://www.tensorflow.org/tfx/serving/api_rest
    https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
    """
    yield Route("/v1/models", endpoints.models)
    paths = ("/v1/models/{name}", "/v1/models/{name}/versions/{version:int}")
    for path in paths:
        yield Route(f"{path}:predict", endpoints.predict, methods=["POST"])
        yield Route(f"{path}/metadata", endpoints.metadata)
        yield Route(path, endpoints.status)


def _open_inference_routes(endpoints: "_Endpoints") -> Iterator[Route]:
    yield Route("/v2", endpoints.v2_server)
    yield Route("/v2/health/live", endpoints.v2_live)
    yield Route("/v2/health/ready", endpoints.v2_ready)
    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version:int}"):
        yield Route(path, endpoints.v2_metadata)
        yield Route(f"{path}/ready", endpoints.v2_model_ready)
        yield Route(f"{path}/infer", endpoints.v2_infer, methods=["POST"])


class _Endpoints:
    def __init__(self, inference: Inference, bodies: RequestBodies) -> None:
        self._inference = inference
        self._bodies = bodies
        self._html, self._headers = read_page()
        self._openapi = resources.files("kerastl.serving").joinpath("openapi.json").read_bytes()

    async def page(self, request: Request) -> Response:
        return Response(self._html, media_type="text/html", headers=self._headers)

    async def openapi(self, request: Request) -> Response:
        return Response(self._openapi, media_type="application/json")

    async def model(self, request: Request) -> Response:
        model = self._inference.model
        names = ("name", "version", "class_names", "card")
        return json_response({name: getattr(model, name) for name in names})

    async def models(self, request: Request) -> Response:
        return json_response({"models": [self._inference.model.name]})

    async def healthz(self, request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def metrics(self, request: Request) -> Response:
        metrics = self._inference.metrics
        text = metrics.text(
            queue_images=self._inference.batcher.num_waiting,
            body_bytes=self._bodies.num_bytes,
            model_version=self._inference.model.version,
        )
        return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def status(self, request: Request) -> Response:
        if ":" in request.path_params["name"]:
            raise HTTPException(405, headers={"Allow": "POST"})
        return json_response(rest.status_of(self._inference.find(request)))

    async def metadata(self, request: Request) -> Response:
        return json_response(rest.describe(self._inference.find(request)))

    async def predict(self, request: Request) -> Response:
        model = self._inference.find(request)
        async with self._bodies.read(request) as body:
            return await self._predict_json(request, model, body)

    async def predict_files(self, request: Request) -> Response:
        async with self._bodies.read(request) as body:
            return await self._predict_files(request, self._inference.model, body)

    async def predict_any(self, request: Request) -> Response:
        """Predicts for JSON as at `:predict`, or for image files as at `/predict`."""
        async with self._bodies.read(request) as body:
            is_json = rest.looks_like_json(request.headers.get("content-type", ""), body)
            answer = self._predict_json if is_json else self._predict_files
            return await answer(request, self._inference.model, body)

    async def v2_server(self, request: Request) -> Response:
        return json_response(open_inference.SERVER)

    async def v2_live(self, request: Request) -> Response:
        return json_response({"live": True})

    async def v2_ready(self, request: Request) -> Response:
        return json_response({"ready": True})

    async def v2_model_ready(self, request: Request) -> Response:
        return json_response({"name": self._inference.find(request).name, "ready": True})

    async def v2_metadata(self, request: Request) -> Response:
        return json_response(open_inference.describe_model(self._inference.find(request)))

    async def v2_infer(self, request: Request) -> Response:
        model = self._inference.find(request)
        header = request.headers.get(LENGTH_HEADER)
        async with self._bodies.read(request) as body:
            parsed = await _parse(body, lambda: open_inference.parse_infer(body, header, model))
            results = await self._inference.compute(request, model, parsed.images)
        document, binary = open_inference.render_infer(model, parsed, results)
        return binary_response(document, binary) if binary else json_response(document)

    async def _predict_json(self, request: Request, model: ModelVersion, body: bytes) -> Response:
        parsed = await _parse(body, lambda: rest.parse_predict(body, model))
        results = await self._inference.compute(request, model, parsed)
        content = rest.render_predict(results, by_row=parsed.by_row)
        return Response(content, media_type="application/json")

    async def _predict_files(self, request: Request, model: ModelVersion, body: bytes) -> Response:
        top = uploads.read_top(request.query_params)
        content_type = request.headers.get("content-type", "")
        files = await _parse(body, lambda: uploads.read_uploads(content_type, body))
        parsed = uploads.to_request(files, content_type, model)
        results = await self._inference.compute(request, model, parsed)
        return json_response(uploads.render(model, files, results, top=top))


async def _parse(body: bytes, function: Callable[[], _Parsed]) -> _Parsed:
    return await asyncio.to_thread(function) if len(body) >= _LARGE_BYTES else function()
