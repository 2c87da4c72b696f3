"""The JSON of TensorFlow Serving's REST interface.

https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.data.file_formats import find_format
from kerastl.errors import name_some
from kerastl.outputs.formats.savedmodel import DEFAULT_SIGNATURE
from kerastl.serving.batching import Outputs
from kerastl.serving.model_version import ModelVersion, Signature
from kerastl.serving.wrong_forms import has_lost_plus, name_form, name_value

_BASE64 = "b64"
_BYTES = "_bytes"
_CHANNELS = 3
_PIXELS = "images"
_HEAD = 1024
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
_JSON_STARTS = (b"{", b"[", b'"')


# As base64.b64encode gives it: the alphabet with + and /.
_FILE = '{"b64": "<base64 encoded string>"}'
_RIGHT_FORM = f"Send the standard base64 of the whole file, and nothing else, as {_FILE}."
_EXAMPLE = f', as in {{"instances": [{_FILE}]}}'
_FILES_GO = f'; image files go to the signature "{DEFAULT_SIGNATURE}"'


class RequestError(Exception):
    """A request cannot be answered: the HTTP status, and the reason for the client."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True)
class PredictRequest:
    """A request for predictions, with a value for each image."""

    signature: str
    values: Sequence[Any]
    # Whether the response has a row for each image, or a column for each output.
    by_row: bool
    # What to send instead of a file in a wrong form.
    right_form: str
    # Whether this is the answer to any file that cannot be decoded.
    is_suspect: bool = False


def parse_predict(body: bytes, model: ModelVersion) -> PredictRequest:
    """Reads the body of a `:predict` request.

    Raises:
        RequestError: If TensorFlow Serving would refuse it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(explain_no_json(body, error, f"Send JSON{_EXAMPLE}.")) from error
    if not isinstance(document, dict):
        raise RequestError(f"JSON Value: Is not object{_EXAMPLE}{describe_body(body)}")
    name = document.get("signature_name", "") or DEFAULT_SIGNATURE
    if not isinstance(name, str):
        raise RequestError("'signature_name' key must be a string value.")
    if name not in model.signatures:
        known = ", ".join(f'"{one}"' for one in sorted(model.signatures))
        raise RequestError(
            f'Serving signature name: "{name}" not found in signature def, which has {known}'
        )
    signature = model.signatures[name]
    if ("instances" in document) == ("inputs" in document):
        problem = "expecting only one of" if "inputs" in document else "Missing"
        raise RequestError(f"{problem} 'inputs' or 'instances' key{_EXAMPLE}")
    by_row = "instances" in document
    read = _from_rows if by_row else _from_column
    values = read(document["instances" if by_row else "inputs"], signature)
    if len({np.shape(value) for value in values}) > 1:
        raise RequestError(f"{signature.input_name}: expecting images of one size in a request")
    return PredictRequest(name, values, by_row, _RIGHT_FORM)


def looks_like_json(content_type: str, body: bytes) -> bool:
    """Reports whether a body is rather JSON than image files."""
    return "json" in content_type.lower() or body[:_HEAD].lstrip(_BEFORE_JSON)[:1] in _JSON_STARTS


def explain_no_json(body: bytes, error: Exception, right_form: str) -> str:
    """Explains why a body cannot be read as JSON, and what to send."""
    problem = "the body is empty" if not body.strip() else str(error)
    return f"JSON Parse error: {problem}{describe_body(body) or f'. {right_form}'}"


def describe_body(body: bytes) -> str:
    """Names a body that is no JSON, and where it belongs; empty if unknown."""
    found = find_format(body)
    form = f"a {found.name} file" if found else name_form(body).removesuffix("JSON")
    return f". The body is {form}. Send JSON; image files go to POST /predict." if form else ""


def render_predict(results: Sequence[Outputs], *, by_row: bool) -> bytes:
    """Renders the response to a `:predict` request."""
    names = sorted(results[0])
    columns = {name: plain(name, np.stack([result[name] for result in results])) for name in names}
    # A single output has no name.
    is_alone = len(names) == 1
    if not by_row:
        return to_json({"outputs": columns[names[0]] if is_alone else columns})
    if is_alone:
        return to_json({"predictions": columns[names[0]]})
    values = zip(*columns.values(), strict=True)
    return to_json({"predictions": [dict(zip(names, row, strict=True)) for row in values]})


def to_json(value: object) -> bytes:
    """Renders JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def shortest(values: np.ndarray) -> Any:
    """Returns lists of floats with the fewest digits that give the same values again."""
    return np.asarray(values).astype(np.str_).astype(np.float64).tolist()


def plain(name: str, values: np.ndarray) -> Any:
    """Returns the values of an output as JSON has them."""
    if values.dtype.kind == "f":
        return shortest(values)
    if values.dtype.kind not in "OS":
        return values.tolist()
    if name.endswith(_BYTES):
        return [{_BASE64: base64.b64encode(value).decode("ascii")} for value in values.tolist()]
    return [value.decode("utf-8", "replace") for value in values.tolist()]


def read_base64(text: str, *, right_form: str = _RIGHT_FORM) -> bytes:
    """Decodes base64; as TensorFlow Serving, accepts spaces and missing padding.

    Raises:
        RequestError: If it is anything else, or holds an image in yet another form.
    """
    bare = "".join(text.split())
    problem = ""
    try:
        content = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError as error:
        content, problem = b"", f" ({error})"
    # Hexadecimal digits and text that was encoded twice are base64 too.
    letters = text.encode("utf-8", "surrogatepass")
    is_clean = find_format(content) and not has_lost_plus(letters)
    form = "" if is_clean else name_form(letters)
    if problem or form:
        # Only the number of letters is wrong.
        is_cut = problem and form.startswith("base64 text of a ")
        form += " that lost characters on the way" if is_cut else ""
        reason = f": it is {form}" if form else problem
        raise RequestError(f"Unable to base64 decode{reason}. {right_form}")
    return content


def describe(model: ModelVersion) -> dict[str, Any]:
    """Returns a model's metadata as TensorFlow Serving does, plus the model card."""
    signature_def = {"signature_def": model.signature_def}
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {"signature_def": signature_def, "model_card": model.card},
    }


def status_of(model: ModelVersion) -> dict[str, Any]:
    """Returns the status of a model that is served, as TensorFlow Serving does."""
    state: Mapping[str, Any] = {
        "version": str(model.version),
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    return {"model_version_status": [state]}


def _from_rows(instances: Any, signature: Signature) -> list[Any]:
    if not isinstance(instances, list):
        raise RequestError(f"Expecting 'instances' to be a list/array{_EXAMPLE}")
    if not instances:
        raise RequestError("No values in 'instances' array")
    values = []
    for index, instance in enumerate(instances):
        try:
            values.append(_value(_named(instance, signature), signature))
        except RequestError as error:
            raise RequestError(
                f"Failed to process element: {index} of 'instances' list. Error: {error}"
            ) from error
    return values


def _from_column(inputs: Any, signature: Signature) -> list[Any]:
    column = _named(inputs, signature)
    if not isinstance(column, list):
        hint = f', as in {{"inputs": [{_FILE}]}}' if signature.takes_files else _FILES_GO
        raise RequestError(
            f"{signature.input_name}: expecting a list with a value for each image{hint}"
        )
    if not column:
        raise RequestError(f"{signature.input_name}: is an empty batch")
    values = []
    for index, item in enumerate(column):
        try:
            values.append(_value(item, signature))
        except RequestError as error:
            raise RequestError(f"{signature.input_name}: at index {index}: {error}") from error
    return values


def _named(value: Any, signature: Signature) -> Any:
    """Returns the value of the only input, which may come without its name."""
    if not isinstance(value, dict) or set(value) == {_BASE64}:
        return value
    if name_value(value):
        return value
    if set(value) != {signature.input_name}:
        example = f', as in {{"{signature.input_name}": {_FILE}}}' if signature.takes_files else ""
        raise RequestError(
            f"JSON object: keys must be equal to: {signature.input_name}, not {name_some(value)}"
            f"{example}"
        )
    return value[signature.input_name]


def _value(value: Any, signature: Signature) -> Any:
    return _file(value) if signature.takes_files else _pixels(value)


def _file(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    is_base64 = isinstance(value, dict) and isinstance(value.get(_BASE64), str)
    if not is_base64:
        form = name_value(value)
        raise RequestError(
            f"expecting an image file as {_FILE}, not {form}"
            if form
            else f"expecting an image file as {_FILE}; pixels go to the "
            f'signature "{_PIXELS}", with "signature_name": "{_PIXELS}"'
        )
    return read_base64(value[_BASE64])


def _pixels(value: Any) -> np.ndarray:
    try:
        values = np.asarray(value)
    except ValueError as error:
        raise RequestError("Encountered lists of unexpected sizes") from error
    pixels = to_pixels(values) if values.shape[2:] == (_CHANNELS,) else None
    if pixels is None:
        raise RequestError(f"expecting pixels as integers in 0..255, (height, width, 3){_FILES_GO}")
    return pixels


def to_pixels(values: np.ndarray) -> np.ndarray | None:
    """Returns whole numbers in 0..255 as uint8, also those that are written as 255.0.

    None if there are others, or none at all.
    """
    limits = np.iinfo(np.uint8)
    if values.dtype.kind not in "iuf" or not values.size:
        return None
    # Written this way round, as a comparison with a number that is none is false.
    is_whole = values.min() >= limits.min and values.max() <= limits.max
    return values.astype(np.uint8) if is_whole and (values % 1 == 0).all() else None
