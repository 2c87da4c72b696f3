"""Inspects each image file once: whether it is usable, its size, and its hashes."""

import dataclasses
import hashlib
import pathlib

import imagehash
import numpy as np
import tensorflow as tf
from PIL import Image

from kerastl.data import images, other_contents, reasons
from kerastl.data.content import HASH, hash_content
from kerastl.data.file_formats import find_format
from kerastl.data.memo import recall
from kerastl.data.reasons import explain
from kerastl.data.source import Source
from kerastl.progress import Progress, count_of

# A descriptor has the mean colors of this many fields along each side.
FIELDS = 8
# It is made from a picture whose shorter side is reduced to about this many pixels.
_REDUCED_SIDE = 64


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The result of inspecting one file.

    Attributes:
        problem: Why it cannot be used; empty if it can.
        kind: File format by its first bytes, as in "JPEG"; empty if unknown.
        pixels: Hash of its upright RGB pixels, in hexadecimal digits: a lossless copy has the
            same.
        height: In pixels.
        width: In pixels.
        is_flat: Whether all pixels are the same.
        descriptor: Finds near-duplicates, in hexadecimal digits: a perceptual hash of 64
            bits, then the colors of 8 x 8 fields.
        is_of_content: Whether the result depends only on the content, so that it may be cached.
    """

    problem: str
    kind: str = ""
    pixels: str = ""
    height: int = 0
    width: int = 0
    is_flat: bool = False
    descriptor: str = ""
    is_of_content: bool = True


# An inspection holds for one decoder, and for the code that looks at what it refuses.
_CODE = (*(module.__file__ for module in (other_contents, reasons)), __file__)
_DECODER = hashlib.sha256(
    tf.__version__.encode()
    + b"".join(path.read_bytes() for path in (*images.SOURCES, *map(pathlib.Path, map(str, _CODE))))
).hexdigest()[:16]


def inspect(source: Source, *, memory: pathlib.Path | None, progress: Progress) -> list[Inspection]:
    """Reads and decodes every image once, in parallel, with the decoder that training uses.

    With `memory`, a directory that keeps inspections by content, the next run reads only what is
    new or has changed.
    """

    def find_out(number: int) -> tuple[dict[str, object], bool]:
        one = _inspect_one(source, number)
        return dataclasses.asdict(one), one.is_of_content

    keys = [f"{row.tobytes().hex()} {_DECODER}" for row in source.hashes]
    recalled = recall(memory, keys, find_out, what="audit", progress=progress)
    if recalled.num_new:
        progress.line(
            f"Audit: {count_of(recalled.num_new, 'image')} inspected in {recalled.took}, "
            f"{len(source) - recalled.num_new} known from before."
        )
    return [Inspection(**values) for values in recalled.values]


def _inspect_one(source: Source, number: int) -> Inspection:
    try:
        content = source.load(number)
    except OSError as error:
        return Inspection(error.strerror or "cannot be read", is_of_content=False)
    if hash_content(content) != source.hashes[number].tobytes():
        return Inspection("changed while it was being inspected", is_of_content=False)
    found = find_format(content)
    kind = found.name if found else ""
    try:
        pixels = _decode(tf.constant(content)).numpy()
    except tf.errors.OpError as error:
        return Inspection(explain(content, str(error)), kind)
    hashed = hashlib.sha256(str(pixels.shape).encode())
    hashed.update(np.ascontiguousarray(pixels).data)
    descriptor, may_be_flat = _describe(pixels)
    return Inspection(
        "",
        kind,
        hashed.hexdigest()[: 2 * HASH.itemsize],
        height=pixels.shape[0],
        width=pixels.shape[1],
        is_flat=may_be_flat and all((row == pixels[0, 0]).all() for row in pixels),
        descriptor=descriptor,
    )


def _describe(pixels: np.ndarray) -> tuple[str, bool]:
    """Returns the descriptor, and whether all fields have the same color."""
    # Means of blocks are enough for both, at a hundredth of the work.
    small = Image.fromarray(pixels).reduce(max(1, min(pixels.shape[:2]) // _REDUCED_SIDE))
    fields = np.asarray(small.resize((FIELDS, FIELDS), Image.Resampling.BOX))
    is_flat = bool((fields == fields[0, 0]).all())
    return str(imagehash.phash(small)) + fields.tobytes().hex(), is_flat


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def _decode(content: tf.Tensor) -> tf.Tensor:
    return images.decode(content)
