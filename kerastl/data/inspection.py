"""Inspects each image file once: whether it is usable, its size, and its hashes."""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence

import imagehash
import numpy as np
import tensorflow as tf
from PIL import Image

from kerastl import native_messages, replicas
from kerastl.data import (
    cameras,
    color_profiles,
    common_files,
    images,
    jpeg,
    other_contents,
    reasons,
)
from kerastl.data.cameras import find_camera
from kerastl.data.color_profiles import find_other_colors
from kerastl.data.common_files import DECODERS, as_three_channels, find_common
from kerastl.data.content import HASH, check_drive, hash_content
from kerastl.data.file_formats import JPEG, PNG, find_format
from kerastl.data.memo import recall
from kerastl.data.other_contents import find_other
from kerastl.data.reasons import explain, explain_decoded
from kerastl.data.source import Source
from kerastl.progress import Progress, count_of

# A descriptor has the mean colors of this many fields along each side.
FIELDS = 8
# A descriptor is a perceptual hash of 64 bits, then those colors.
DESCRIPTOR_BYTES = 8 + FIELDS**2 * 3
# In the target of a link to a file that is elsewhere.
_ANNEX = "annex/objects"
_BIT_DEPTH = 24
_NO_END = "lacks its end marker; all rows are there"
# Letters of what decoders write.
_MAX_REMARK = 200
# It is made from a picture whose shorter side is reduced to about this many pixels.
_REDUCED_SIDE = 64
# The outermost pixels are a part of what a picture shows, as strokes of digits are, unless their
# colors have at most this share of the standard deviation of all: a frame, also one smeared by a
# JPEG. Without the limit, the border tells digits of 8 to 64 pixels apart: it takes away 60 % of
# the uncertainty whether one is a 4. With it, it takes away nothing of digits and photographs, and
# 66 to 100 % where a class of photographs has a frame of 1 to 3 pixels, in a PNG or a JPEG; a tenth
# would miss one of 1 pixel in a JPEG.
_FRAME = 0.3
# Rounding does as much to a frame of one color.
_LEAST_DEVIATION = 3.0
_NO_BORDER = (-1.0, -1.0)


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The result of inspecting one file.

    Attributes:
        problem: Why it cannot be used; empty if it can.
        kind: File format by its first bytes, as in "JPEG"; empty if unknown.
        pixels: Hash of its upright RGB pixels, in hexadecimal digits: a copy in another lossless
            format has the same. Of a JPEG those at the size at which it is inspected.
        height: In pixels.
        width: In pixels.
        is_flat: Whether all pixels are the same.
        has_other_colors: Whether it has a color profile other than that of sRGB.
        other: What its content is, in the plural and as `beside` names it, if it is no picture;
            empty for a picture, decoded or not.
        remark: What is odd about its data, though it is decoded; empty if nothing is.
        descriptor: Finds near-duplicates, in hexadecimal digits: a perceptual hash of 64
            bits, then the colors of 8 x 8 fields.
        turned: The same of the picture turned and mirrored so that its copies in any of the eight
            orientations have it in common.
        border: How bright the outermost pixels are, in 0..255, and the standard deviation of
            their colors: 0 for a frame of one color. Both -1 for pictures of less than 16 pixels
            without a frame.
        camera: Make and model, empty if unknown.
        brightest: Its largest value in 0..255.
        deepest: The largest value in 0..65535 of a PNG of 16 bits, 0 for other files.
        is_of_content: Whether the result depends only on the content, so that it may be cached.
    """

    problem: str
    kind: str = ""
    pixels: str = ""
    height: int = 0
    width: int = 0
    is_flat: bool = False
    has_other_colors: bool = False
    other: str = ""
    remark: str = ""
    descriptor: str = ""
    turned: str = ""
    border: Sequence[float] = _NO_BORDER
    camera: str = ""
    brightest: int = 0
    deepest: int = 0
    is_of_content: bool = True

    @property
    def colors(self) -> bytes:
        """The colors of the fields, uint8 (8, 8, 3)."""
        return bytes.fromhex(self.descriptor)[-3 * FIELDS**2 :]


# An inspection holds for one decoder, and for the code that looks at what it refuses.
_MODULES = (cameras, color_profiles, common_files, other_contents, reasons)
_CODE = (*(module.__file__ for module in _MODULES), __file__)
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
        one, written = catcher.call(lambda: _inspect_one(source, number))
        if written and not one.problem and not one.remark:
            one = dataclasses.replace(one, remark=_remark(written))
        return dataclasses.asdict(one), one.is_of_content

    keys = [f"{row.tobytes().hex()} {_DECODER}" for row in source.hashes]
    with native_messages.caught() as catcher:
        begin_at = replicas.current().begin_at
        recalled = recall(
            memory, keys, find_out, what="audit", progress=progress, begin_at=begin_at
        )
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
        check_drive(error, source.examples[number])
        return Inspection(_explain_unreadable(error), is_of_content=False)
    if hash_content(content) != source.hashes[number].tobytes():
        return Inspection("changed while it was being inspected", is_of_content=False)
    return inspect_content(content)


def inspect_content(content: bytes) -> Inspection:
    """Inspects a file by its content alone."""
    found = find_format(content)
    kind = found.name if found else ""
    try:
        pixels, height, width = _decode(content)
    except tf.errors.OpError as error:
        return Inspection(explain(content, str(error)), kind, other=_other_kind(content))
    if problem := explain_decoded(content):
        return Inspection(problem, kind)
    hashed = hashlib.sha256(str(pixels.shape).encode())
    hashed.update(np.ascontiguousarray(pixels).data)
    descriptor, turned, may_be_flat = _describe(pixels)
    # No search through the pixels, which are nearly all of a file.
    facts = jpeg.divide(content).before if found is JPEG else content
    return Inspection(
        "",
        kind,
        hashed.hexdigest()[: 2 * HASH.itemsize],
        height=height,
        width=width,
        is_flat=may_be_flat and all((row == pixels[0, 0]).all() for row in pixels),
        has_other_colors=find_other_colors(facts),
        remark=_NO_END if found is JPEG and jpeg.lacks_end(content) else "",
        descriptor=descriptor,
        turned=turned,
        border=_measure_border(pixels),
        camera=find_camera(facts),
        brightest=int(pixels.max(initial=0)),
        deepest=_find_deepest(content) if found is PNG else 0,
    )


def _find_deepest(content: bytes) -> int:
    """Returns the largest value of a PNG of 16 bits, transparency aside; 0 for one of 8."""
    # Where its header has them, https://www.w3.org/TR/png-3 (11.2.1).
    if content[_BIT_DEPTH : _BIT_DEPTH + 1] != b"\x10":
        return 0
    pixels = tf.io.decode_png(content + images.PNG_END, channels=0, dtype=tf.uint16).numpy()
    colors = pixels[..., : 1 if pixels.shape[-1] < len("RGB") else len("RGB")]
    return int(colors.max(initial=0))


def _explain_unreadable(error: OSError) -> str:
    with contextlib.suppress(OSError, TypeError):
        if _ANNEX in os.readlink(error.filename):
            return "is not downloaded, only a link of git-annex to it (run `git annex get`)"
    return f"cannot be read ({error.strerror or type(error).__name__})"


def _other_kind(content: bytes) -> str:
    if find_format(content):
        return ""
    other = find_other(content)
    return other.kind if other else "unknown files"


def _remark(written: str) -> str:
    return "; ".join(dict.fromkeys(written.splitlines()))[:_MAX_REMARK]


def _describe(pixels: np.ndarray) -> tuple[str, str, bool]:
    """Returns both descriptors, and whether all fields have the same color."""
    # Means of blocks are enough for both, at a hundredth of the work.
    small = Image.fromarray(pixels).reduce(max(1, min(pixels.shape[:2]) // _REDUCED_SIDE))
    fields = np.asarray(small.resize((FIELDS, FIELDS), Image.Resampling.BOX))
    is_flat = bool((fields == fields[0, 0]).all())
    across, down, is_swapped = _find_turns(fields)
    both = (np.asarray(small)[::down, ::across], fields[::down, ::across])
    pixels, turned = ((one.swapaxes(0, 1) if is_swapped else one) for one in both)
    upright = str(imagehash.phash(small)) + fields.tobytes().hex()
    return upright, str(imagehash.phash(Image.fromarray(pixels))) + turned.tobytes().hex(), is_flat


def _find_turns(fields: np.ndarray) -> tuple[int, int, bool]:
    """Finds how to turn a picture so that it is bright on the right, and less so at the bottom.

    Returns:
        The step of its columns and of its rows, -1 to mirror, and whether they then change places.
    """
    brightness = fields.mean(axis=2) - fields.mean()
    ramp = np.linspace(-1, 1, FIELDS)
    across, down = float((brightness @ ramp).sum()), float((ramp @ brightness).sum())
    return 1 if across >= 0 else -1, 1 if down >= 0 else -1, abs(down) > abs(across)


def _measure_border(pixels: np.ndarray) -> tuple[float, float]:
    sides = (pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1])
    outermost = np.concatenate(sides).astype(np.float32)
    deviation = float(outermost.std(axis=0).mean())
    # Some pixels are enough of large pictures.
    step = max(1, min(pixels.shape[:2]) // _REDUCED_SIDE)
    # A channel after the other in memory: nine times as fast.
    channels = np.ascontiguousarray(pixels[::step, ::step].reshape(-1, pixels.shape[-1]).T)
    of_all = float(channels.std(axis=1).mean())
    is_frame = deviation <= max(_LEAST_DEVIATION, _FRAME * of_all) < of_all
    return (float(outermost.mean()), deviation) if is_frame else _NO_BORDER


def _decode(content: bytes) -> tuple[np.ndarray, int, int]:
    """Decodes as `images.decode` does, at the smallest size that is enough to describe a file.

    Returns:
        Its pixels, uint8 (height, width, 3), and its own height and width.
    """
    if common := find_common(content, smallest_side=_REDUCED_SIDE):
        # Damage is for the decoder itself to find.
        with contextlib.suppress(tf.errors.OpError):
            pixels = DECODERS[common.decoder](tf.constant(content)).numpy()
            return as_three_channels(pixels), common.height, common.width
    image, sides = _decode_any(tf.constant(content))
    height, width = sides.numpy().tolist()
    return image.numpy(), height, width


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def _decode_any(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    pixels = images.decode(content, smallest_side=_REDUCED_SIDE)
    sides = tf.cond(
        images.is_in(JPEG, content),
        lambda: jpeg.upright_sides(content),
        lambda: tf.shape(pixels)[:2],
    )
    return pixels, sides
