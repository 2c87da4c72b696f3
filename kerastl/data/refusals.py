"""Why the decoder refuses a file, in words that a person can act on."""

import re

from kerastl.data.bmp import explain_bmp
from kerastl.data.kinds import MAX_PIXELS, OTHER_KINDS, TOO_LARGE, kind_of


def explain(content: bytes, error: str) -> str:
    """Says why `decode` refuses a file, as in "is HEIC (unsupported)".

    Args:
        content: The whole file.
        error: What `decode` said.
    """
    kind = kind_of(content)
    if kind in [other for _, other in OTHER_KINDS]:
        return f"is {kind} (unsupported)"
    if kind == "BMP" and (why := explain_bmp(content)):
        return f"is BMP {why} (unsupported)"
    if TOO_LARGE in error or "size too large" in error:
        form = "progressive JPEG" if kind == "JPEG" else kind
        return f"is a {form} of more than {MAX_PIXELS // 10**6} million pixels"
    if kind:
        return f"is a damaged or truncated {kind}"
    is_page = re.match(rb"\s*<(!doctype|html|\?xml)", content[:256], re.IGNORECASE)
    return "is no image but a web page" if is_page else "is no image"
