"""Color profiles, which no decoder here applies: found, so that the audit can report them."""

import struct
import zlib

import numpy as np

from kerastl.data.file_formats import PNG, find_format

# Within these first bytes; a profile of three primaries takes less than the second.
_SEARCHED, _READ = 1 << 20, 1 << 14
# Red, green and blue of sRGB in the space that profiles use,
# https://www.color.org/specification/ICC.1-2022-05.pdf (9.2) and https://www.color.org/srgb.pdf
_PRIMARIES = (b"rXYZ", b"gXYZ", b"bXYZ")
_SRGB = np.array([[0.436, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7139]])
_TOLERANCE = 0.02
_TAGS, _TAG = 128, ">4sII"
# How cameras mark Adobe RGB without a profile, in either order of bytes: Exif's index of
# interoperability, https://www.cipa.jp/std/documents/e/DC-010-2020_E.pdf (6.2.2)
_ADOBE_RGB = (b"\1\0\2\0\4\0\0\0R03\0", b"\0\1\0\2\0\0\0\4R03\0")


def find_other_colors(content: bytes) -> bool:
    """Whether an image file declares other colors than sRGB."""
    head = content[:_SEARCHED]
    return _has_other_primaries(_find_profile(head)) or any(mark in head for mark in _ADOBE_RGB)


def _find_profile(head: bytes) -> bytes:
    found = find_format(head)
    if found is None or not found.profile:
        return b""
    if found is PNG:
        _, _, chunk = head.partition(PNG.packed)[0].partition(PNG.profile)
        # The profile's name, a zero, and the kind of compression.
        packed = chunk.partition(b"\0")[2][1:]
        try:
            return zlib.decompressobj().decompress(packed, _READ)
        except zlib.error:
            return b""
    return head.partition(found.profile)[2][found.profile_skips :]


def _has_other_primaries(profile: bytes) -> bool:
    """Compares the primaries of a profile; a profile without them is of gray or of ink."""
    try:
        (count,) = struct.unpack_from(">I", profile, _TAGS)
        tags = [
            struct.unpack_from(_TAG, profile, _TAGS + 4 + number * struct.calcsize(_TAG))
            for number in range(min(count, 100))
        ]
        places = {name: place for name, place, _ in tags}
        found = [struct.unpack_from(">3i", profile, places[name] + 8) for name in _PRIMARIES]
    except (struct.error, KeyError):
        return False
    return bool((np.abs(np.array(found) / 65536 - _SRGB) > _TOLERANCE).any())
