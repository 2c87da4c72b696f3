"""Why a file cannot be decoded, in words for a person."""

import re

from kerastl.data import bmp, jpeg
from kerastl.data.file_formats import (
    BMP,
    GIF,
    JPEG,
    MAX_PIXELS,
    PNG,
    TOO_LARGE,
    WEBP,
    FileFormat,
    find_format,
)
from kerastl.data.other_contents import find_other

_FORMS = {BMP: bmp.unsupported_form, JPEG: jpeg.unsupported_form}
# In these, zeros stand for many pixels, so that few follow each other.
_PACKED = (JPEG, PNG, GIF, WEBP)
_HOLE = re.compile(rb"\0{512,}")
# A PNG's first bytes are there to show it: the ends of lines in them change with a copy of text.
_PNG_BEGINS = b"\x89PNG\r\n\x1a\n"


def explain(content: bytes, error: str) -> str:
    """Explains why `decode` refuses a file, as in "is HEIC (unsupported)".

    Args:
        content: The whole file.
        error: The text of `decode`'s error.
    """
    found = find_format(content)
    if found is None:
        other = find_other(content)
        return other.reason if other else "is not an image"
    if not found.is_decoded:
        return f"is {found.name} (unsupported)"
    if form := _FORMS.get(found, _no_form)(content):
        return f"is {found.name} {form} (unsupported)"
    if found is PNG and not _PNG_BEGINS.startswith(content[: len(_PNG_BEGINS)]):
        return "is a PNG that was copied as text, which destroyed it"
    if TOO_LARGE in error or "size too large" in error:
        form = "progressive JPEG" if found is JPEG else found.name
        return f"is a {form} of more than {MAX_PIXELS // 10**6} million pixels"
    return _explain_damage(content, found)


def _no_form(_: bytes) -> str:
    return ""


def _explain_damage(content: bytes, found: FileFormat) -> str:
    hole = find_hole(content) if found in _PACKED else None
    if hole is None:
        return f"is a damaged or truncated {found.name}"
    start, end = hole
    where = "at its end" if end == len(content) else "in it"
    return (
        f"is a {found.name} with a hole of zeros {where} "
        f"({end - start} of {len(content)} bytes), not copied or downloaded in full"
    )


def find_hole(content: bytes) -> tuple[int, int] | None:
    """Finds the longest run of zeros, its start and end; None if there is none of 512 bytes."""
    runs = (match.span() for match in _HOLE.finditer(content))
    return max(runs, key=lambda span: span[1] - span[0], default=None)
