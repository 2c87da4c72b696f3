"""Plain uploads: `/predict` takes an image file as the body, or several as a form does."""

import dataclasses
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import numpy as np
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from kerastl.serving.batching import Row
from kerastl.serving.models import Model
from kerastl.serving.rest import RequestError, shortest

_TOP = 5
_MOST_DIGITS = 9


@dataclasses.dataclass(frozen=True)
class File:
    """An image file, with its name where the client gave one."""

    content: bytes
    name: str | None


def read_top(query: Mapping[str, str]) -> int:
    """Reads how many classes the answer is to name, as in `/predict?top=3`.

    Raises:
        RequestError: If it is not a whole number above 0.
    """
    text = query.get("top", str(_TOP))
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", text[:_MOST_DIGITS]) or len(text) > _MOST_DIGITS:
        raise RequestError(f"top={text[:_MOST_DIGITS]!r}: is not a whole number above 0.")
    return int(text)


async def read_files(request: Request, body: bytes) -> list[File]:
    """Finds the files in a body, in their order.

    Raises:
        RequestError: If it is a form that is malformed or has no file.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind.lower() != b"multipart/form-data":
        return [File(body, None)]
    # The parser takes what there is of a form that was cut off.
    end = b"--" + options.get(b"boundary", b"") + b"--"
    if not body.rstrip().endswith(end):
        raise RequestError("multipart/form-data: is cut off, or has no end. Send it whole.")

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    parser = MultiPartParser(request.headers, stream())
    # The body is in memory already, and no form of that size has to go to the disk.
    parser.spool_max_size = len(body)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise RequestError(f"multipart/form-data: cannot be read ({error}).") from error
    files = [
        File(await part.read(), part.filename)
        for _, part in form.multi_items()
        if isinstance(part, UploadFile)
    ]
    await form.close()
    if not files:
        raise RequestError(
            "multipart/form-data: has no file. Send one as curl -F image=@FILE does."
        )
    return files


def render(model: Model, files: Sequence[File], rows: Sequence[Row], *, top: int) -> dict[str, Any]:
    """Builds the answer: for each file its class and the most probable ones."""
    predictions = []
    for file, row in zip(files, rows, strict=True):
        order = np.argsort(-row["probabilities"], kind="stable")[:top]
        probabilities = shortest(row["probabilities"][order])
        classes = [
            {"class_name": model.class_names[index], "probability": probability}
            for index, probability in zip(order, probabilities, strict=True)
        ]
        name = {} if file.name is None else {"file": file.name}
        predictions.append(
            {
                **name,
                "class_name": model.class_names[order[0]],
                "confidence": shortest(row["confidence"]),
                "classes": classes,
            }
        )
    return {
        "model": {"name": model.name, "version": model.version},
        "predictions": predictions,
    }
