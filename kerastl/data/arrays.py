"""Pixels in memory as the content of image files."""

import io

import numpy as np
from PIL import Image

from kerastl.errors import UsageError


def check_pixels(pixels: np.ndarray, number: int) -> None:
    """Raises a `UsageError` unless an array, the image of this number, is an image."""
    is_image = pixels.ndim > 1 and pixels.shape[2:] in ((), (1,), (3,))
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
