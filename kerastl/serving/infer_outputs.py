"""What an `infer` request asks for of each output, and the tensors of its response.

Values may follow the JSON in binary, and the highest scores may come with the names of their
classes, which are extensions of Triton:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.serving.batching import Outputs
from kerastl.serving.rest import RequestError, plain
from kerastl.serving.tensors import datatype_of, parameters_of, to_binary

CLASSIFICATION = "classification"
_BINARY, _ALL_BINARY = "binary_data", "binary_data_output"
# Outputs with a value for each class.
_SCORES = ("probabilities", "logits")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """An output that a request asks for.

    Attributes:
        name: Its name.
        is_binary: Whether its values follow the JSON.
        top: In place of the values, so many of the highest, each as text "value:index:class"; 0
            for the values.
    """

    name: str
    is_binary: bool = False
    top: int = 0


def read_wanted(document: Mapping[str, Any]) -> tuple[Wanted, ...]:
    """Reads which outputs a request asks for; none stands for all.

    Raises:
        RequestError: If one does not follow the protocol.
    """
    outputs = document.get("outputs") or []
    is_list = isinstance(outputs, list) and all(isinstance(one, dict) for one in outputs)
    if not is_list or not all(isinstance(one.get("name"), str) for one in outputs):
        raise RequestError('outputs: expecting a list of objects with a "name"')
    return tuple(_read(one, all_are_binary(document)) for one in outputs)


def all_are_binary(document: Mapping[str, Any]) -> bool:
    """Whether outputs follow the JSON that do not say so themselves."""
    return _read_flag("request", parameters_of(document, "request"), _ALL_BINARY)


def _read(output: Mapping[str, Any], is_binary: bool) -> Wanted:
    name = output["name"]
    parameters = parameters_of(output, name)
    top = parameters.get(CLASSIFICATION, 0)
    if not isinstance(top, int) or isinstance(top, bool) or top < 0:
        raise RequestError(f"{name}: {CLASSIFICATION} is not the number of classes to return")
    if top and name not in _SCORES:
        raise RequestError(f"{name}: {CLASSIFICATION} is for {' or '.join(_SCORES)}")
    return Wanted(name, _read_flag(name, parameters, _BINARY, is_binary), top)


def _read_flag(owner: str, parameters: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RequestError(f"{owner}: {name} is neither true nor false")
    return value


def render_outputs(
    wanted: Sequence[Wanted], results: Sequence[Outputs], class_names: Sequence[str]
) -> tuple[list[dict[str, Any]], bytes]:
    """Builds the tensors of a response: as JSON, and what follows it in binary."""
    tensors, parts = [], []
    for one in wanted:
        values = np.stack([result[one.name] for result in results])
        if one.top:
            values = _name_highest(values, one.top, class_names)
        about = {"name": one.name, "shape": list(values.shape), "datatype": datatype_of(values)}
        if one.is_binary:
            parts.append(to_binary(values))
            tensors.append(about | {"parameters": {"binary_data_size": len(parts[-1])}})
        else:
            tensors.append(about | {"data": plain(one.name, values.reshape(-1))})
    return tensors, b"".join(parts)


def _name_highest(scores: np.ndarray, top: int, class_names: Sequence[str]) -> np.ndarray:
    """Writes the highest scores of each image as "value:index:class", (images, top)."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    texts = [
        [f"{row[index]}:{index}:{class_names[index]}".encode() for index in indices]
        for row, indices in zip(scores, order.tolist(), strict=True)
    ]
    return np.array(texts, object)
