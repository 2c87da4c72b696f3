"""The camera that a photo's Exif data name."""

import struct
from collections.abc import Iterator

from kerastl.data.file_formats import find_format

# Exif data come before the pixels, and fit a segment of a JPEG.
_SEARCHED, _READ = 1 << 20, 1 << 16
# The header of the data by the order of their bytes, the tags of make and model, and the type of
# text, https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E (4.6)
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_MAKE, _MODEL, _TEXT = 0x010F, 0x0110, 2
_ENTRY = "HHII"
# Text of up to so many bytes stands in its entry itself.
_INSIDE = 4


def find_camera(content: bytes) -> str:
    """Returns make and model, as "NIKON CORPORATION NIKON D90"; empty where there are none."""
    found = find_format(content)
    if found is None or not found.exif:
        return ""
    _, _, behind = content[:_SEARCHED].partition(found.exif)
    # In some formats a length comes before the data.
    starts = [place for place in map(behind[:16].find, _ORDERS) if place >= 0]
    if not starts:
        return ""
    data = behind[min(starts) :][:_READ]
    try:
        texts = dict(_read_texts(data, _ORDERS[data[:4]]))
    except struct.error:
        return ""  # The data end too soon.
    words = [texts.get(tag, b"").decode("utf-8", "replace") for tag in (_MAKE, _MODEL)]
    return " ".join(" ".join(words).split())


def _read_texts(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yields tags and texts of the first directory."""
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for number in range(count):
        place = start + 2 + number * struct.calcsize(f"{order}{_ENTRY}")
        tag, kind, length, value = struct.unpack_from(f"{order}{_ENTRY}", data, place)
        if tag in (_MAKE, _MODEL) and kind == _TEXT:
            at = place + 8 if length <= _INSIDE else value
            yield tag, data[at : at + length].partition(b"\0")[0]
