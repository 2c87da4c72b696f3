"""Tensors of the Open Inference Protocol: their types, and what images clients put into them.

Data may follow the JSON in binary, which is what Triton's clients do by default:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerastl.progress import count_of
from kerastl.serving.model_version import Signature
from kerastl.serving.rest import RequestError, read_base64, to_pixels

LENGTH_HEADER = "Inference-Header-Content-Length"
BINARY = "binary_tensor_data"
# A parameter of Triton's clients on the same machine.
_SHARED = "shared_memory_region"
_FILES, _CHANNELS, _PIXEL_AXES = "BYTES", 3, 4
RIGHT_FORM = (
    'Send the standard base64 of the whole file, and nothing else, as an element of "data" with '
    'the "datatype" BYTES.'
)
# The protocol's data types with NumPy's and TensorFlow's.
_TYPES = (
    (_FILES, "object", "DT_STRING"),
    ("BOOL", "bool", "DT_BOOL"),
    ("UINT8", "uint8", "DT_UINT8"),
    ("UINT16", "uint16", "DT_UINT16"),
    ("UINT32", "uint32", "DT_UINT32"),
    ("UINT64", "uint64", "DT_UINT64"),
    ("INT8", "int8", "DT_INT8"),
    ("INT16", "int16", "DT_INT16"),
    ("INT32", "int32", "DT_INT32"),
    ("INT64", "int64", "DT_INT64"),
    ("FP16", "float16", "DT_HALF"),
    ("FP32", "float32", "DT_FLOAT"),
    ("FP64", "float64", "DT_DOUBLE"),
)
_OF_TENSORFLOW = {tensorflow: ours for ours, _, tensorflow in _TYPES}
_OF_NUMPY = {numpy: ours for ours, numpy, _ in _TYPES}
_TO_NUMPY = {ours: numpy for ours, numpy, _ in _TYPES}


def describe_tensors(infos: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Describes inputs or outputs of a signature."""
    return [
        {
            "name": name,
            "datatype": _OF_TENSORFLOW[info["dtype"]],
            "shape": [int(axis["size"]) for axis in info["tensor_shape"]["dim"]],
        }
        for name, info in infos.items()
    ]


def datatype_of(values: np.ndarray) -> str:
    """Returns the protocol's name of an array's type."""
    return _FILES if values.dtype.kind in "SO" else _OF_NUMPY[values.dtype.name]


def to_binary(values: np.ndarray) -> bytes:
    """Returns an array's values as they follow the JSON: each text comes after its length."""
    if datatype_of(values) == _FILES:
        return b"".join(struct.pack("<I", len(one)) + one for one in values.reshape(-1))
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def parameters_of(owner: Mapping[str, Any], name: Any) -> Mapping[str, Any]:
    """Returns the parameters of a request, an input or an output.

    Raises:
        RequestError: If they are no object, or name memory that the client shares.
    """
    parameters = owner.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise RequestError(f"{name}: its parameters are not an object")
    if _SHARED in parameters:
        raise RequestError(
            f"{name}: shared memory is neither read nor written. Send and take the data with the "
            "request"
        )
    return parameters


def split_body(body: bytes, json_length: str | None) -> tuple[bytes, bytes]:
    """Splits a body into JSON and what follows it in binary.

    Raises:
        RequestError: If the header with the length of the JSON is wrong.
    """
    if json_length is None:
        return body, b""
    if not (json_length.isascii() and json_length.isdigit()) or int(json_length) > len(body):
        raise RequestError(f"{LENGTH_HEADER}: is not the length of the JSON")
    return body[: int(json_length)], body[int(json_length) :]


def read_images(tensor: Mapping[str, Any], signature: Signature, binary: bytes) -> list[Any]:
    """Reads a value for each image from an input.

    Raises:
        RequestError: If it does not hold what the signature takes.
    """
    name, datatype, shape = (tensor.get(key) for key in ("name", "datatype", "shape"))
    is_shape = isinstance(shape, list) and all(isinstance(axis, int) for axis in shape)
    if not is_shape or not shape or min(shape) < 1:
        raise RequestError(f"{name}: expecting the shape as a list of positive integers")
    is_binary = "data" not in tensor
    size = parameters_of(tensor, name).get("binary_data_size", len(binary) if is_binary else 0)
    if size != len(binary):
        follow = f"{count_of(len(binary), 'byte')} follow the JSON"
        raise RequestError(f"{name}: {follow}, and its binary_data_size is {size}")
    data = binary if is_binary else tensor["data"]
    if is_binary and not binary:
        hint = '; "contents" is for gRPC' if "contents" in tensor else ""
        raise RequestError(f'{name}: has no "data"{hint}')
    if signature.takes_files:
        if datatype != _FILES:
            raise RequestError(
                f"{name}: takes whole image files with the datatype BYTES, not {datatype}; pixels "
                'go to the input "images", with the datatype UINT8 or FP32'
            )
        values = list(_elements(data) if is_binary else _files(data, name))
        _check_count(name, len(values), shape)
        return values
    return list(_pixels(name, datatype, shape, data))


def _check_count(name: Any, count: int, shape: list[int]) -> None:
    if count != math.prod(shape):
        elements = count_of(count, "element")
        raise RequestError(f"{name}: has {elements}, which cannot fill the shape {shape}")


def _elements(binary: bytes) -> Iterator[bytes]:
    """Yields the elements of a tensor of bytes: each comes after its length."""
    at = 0
    while at < len(binary):
        if at + 4 > len(binary):
            raise RequestError("BYTES: the binary data ends within an element")
        (length,) = struct.unpack_from("<I", binary, at)
        at += 4 + length
        if at > len(binary):
            raise RequestError(
                "BYTES: the binary data ends within an element; each needs its length before it, "
                "in 4 bytes, the lowest first"
            )
        yield binary[at - length : at]


def _files(data: Any, name: Any) -> Iterator[bytes]:
    """Yields the files in JSON, which has no other way for them than base64."""
    for item in data if isinstance(data, list) else [data]:
        if isinstance(item, list):
            yield from _files(item, name)
            continue
        text = item.get("b64") if isinstance(item, dict) else item
        if not isinstance(text, str):
            raise RequestError(f"{name}: expecting the base64 text of a whole image file")
        yield read_base64(text, right_form=RIGHT_FORM)


def _pixels(name: Any, datatype: Any, shape: list[int], data: Any) -> np.ndarray:
    if len(shape) != _PIXEL_AXES or shape[-1] != _CHANNELS:
        raise RequestError(f"{name}: expecting the shape [images, height, width, 3]")
    dtype = _TO_NUMPY.get(datatype, "object")
    if dtype in ("object", "bool"):
        raise RequestError(
            f"{name}: takes pixels with the datatype UINT8 or FP32, not {datatype}; image files go "
            'to the input "image_bytes", with the datatype BYTES'
        )
    little_endian = np.dtype(dtype).newbyteorder("<")
    try:
        from_binary = isinstance(data, bytes)
        values = np.frombuffer(data, little_endian) if from_binary else np.asarray(data)
    except ValueError as error:
        raise RequestError(f"{name}: the data has lists of unexpected sizes") from error
    _check_count(name, values.size, shape)
    if (pixels := to_pixels(values)) is None:
        raise RequestError(
            f"{name}: expecting pixels in 0..255, whole numbers that are not scaled or normalized"
        )
    return pixels.reshape(shape)
