"""Pixels in memory as the content of image files."""

import io

import numpy as np
from PIL import Image

from kerastl.errors import UsageError

_CHANNELS = (1, 3)


def check_pixels(pixels: np.ndarray, number: int) -> None:
    """Refuses an array that is not an image.

    Args:
        pixels: The array.
        number: Its position among the images, for the message.

    Raises:
        UsageError: If its type or shape is not that of an image.
    """
    is_image = pixels.ndim == len("hw") or (
        pixels.ndim == len("hwc") and pixels.shape[-1] in _CHANNELS
    )
    if pixels.dtype != np.uint8 or not is_image or not pixels.size:
        raise UsageError(
            f"images: number {number} is {pixels.dtype} {pixels.shape}. Give uint8 pixels in "
            "0..255 of the shape (height, width) or (height, width, 3)."
        )


def encode(pixels: np.ndarray) -> bytes:
    """Writes pixels as BMP, so that neither bytes nor hash depend on a compressor's version."""
    height, width = pixels.shape[:2]
    rgb = np.broadcast_to(pixels.reshape(height, width, -1), (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "BMP")
    return file.getvalue()
