"""Names the form in which an image was sent, where the content of its file was expected."""

import base64
import json
import re
import urllib.parse
import zlib
from collections.abc import Callable
from typing import Any

from kerastl.data.file_formats import find_format

# What is looked at: the form shows at the beginning.
_HEAD = 4096
_DEPTH = 4
# Fewer bytes look like an image by chance.
_FEWEST = 12
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def name_form(content: bytes) -> str:
    """Names what was sent in place of an image file, as in "base64 text of a PNG file".

    Empty if it is a file, of an image or not.
    """
    if re.match(_STRIPPED, content):
        return "an image whose line ends and zero bytes were removed on the way"
    if content.lstrip().startswith(b"{") and re.search(rb"\}\s*\n\s*\{", content):
        return "JSON Lines, of which each would be a request"
    head = content[:_HEAD].strip()
    if find_format(head):
        return ""
    marks = (name for name, pattern in _NO_FILES if _match(pattern, head))
    return " of ".join(_layers(head, _DEPTH)) or next(marks, "")


def name_value(value: Any) -> str:
    """Names a value of JSON that holds an image file in another form than text; empty for none."""
    if isinstance(value, dict):
        # As Node writes its buffers, and browsers their arrays of bytes.
        value = value.get("data", list(value.values()))
    if not isinstance(value, list):
        return ""
    return " of ".join(_layers(json.dumps(value[:_HEAD])[:_HEAD].encode(), _DEPTH))


def _match(pattern: bytes, head: bytes) -> re.Match[bytes] | None:
    return re.match(pattern, head, re.DOTALL | re.IGNORECASE)


def _layers(content: bytes, depth: int) -> list[str]:
    """Returns the forms around an image, the outermost first, and its format; [] for no image."""
    found = find_format(content)
    if found is not None and len(content) >= _FEWEST:
        return [f"a {found.name} file"]
    for name, unwrap in _WRAPPERS if depth else ():
        inner = unwrap(content.strip())
        layers = _layers(inner, depth - 1) if inner and inner != content else []
        if layers:
            return [name, *layers]
    return []


def _between(pattern: bytes) -> Callable[[bytes], bytes]:
    """Returns what a pattern matches in its group; None if it does not fit."""

    def unwrap(content: bytes) -> bytes:
        match = _match(pattern, content)
        return match[1] if match else b""

    return unwrap


def _shown(content: bytes) -> bytes:
    match = _match(rb"b[\"'](.+?)[\"']?\Z", content)
    inner = match[1] if match else b""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda code: bytes.fromhex(code[1].decode()), inner)


def _hexadecimal(content: bytes) -> bytes:
    match = _match(rb"(?:0x|\\x|x')?((?:[0-9a-f]{2}[\s:]*)+)", content)
    return bytes.fromhex(re.sub(rb"[\s:]", b"", match[1]).decode()) if match else b""


def _numbers(content: bytes) -> bytes:
    match = _match(rb"\[\s*((?:\d{1,3}\s*,\s*)+)", content)
    try:
        return bytes(int(text) for text in re.findall(rb"\d+", match[1] if match else b""))
    except ValueError:  # Above 255.
        return b""


def _base64(letters: bytes) -> Callable[[bytes], bytes]:
    def unwrap(content: bytes) -> bytes:
        text = b"".join(content.split())
        if not re.fullmatch(b"[A-Za-z0-9%s]+=*" % letters, text):
            return b""
        # Whole groups of four letters; the padding may be missing, or the end cut off.
        bare = text.rstrip(b"=").translate(_TO_URL_SAFE)
        return base64.urlsafe_b64decode(bare[: len(bare) // 4 * 4])

    return unwrap


def has_lost_plus(text: bytes) -> bool:
    """Whether blanks stand where base64 had +, and not between lines of equal length."""
    *parts, last = text.strip().split(b" ")
    joined = len(b"".join([*parts, last]))
    is_short = len(parts) == 1 and (joined + 1) % 4 == 0
    return is_short or len(set(map(len, parts))) > 1


def _with_plus(content: bytes) -> bytes:
    return _base64(b"+/")(content.replace(b" ", b"+")) if has_lost_plus(content) else b""


def _compressed(content: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(content, _HEAD)
    except zlib.error:
        return b""


# Forms that keep the image, each with the function that takes it out; empty if it does not fit.
_WRAPPERS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("a data URI", _between(rb"data:[^,]{0,99},(.+)")),
    ("quoted text", _between(rb"[\"'](.+?)[\"']?\Z")),
    ("Python's notation of bytes", _shown),
    ("a multipart form", _between(rb"--.{0,99}?\r?\ncontent-disposition: .{0,999}?\r?\n\r?\n(.+)")),
    ("hexadecimal digits", _hexadecimal),
    ("a list of the bytes as numbers", _numbers),
    ("base64 text whose + became blanks (write %2B for + in a form)", _with_plus),
    ("base64 text", _base64(rb"+/")),
    ("URL-safe base64 text (with - and _)", _base64(rb"_-")),
    (
        "percent-encoded text",
        lambda one: urllib.parse.unquote_to_bytes(one) if b"%" in one else b"",
    ),
    ("text with escaped line feeds", lambda one: re.sub(rb"(\\r)?\\n", b"", one)),
    ("a compressed stream", _compressed),
    ("a form field", _between(rb"[\w.-]{1,99}=(.+)")),
)

# An image without any of the bytes that each has, which curl -d removes.
_STRIPPED = rb"(\x89PNG|\xff\xd8\xff|GIF8|BM|RIFF)[^\0\r\n]{99,}\Z"
# What never was a file.
_NO_FILES = (
    ("an address, which is not fetched", rb"[\"']?[a-z][a-z0-9+.-]{1,9}://\S{1,2000}\Z"),
    (
        "the path of a file, not its content",
        rb"[\"'@]?[^\0\n]{1,999}\.(png|jpe?g|jfif|gif|bmp|webp)[\"']?\Z",
    ),
    ("rows of numbers", rb"-?\d+(\.\d*)?([,;\s]+-?\d+(\.\d*)?){2,}[,;\s]*\Z"),
    ("a compressed stream", rb"(\x1f\x8b|\x78[\x01\x5e\x9c\xda])"),
    ("Python's notation of a dictionary", rb"\{\s*'"),
    ("JSON that was encoded twice", rb"\"\s*(\{\s*\\\"|\[)"),
    ("a multipart form without a file", rb"--.{0,99}?\r?\ncontent-disposition: "),
    ("JSON", rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[\s*[\[{\"\d\]-])"),
    ("a form of fields", rb"[\w.-]{1,99}=[^\s=]"),
)
