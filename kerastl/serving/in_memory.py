"""What Python code may pass in for an image, beside names of files: each as the bytes of a file.

So an image is decoded as a file with its pixels is.
"""

import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from kerastl.data.arrays import check_pixels, encode, encode_image
from kerastl.errors import UsageError

# Dimensions of an array of several images.
_SEVERAL = 4


class InMemory(NamedTuple):
    """An image that was passed in.

    Attributes:
        path: Its name among the predictions, as "images[3]".
        content: Bytes of an image file.
    """

    path: pathlib.Path
    content: bytes


def read_images(images: Any) -> Iterator[str | InMemory]:
    """Yields the names and the images that were passed in, of which one may stand alone.

    Raises:
        UsageError: If one is nothing that stands for an image.
    """
    if _is_one(images):
        images = [images]
    if not isinstance(images, Iterable):
        raise _wrong("images", images)
    for number, image in enumerate(images):
        yield _read(image, number)


def _is_one(images: Any) -> bool:
    if isinstance(images, (str, os.PathLike, bytes, Image.Image)):
        return True
    # A column of names, and not an image, is what has one dimension.
    return 1 < getattr(images, "ndim", _SEVERAL) < _SEVERAL


def _read(image: Any, number: int) -> str | InMemory:
    name = pathlib.Path(f"images[{number}]")
    match image:
        case str() | os.PathLike():
            return os.fsdecode(image)
        case bytes():
            return InMemory(name, image)
        case Image.Image():
            return InMemory(name, encode_image(image))
        case _ if hasattr(image, "__array__"):
            pixels = np.asarray(image)
            check_pixels(pixels, number)
            return InMemory(name, encode(pixels))
    raise _wrong(str(name), image)


def _wrong(name: str, image: Any) -> UsageError:
    return UsageError(
        f"{name}: is {type(image).__name__}. Give a path, an array of uint8 pixels, an image of "
        "Pillow, or the bytes of an image file."
    )
