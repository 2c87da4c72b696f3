"""Images in memory, as Python code has them, as the content of image files."""

import io
import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
from PIL import Image, ImageOps

from kerastl.errors import UsageError

_WHITE = 255
_CHANNELS = (1, 3)
_GRAY, _COLOR = 2, 3
# Pillow's modes that a PNG holds as they are.
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
# Those of numbers of any size, which Pillow would cut off above white.
_NUMBERS = ("I", "F")
# What rounds to black or white still counts as a share.
_HALF = 0.5 / _WHITE
_PIXELS = "uint8 pixels in 0..255 of the shape (height, width) or (height, width, 3)"


def check_pixels(pixels: np.ndarray, number: int) -> None:
    """Raises a `UsageError` unless an array, the image of this number, is one of uint8 pixels."""
    if pixels.dtype != np.uint8 or not _has_shape(pixels):
        _refuse(pixels, number)


def encode(pixels: np.ndarray) -> bytes:
    """Writes pixels as BMP, so that neither bytes nor hash depend on a compressor's version."""
    height, width = pixels.shape[:2]
    rgb = np.broadcast_to(pixels.reshape(height, width, -1), (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "BMP")
    return file.getvalue()


def encode_image(image: Image.Image) -> bytes:
    """Writes an image of Pillow as PNG, which keeps its palette and transparency.

    Raises:
        UsageError: If its pixels are numbers beyond 0..255.
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode in _NUMBERS:
        upright = Image.fromarray(_in_bytes(np.asarray(upright, np.float64), upright.mode))
    file = io.BytesIO()
    (upright if upright.mode in _PNG_MODES else upright.convert("RGB")).save(file, "PNG")
    return file.getvalue()


def read_images(images: Any) -> tuple[int, Callable[[int], bytes]]:
    """Reads the images of a data set.

    Args:
        images: See `Source.from_arrays`.

    Returns:
        Their number, and a function from an index to the content of a file with its pixels.

    Raises:
        UsageError: If they are no images, or their numbers are not those of pixels.
    """
    if isinstance(images, (str, bytes, os.PathLike)):
        raise UsageError(f"images={images!r}: is text. Give {_PIXELS}, or files to from_files.")
    given: Sequence[Any] | np.ndarray = images
    if hasattr(images, "__array__"):
        given = _channels_last(np.asarray(images), 1)
    elif not hasattr(images, "__len__") or not hasattr(images, "__getitem__"):
        given = list(images)
    factor = _factor_of(given)

    def load(index: int) -> bytes:
        image = given[index]
        if isinstance(image, Image.Image):
            return encode_image(image)
        pixels = _channels_last(np.asarray(image), 0)
        return encode(pixels if pixels.dtype == np.uint8 else as_bytes(pixels, factor))

    return len(given), load


def _in_bytes(numbers: np.ndarray, mode: str) -> np.ndarray:
    low, high = float(numbers.min()), float(numbers.max())
    if not (low >= 0 and high <= _WHITE):
        raise UsageError(
            f"images: an image of Pillow's mode {mode} from {low:.6g} to {high:.6g} is not in "
            "0..255. Scale it to 8 bits."
        )
    if mode == "F" and high <= 1:
        return as_bytes(numbers, _WHITE)
    return numbers.astype(np.uint8)  # As Pillow does.


def find_factor(arrays: Iterable[np.ndarray]) -> float:
    """Finds by what all of several arrays are multiplied for pixels in 0..255.

    That is 255 for shares, which are floats in 0..1 or truth values, and 1 for whole numbers in
    0..255.

    Raises:
        ValueError: If they are neither; with words for what they are.
    """
    parts = [array for array in arrays if array.size]
    ends = [(float(array.min()), float(array.max())) for array in parts]
    # The ends are NaN where one is.
    low, high = (float(one) for one in (np.min(ends), np.max(ends))) if parts else (0.0, 0.0)
    are_shares = all(array.dtype.kind in "fb" for array in parts)
    if are_shares and low >= -_HALF and high <= 1 + _HALF:
        return _WHITE
    if low >= 0 and high <= _WHITE and all(map(_is_whole, parts)):
        return 1
    types = ", ".join(sorted({str(array.dtype) for array in parts}))
    raise ValueError(f"{types} from {low:.6g} to {high:.6g} is not in 0..255")


def as_bytes(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Makes uint8 pixels in 0..255, rounded, by the factor of `find_factor`."""
    return np.clip(np.round(pixels * factor), 0, _WHITE).astype(np.uint8)


def _is_whole(array: np.ndarray) -> bool:
    return array.dtype.kind in "iub" or np.array_equal(array, np.round(array))


def _factor_of(images: Sequence[Any] | np.ndarray) -> float:
    others = []
    for number, image in enumerate(images):
        if isinstance(image, Image.Image):
            continue
        pixels = _channels_last(np.asarray(image), 0)
        if pixels.dtype.kind not in "iufb" or not _has_shape(pixels):
            _refuse(pixels, number)
        if pixels.dtype != np.uint8:
            others.append(pixels)
    try:
        return find_factor(others)
    except ValueError as error:
        raise UsageError(
            f"images: {error}. Give whole numbers in 0..255, best as uint8, or floats in 0..1; "
            "(images + 1) / 2 for floats in -1..1."
        ) from error


def _has_shape(pixels: np.ndarray) -> bool:
    is_image = pixels.ndim >= _GRAY and pixels.shape[_GRAY:] in ((), *((c,) for c in _CHANNELS))
    return is_image and bool(pixels.size)


def _channels_last(pixels: np.ndarray, first: int) -> np.ndarray:
    """Moves channels to the end that stand first, as PyTorch has them, in the images of an array.

    Args:
        pixels: One image, or images in the first dimension.
        first: The dimension that an image begins with.
    """
    is_color = pixels.ndim == first + _COLOR
    if is_color and pixels.shape[first] in _CHANNELS and pixels.shape[-1] not in _CHANNELS:
        return np.moveaxis(pixels, first, -1)
    return pixels


def _refuse(pixels: np.ndarray, number: int) -> NoReturn:
    """Raises the error for an array that is no image, with what it looks like."""
    shape, advice = pixels.shape, f"Give {_PIXELS}"
    side = math.isqrt(shape[0]) if len(shape) == 1 else 0
    if pixels.dtype.kind in "SUO":
        advice += ", or files to from_files"
    elif len(shape) == _COLOR and shape[0] in _CHANNELS and shape[-1] not in _CHANNELS:
        advice += ", as by np.moveaxis(image, 0, -1)"
    elif len(shape) == _COLOR and shape[-1] == _CHANNELS[-1] + 1:
        advice += ", as image[..., :3] where the fourth channel is the transparency"
    elif side > 1 and side**2 == shape[0]:
        advice += f", as image.reshape({side}, {side})"
    elif _has_shape(pixels) and pixels.dtype.kind == "f" and 0 <= pixels.min() <= pixels.max() <= 1:
        advice += ", as (image * 255).round().astype('uint8')"
    elif _has_shape(pixels):
        advice += ", as image.round().astype('uint8') for numbers in 0..255"
    raise UsageError(f"images: number {number} is {pixels.dtype} {shape}. {advice}.")
