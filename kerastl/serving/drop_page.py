"""The page on which people drop images, `drop_page.html`, and the headers that protect it."""

import base64
import hashlib
import importlib.resources
import re

from kerastl.data.file_formats import FORMATS


def read_page() -> tuple[str, dict[str, str]]:
    """Returns the page and its headers, which allow its own script and style and nothing else."""
    folder = importlib.resources.files("kerastl.serving")
    html = folder.joinpath("drop_page.html").read_text("utf-8")
    names = [one.name for one in FORMATS if one.is_decoded]
    html = html.replace("IMAGE_FORMATS", ", ".join(names))
    html = html.replace("IMAGE_TYPES", ",".join(f"image/{name.lower()}" for name in names))
    policy = {
        "default-src": "'none'",
        "script-src": _hashes("script", html),
        "style-src": _hashes("style", html),
        "img-src": "blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return html, headers


def _hashes(tag: str, html: str) -> str:
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    hashes = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)
