"""Why a file cannot be decoded, in words for a person."""

from kerastl.data import bmp, jpeg
from kerastl.data.file_formats import (
    BMP,
    JPEG,
    MAX_PIXELS,
    PNG,
    TOO_LARGE,
    FileFormat,
    find_format,
    has_hole,
)
from kerastl.data.other_contents import find_other


def _form_of_png(content: bytes) -> str:
    """Names the form in which Apple's tools pack PNGs into programs for phones."""
    return "in Apple's form (CgBI)" if content[_FIRST_CHUNK] == b"CgBI" else ""


_FIRST_CHUNK = slice(12, 16)
_FORMS = {BMP: bmp.unsupported_form, JPEG: jpeg.unsupported_form, PNG: _form_of_png}
# Left by a copy or a download that reserves the space first.
HOLE_IN = "is a {} with a hole of zeros, not copied or downloaded in full"
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
    if found is JPEG:
        pixels = jpeg.coded_pixels(content)
    else:
        pixels = content.partition(found.packed)[2] if found.packed else b""
    if has_hole(pixels):
        return HOLE_IN.format(found.name)
    return f"is a damaged or truncated {found.name}"
