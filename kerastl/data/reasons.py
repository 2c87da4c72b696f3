"""Why a file cannot be decoded, in words for a person."""

from kerastl.data import bmp, jpeg
from kerastl.data.file_formats import (
    BMP,
    JPEG,
    MAX_PIXELS,
    PNG,
    TOO_LARGE,
    FileFormat,
    Number,
    find_format,
    has_hole,
)
from kerastl.data.other_contents import find_other


def _form_of_png(content: bytes) -> str:
    """Names the form in which Apple's tools pack PNGs into programs for phones."""
    return "in Apple's form (CgBI)" if content[_FIRST_CHUNK] == b"CgBI" else ""


_FIRST_CHUNK = slice(12, 16)
_FORMS = {BMP: bmp.unsupported_form, JPEG: jpeg.unsupported_form, PNG: _form_of_png}
# Ends the reason of a picture of a kind that is not decoded.
UNSUPPORTED = "(unsupported)"
# The marker of a progressive JPEG's frame.
_PROGRESSIVE = 0xC2
# Left by a copy or a download that reserves the space first.
_HOLE_IN = "is a {} with a hole of zeros, not copied or downloaded in full"
# A PNG's first bytes are there to show it: the ends of lines in them change with a copy of text.
_PNG_BEGINS = b"\x89PNG\r\n\x1a\n"


def explain(content: bytes, error: str = "") -> str:
    """Explains why `decode` refuses a file, as in "is HEIC (unsupported)".

    Args:
        content: The whole file.
        error: The text of `decode`'s error, if it is known.
    """
    found = find_format(content)
    if found is None:
        other = find_other(content)
        return other.reason if other else "is not an image"
    if not found.is_decoded:
        return f"is {found.name} {UNSUPPORTED}"
    if form := _FORMS.get(found, _no_form)(content):
        return f"is {found.name} {form} {UNSUPPORTED}"
    if found is PNG and not _PNG_BEGINS.startswith(content[: len(_PNG_BEGINS)]):
        return "is a PNG that was copied as text, which destroyed it"
    is_too_large = TOO_LARGE in error or "size too large" in error
    if is_too_large or _count_pixels(content, found) > MAX_PIXELS:
        form = "progressive JPEG" if found is JPEG else found.name
        return f"is a {form} of more than {MAX_PIXELS // 10**6} million pixels"
    return _explain_damage(content, found)


def explain_decoded(content: bytes) -> str:
    """Explains why a file is not used although it is decoded; empty for one that is.

    Who takes files asks this, to train and to predict: the decoder's graph cannot.
    """
    is_damaged = JPEG.matches(content) and jpeg.has_hole(content)
    return _HOLE_IN.format(JPEG.name) if is_damaged else ""


def _no_form(_: bytes) -> str:
    return ""


def _count_pixels(content: bytes, found: FileFormat) -> int:
    """Returns width times height as a file states them, 0 if it does not or is a plain JPEG."""
    if found is JPEG:
        frames = (one for marker, one, _ in jpeg.segments(content) if marker == _PROGRESSIVE)
        frame = next(frames, b"")
        return int.from_bytes(frame[1:3]) * int.from_bytes(frame[3:5])
    forms = (one for one in found.sizes if content.startswith(one.marker, one.at))
    return max((_read(one.width, content) * _read(one.height, content) for one in forms), default=0)


def _read(number: Number, content: bytes) -> int:
    stored = content[number.first : number.first + abs(number.size)]
    value = int.from_bytes(stored, "big" if number.size < 0 else "little") >> number.skipped
    value = value % (1 << number.bits) + number.added
    # A BMP's height is below 0 where its rows go down.
    return min(value, (1 << 32) - value)


def _explain_damage(content: bytes, found: FileFormat) -> str:
    if found is JPEG:
        pixels = jpeg.divide(content).pixels
    else:
        pixels = content.partition(found.packed)[2] if found.packed else b""
    if has_hole(pixels):
        return _HOLE_IN.format(found.name)
    return f"is a damaged or truncated {found.name}"
