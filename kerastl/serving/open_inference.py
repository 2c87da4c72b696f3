"""The Open Inference Protocol, version 2, in JSON, as KServe and Triton speak it.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from kerastl.outputs.formats.savedmodel import DEFAULT_SIGNATURE
from kerastl.serving.batching import Outputs
from kerastl.serving.infer_outputs import (
    CLASSIFICATION,
    Wanted,
    all_are_binary,
    read_wanted,
    render_outputs,
)
from kerastl.serving.model_version import ModelVersion
from kerastl.serving.rest import PredictRequest, RequestError, explain_no_json
from kerastl.serving.tensors import (
    BINARY,
    RIGHT_FORM,
    describe_tensors,
    read_images,
    split_body,
)
from kerastl.version import VERSION

SERVER = {"name": "kerastl", "version": VERSION, "extensions": [BINARY, CLASSIFICATION]}


@dataclasses.dataclass(frozen=True)
class InferRequest:
    """A request for some of the outputs of images.

    Attributes:
        images: The images.
        outputs: The outputs to return, in their order.
        id: What the client calls the request; None if it does not.
    """

    images: PredictRequest
    outputs: tuple[Wanted, ...]
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
        images = _images(DEFAULT_SIGNATURE, [binary])
        return InferRequest(images, _all_of(DEFAULT_SIGNATURE, model))
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        right_form = f"Send an object with one of these inputs: {_inputs_of(model)}"
        raise RequestError(explain_no_json(text, error, right_form)) from error
    tensors = document.get("inputs") if isinstance(document, dict) else None
    if not isinstance(tensors, list) or len(tensors) != 1 or not isinstance(tensors[0], dict):
        raise RequestError(f"expecting an object with one of these inputs: {_inputs_of(model)}")
    wanted = read_wanted(document)
    name = _find_signature(tensors[0].get("name"), [one.name for one in wanted], model)
    values = read_images(tensors[0], model.signatures[name], binary)
    wanted = wanted or _all_of(name, model, is_binary=all_are_binary(document))
    return InferRequest(_images(name, values), wanted, document.get("id"))


def _images(signature: str, values: list[Any]) -> PredictRequest:
    return PredictRequest(signature, values, by_row=False, right_form=RIGHT_FORM)


def _all_of(signature: str, model: ModelVersion, *, is_binary: bool = False) -> tuple[Wanted, ...]:
    return tuple(Wanted(name, is_binary) for name in model.signature_def[signature]["outputs"])


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
) -> tuple[dict[str, Any], bytes]:
    """Builds the response to an `infer` request, and the values that follow it in binary."""
    tensors, binary = render_outputs(request.outputs, results, model.class_names)
    document = {
        "model_name": model.name,
        "model_version": str(model.version),
        **({} if request.id is None else {"id": request.id}),
        "outputs": tensors,
    }
    return document, binary


def _find_signature(name: Any, outputs: Sequence[str], model: ModelVersion) -> str:
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
