"""What every protocol shares: the model that a path names, and the outputs for a request."""

import asyncio
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request

from kerastl.data.file_formats import FORMATS
from kerastl.data.reasons import UNSUPPORTED, explain
from kerastl.progress import count_of
from kerastl.serving.batching import BadImagesError, Batcher, Outputs, QueueFullError
from kerastl.serving.metrics import Metrics
from kerastl.serving.model_version import ModelVersion
from kerastl.serving.rest import PredictRequest, RequestError
from kerastl.serving.versions import Versions
from kerastl.serving.wrong_forms import name_form

_BUSY = 503
_MAX_INDICES = 20
*_SOME, _LAST = (one.name for one in FORMATS if one.is_decoded)
_KINDS = f"Send {', '.join(_SOME)} or {_LAST}."


class Inference:
    """Answers requests with the current version of a model."""

    def __init__(self, versions: Versions, batcher: Batcher, metrics: Metrics) -> None:
        self._versions = versions
        self.batcher = batcher
        self.metrics = metrics

    @property
    def model(self) -> ModelVersion:
        """The version that is served now."""
        return self._versions.current

    def find(self, request: Request) -> ModelVersion:
        """Finds the model that a path names.

        Raises:
            RequestError: If it is not the one that is served.
        """
        model = self.model
        name, version = request.path_params["name"], request.path_params.get("version")
        if name == model.name and version in (None, model.version):
            return model
        requested = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise RequestError(
            f"Servable not found for request: {requested}. This server has {model.name}, version "
            f"{model.version}.",
            404,
        )

    async def compute(
        self, request: Request, model: ModelVersion, parsed: PredictRequest
    ) -> Sequence[Outputs]:
        """Waits for the outputs, unless the client disconnects.

        Raises:
            RequestError: If the queue is full, or an image cannot be decoded.
            ClientDisconnect: If the client disconnects.
        """
        num_images = len(parsed.values)
        if num_images > self.batcher.queue_size:
            raise RequestError(
                f"The request has {count_of(num_images, 'image')}, and the queue holds "
                f"{self.batcher.queue_size}. Send fewer at a time, or restart the server with a "
                "larger --queue_size.",
                413,
            )
        try:
            submission = self.batcher.submit(model, parsed.signature, parsed.values)
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
            self.metrics.bad_images.inc(len(error.indices))
            raise RequestError(_describe(error, parsed)) from error
        finally:
            disconnect.cancel()
            self.batcher.withdraw(submission)


def _describe(error: BadImagesError, parsed: PredictRequest) -> str:
    if not isinstance(parsed.values[0], bytes):
        return str(error).split("\n")[0]
    named = {index: parsed.values[index] for index in error.indices[:_MAX_INDICES]}
    reasons = ", ".join(f"{index} ({_reason(content)})" for index, content in named.items())
    more = len(error.indices) - len(named)
    is_wrong = parsed.is_suspect or any(map(name_form, named.values()))
    # A picture of another kind came in the right form.
    advice = _KINDS if UNSUPPORTED in reasons else parsed.right_form if is_wrong else ""
    return "".join(
        [
            f"image_bytes: cannot decode the image at index {reasons}",
            f" and {more} more" if more else "",
            advice and f". {advice}",
        ]
    )


def _reason(content: bytes) -> str:
    """Describes what is wrong with a file; the model reports only its index."""
    if form := name_form(content):
        return f"is {form}"
    return explain(content)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
