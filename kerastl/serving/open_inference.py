"""The Open Inference Protocol, version 2, in JSON, as KServe and Triton speak it.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastl.outputs.formats.savedmodel import DEFAULT_SIGNATURE
from kerastl.serving.batching import Outputs
from kerastl.serving.model_version import ModelVersion
from kerastl.serving.rest import PredictRequest, RequestError, explain_no_json, plain
from kerastl.serving.tensors import (
    BINARY,
    RIGHT_FORM,
    datatype_of,
    describe_tensors,
    read_images,
    split_body,
)
from kerastl.version import VERSION

LENGTH_HEADER = "Inference-Header-Content-Length"
SERVER = {"name": "kerastl", "version": VERSION, "extensions": [BINARY]}


@dataclasses.dataclass(frozen=True)
class InferRequest:
    """A request for some of the outputs of images.

    Attributes:
        images: The images.
        outputs: Names of the outputs to return, in their order.
        id: What the client calls the request; None if it does not.
    """

    images: PredictRequest
    outputs: tuple[str, ...]
    id: Any = None


def parse_infer(body: bytes, json_length: str | None, model: ModelVersion) -> InferRequest:
    """Reads the body of an `infer` request.

    Args:
        body: The body.
        json_length: Length of the JSON at its beginning, None for all of it.
        model: The model that predicts.

    Raises:
        RequestError: If it does not follow the protocol, or does not fit the model.
    """
    text, binary = split_body(body, json_length)
    if binary and not text:
        # As in Triton, a file alone is the only element of the only input.
        return _request(DEFAULT_SIGNATURE, [binary], (), model)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        right_form = f"Send an object with one of these inputs: {_inputs_of(model)}"
        raise RequestError(explain_no_json(text, error, right_form)) from error
    tensors = document.get("inputs") if isinstance(document, dict) else None
    if not isinstance(tensors, list) or len(tensors) != 1 or not isinstance(tensors[0], dict):
        raise RequestError(f"expecting an object with one of these inputs: {_inputs_of(model)}")
    outputs = _output_names(document.get("outputs") or [])
    name = _find_signature(tensors[0].get("name"), outputs, model)
    values = read_images(tensors[0], model.signatures[name], binary)
    return _request(name, values, outputs, model, document.get("id"))


def describe_model(model: ModelVersion) -> dict[str, Any]:
    """Returns the metadata of a model, with the input and the outputs for image files."""
    signature = model.signature_def[DEFAULT_SIGNATURE]
    return {
        "name": model.name,
        "versions": [str(model.version)],
        "platform": "tensorflow_savedmodel",
        "inputs": describe_tensors(signature["inputs"]),
        "outputs": describe_tensors(signature["outputs"]),
    }


def render_infer(
    model: ModelVersion, request: InferRequest, results: Sequence[Outputs]
) -> dict[str, Any]:
    """Builds the response to an `infer` request."""
    columns = {name: np.stack([result[name] for result in results]) for name in request.outputs}
    return {
        "model_name": model.name,
        "model_version": str(model.version),
        **({} if request.id is None else {"id": request.id}),
        "outputs": [
            {
                "name": name,
                "shape": list(values.shape),
                "datatype": datatype_of(values),
                "data": plain(name, values.reshape(-1)),
            }
            for name, values in columns.items()
        ],
    }


def _request(
    signature: str, values: list[Any], outputs: tuple[str, ...], model: ModelVersion, id: Any = None
) -> InferRequest:
    images = PredictRequest(signature, values, by_row=False, right_form=RIGHT_FORM)
    return InferRequest(images, outputs or tuple(model.signature_def[signature]["outputs"]), id)


def _output_names(outputs: Any) -> tuple[str, ...]:
    is_list = isinstance(outputs, list) and all(isinstance(one, dict) for one in outputs)
    if not is_list or not all(isinstance(one.get("name"), str) for one in outputs):
        raise RequestError('outputs: expecting a list of objects with a "name"')
    return tuple(one["name"] for one in outputs)


def _find_signature(name: Any, outputs: tuple[str, ...], model: ModelVersion) -> str:
    """Finds the signature with an input of this name and these outputs, the default one first."""
    fitting = [key for key, one in model.signatures.items() if one.input_name == name]
    if not fitting:
        raise RequestError(f"inputs: {name!r} is none of {_inputs_of(model)}")
    fitting.sort(key=lambda key: key != DEFAULT_SIGNATURE)
    known = {key: model.signature_def[key]["outputs"] for key in fitting}
    for key in fitting:
        if set(outputs) <= set(known[key]):
            return key
    names = " or ".join(", ".join(known[key]) for key in fitting)
    raise RequestError(f"outputs: {', '.join(outputs)} are not outputs together; they are {names}")


def _inputs_of(model: ModelVersion) -> str:
    kinds = {one.input_name: one.takes_files for one in model.signatures.values()}
    return ", ".join(
        f"{name} (datatype {'BYTES' if takes_files else 'UINT8 or FP32'})"
        for name, takes_files in kinds.items()
    )
