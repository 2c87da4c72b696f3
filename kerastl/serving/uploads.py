"""Plain uploads: `/predict` accepts an image file as the body, or several in a form."""

import dataclasses
import email.message
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from python_multipart import FormParser

from kerastl.data.file_formats import find_format
from kerastl.outputs.formats.savedmodel import DEFAULT_SIGNATURE
from kerastl.serving.batching import Outputs
from kerastl.serving.model_version import ModelVersion
from kerastl.serving.rest import PredictRequest, RequestError, shortest
from kerastl.serving.wrong_forms import name_form

_FORM = "multipart/form-data"
# What curl calls every body that its options -d and --data-binary send.
_FIELDS = "application/x-www-form-urlencoded"
_MAX_PARTS = 1000
# Bytes of a field of text that a message shows.
_SHOWN = 40
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
    header = _header(content_type)
    if header.get_content_type() != _FORM:
        if header.get_content_maintype() == "multipart":
            raise RequestError(
                f"{header.get_content_type()}: is not {_FORM}. Send the file itself, or a form as "
                "curl -F image=@FILE does."
            )
        return [Upload(body, None)]
    boundary = str(header.get_boundary("")).encode("latin-1", "replace")
    if not boundary or b"--" + boundary not in body:
        raise RequestError(
            f"{_FORM}: the header Content-Type does not have the boundary of the form. Leave that "
            "header to the client, which writes it with the boundary."
        )
    # The parser accepts the beginning of a form.
    if not body.rstrip().endswith(b"--" + boundary + b"--"):
        raise RequestError(f"{_FORM}: is incomplete. Send the whole form.")
    try:
        uploads = _read_form(boundary, body)
    except ValueError as error:
        raise RequestError(
            f"{_FORM}: cannot be read ({error}). Send one as curl -F image=@FILE does."
        ) from error
    return uploads


def to_request(uploads: Sequence[Upload], content_type: str, model: ModelVersion) -> PredictRequest:
    """Predicts the classes of files."""
    kind = _header(content_type).get_content_type()
    # A body that is no image may be anything that a client takes for a request.
    is_other = kind != _FORM and not any(find_format(upload.content) for upload in uploads)
    return PredictRequest(
        DEFAULT_SIGNATURE,
        [upload.content for upload in uploads],
        by_row=True,
        right_form="Send the file itself, as curl --data-binary @FILE or curl -F image=@FILE does "
        f"(curl -d removes line ends); JSON goes to /v1/models/{model.name}:predict.",
        is_suspect=kind == _FIELDS or is_other,
    )


def _header(content_type: str) -> email.message.Message:
    header = email.message.Message()
    header["Content-Type"] = content_type
    return header


def _read_form(boundary: bytes, body: bytes) -> list[Upload]:
    uploads: list[Upload] = []
    fields: list[str] = []

    def count() -> None:
        if len(uploads) + len(fields) >= _MAX_PARTS:
            raise ValueError(f"it has more than {_MAX_PARTS} parts")

    def add_field(field: Any) -> None:
        count()
        content = field.value or b""
        if find_format(content):  # A file that came without a name.
            uploads.append(Upload(content, None))
        else:
            form = name_form(content) or f"the text {_decode(content[:_SHOWN])!r}"
            fields.append(f"{_decode(field.field_name)!r} with {form}")

    def add_file(file: Any) -> None:
        count()
        # Browsers send the fields for files that were left empty, too, so without a name.
        if file.file_name or file.size:
            file.file_object.seek(0)
            uploads.append(Upload(file.file_object.read(), _decode(file.file_name)))

    # The body is in memory already, so no file has to be on disk.
    in_memory = {"MAX_MEMORY_FILE_SIZE": len(body)}
    parser = FormParser(_FORM, add_field, add_file, boundary=boundary, config=in_memory)
    parser.write(body)
    parser.finalize()
    if not uploads:
        found = f", only the field {fields[0]}" if fields else ""
        raise RequestError(
            f"{_FORM}: contains no file{found}. Send one as curl -F image=@FILE does."
        )
    return uploads


def _decode(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace")


def render(
    model: ModelVersion, uploads: Sequence[Upload], results: Sequence[Outputs], *, top: int
) -> dict[str, Any]:
    """Builds the response: the class of each file, and the most likely ones."""
    predictions = []
    for upload, outputs in zip(uploads, results, strict=True):
        order = np.argsort(-outputs["probabilities"], kind="stable")
        probabilities = shortest(outputs["probabilities"][order[:top]])
        classes = [
            {"class_name": model.class_names[index], "probability": probability}
            for index, probability in zip(order[:top], probabilities, strict=True)
        ]
        prediction = {
            "class_name": model.class_names[order[0]],
            "confidence": shortest(outputs["confidence"]),
            "classes": classes,
        }
        if "in_set" in outputs:
            names = (model.class_names[index] for index in order if outputs["in_set"][index])
            prediction["class_set"] = [*names]
        if "is_known" in outputs:
            prediction["is_known"] = bool(outputs["is_known"])
        predictions.append(
            prediction if upload.name is None else {"file": upload.name} | prediction
        )
    return {"model": {"name": model.name, "version": model.version}, "predictions": predictions}
