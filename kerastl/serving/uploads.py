"""Plain uploads: `/predict` accepts an image file as the body, or several in a form."""

import dataclasses
import email.message
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from python_multipart import FormParser

from kerastl.serving.batching import Outputs
from kerastl.serving.model_version import ModelVersion
from kerastl.serving.rest import RequestError, shortest

_FORM = "multipart/form-data"
_MAX_PARTS = 1000
_TOP = 5
_MAX_DIGITS = 9


@dataclasses.dataclass(frozen=True)
class Upload:
    """An image file, with its name if the client gave one."""

    content: bytes
    name: str | None


def read_top(query: Mapping[str, str]) -> int:
    """Reads the number of classes to return, as in `/predict?top=3`.

    Raises:
        RequestError: If it is not a positive integer.
    """
    text = query.get("top", str(_TOP))
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", text[:_MAX_DIGITS]) or len(text) > _MAX_DIGITS:
        raise RequestError(f"top={text[:_MAX_DIGITS]!r}: is not a positive integer.")
    return int(text)


def read_uploads(content_type: str, body: bytes) -> list[Upload]:
    """Finds the files in a body, in order.

    Raises:
        RequestError: If it is a form that is malformed or contains no file.
    """
    header = email.message.Message()
    header["Content-Type"] = content_type
    if header.get_content_type() != _FORM:
        return [Upload(body, None)]
    boundary = str(header.get_boundary("")).encode("latin-1", "replace")
    # The parser accepts the beginning of a form.
    if not body.rstrip().endswith(b"--" + boundary + b"--"):
        raise RequestError(f"{_FORM}: is incomplete. Send the whole form.")
    try:
        uploads = _read_form(boundary, body)
    except ValueError as error:
        raise RequestError(f"{_FORM}: cannot be read ({error}).") from error
    if not uploads:
        raise RequestError(f"{_FORM}: contains no file. Send one as curl -F image=@FILE does.")
    return uploads


def _read_form(boundary: bytes, body: bytes) -> list[Upload]:
    uploads: list[Upload] = []
    num_parts = 0

    def count(part: object) -> None:
        nonlocal num_parts
        num_parts += 1
        if num_parts > _MAX_PARTS:
            raise ValueError(f"it has more than {_MAX_PARTS} parts")

    def add(file: Any) -> None:
        count(file)
        file.file_object.seek(0)
        name = (file.file_name or b"").decode("utf-8", "replace")
        uploads.append(Upload(file.file_object.read(), name))

    # The body is in memory already, so no file has to be on disk.
    in_memory = {"MAX_MEMORY_FILE_SIZE": len(body)}
    parser = FormParser(_FORM, count, add, boundary=boundary, config=in_memory)
    parser.write(body)
    parser.finalize()
    return uploads


def render(
    model: ModelVersion, uploads: Sequence[Upload], results: Sequence[Outputs], *, top: int
) -> dict[str, Any]:
    """Builds the response: the class of each file, and the most likely ones."""
    predictions = []
    for upload, outputs in zip(uploads, results, strict=True):
        order = np.argsort(-outputs["probabilities"], kind="stable")[:top]
        probabilities = shortest(outputs["probabilities"][order])
        classes = [
            {"class_name": model.class_names[index], "probability": probability}
            for index, probability in zip(order, probabilities, strict=True)
        ]
        prediction = {
            "class_name": model.class_names[order[0]],
            "confidence": shortest(outputs["confidence"]),
            "classes": classes,
        }
        predictions.append(
            prediction if upload.name is None else {"file": upload.name} | prediction
        )
    return {"model": {"name": model.name, "version": model.version}, "predictions": predictions}
