"""Every file format that is decoded, and those that are refused by name, in one table.

What is no picture at all is in `other_contents`.
"""

import dataclasses
import re
from typing import NamedTuple

# Files other than JPEGs with more pixels are refused by their header: these take 200 MB, and
# twice that while they are rotated or cropped. libjpeg holds the whole of progressive JPEGs, too.
MAX_PIXELS = 1 << 26
# The reasons in the graph's errors.
TOO_LARGE = "has too many pixels"
UNKNOWN = "is in no format that is decoded"
# The bytes in which every format states its width and height.
HEAD = 32
# So many zeros in a row are a hole among packed pixels.
_HOLE = bytes(512)
# Magic numbers are matched within this many bytes.
_MATCHED = 512


class Number(NamedTuple):
    """Where a header holds a number.

    Attributes:
        first: Position of its first byte.
        size: Number of bytes, negative for big-endian.
        skipped: Number of lowest bits that are not part of it.
        bits: Number of bits used.
        added: Added to their value.
    """

    first: int
    size: int
    skipped: int = 0
    bits: int = 32
    added: int = 0


class Sizes(NamedTuple):
    """Where a file states its size, if `marker` is at position `at`."""

    at: int
    marker: bytes
    width: Number
    height: Number


@dataclasses.dataclass(frozen=True)
class FileFormat:
    """How files of a format are recognized and measured.

    Attributes:
        name: For messages and records.
        magic: Bytes that identify a file, or a regular expression for a format that is refused.
        at: Position of `magic`.
        endings: Extensions of file names, in lower case.
        tail: Bytes at or near the end of a whole file; empty if there are none.
        exif: Bytes before the Exif data.
        profile: Bytes before a color profile; empty if there is none.
        profile_skips: Number of bytes between those and the profile.
        packed: Bytes before the pixels, if these are packed, so that a few zeros stand for many.
        sizes: Where the width and height are, for each form of the header.
        is_decoded: Whether files are decoded; others are refused by name.
    """

    name: str
    magic: bytes
    at: int = 0
    endings: tuple[str, ...] = ()
    tail: bytes = b""
    exif: bytes = b""
    profile: bytes = b""
    profile_skips: int = 0
    packed: bytes = b""
    sizes: tuple[Sizes, ...] = ()
    is_decoded: bool = True

    def matches(self, content: bytes) -> bool:
        """Whether a file that begins with `content` is in this format."""
        if self.is_decoded:
            return content.startswith(self.magic, self.at)
        return matches(self.magic, content, at=self.at)


# What precedes Exif data: in JPEG
# https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E (4.5.4), in PNG
# https://www.w3.org/TR/png-3/#eXIf, and in WebP (four bytes of length follow)
# https://developers.google.com/speed/webp/docs/riff_container#metadata
JPEG = FileFormat(
    "JPEG",
    b"\xff\xd8\xff",
    endings=(
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjp", ".pjpeg"),
        *(".mpo", ".jps", ".insp"),  # Two views in a file, or one of all around.
    ),
    tail=b"\xff\xd9",
    exif=b"Exif\0\0",
    profile=b"ICC_PROFILE\0",
    profile_skips=2,  # Which part of it follows, and of how many.
)
PNG = FileFormat(
    "PNG",
    b"\x89PNG",
    endings=(".png", ".apng"),
    tail=b"IEND",
    exif=b"eXIf",
    profile=b"iCCP",
    packed=b"IDAT",
    sizes=(Sizes(1, b"PNG", Number(16, -4), Number(20, -4)),),
)
GIF = FileFormat(
    "GIF",
    b"GIF8",
    endings=(".gif",),
    tail=b";",
    packed=b"GIF8",
    sizes=(Sizes(0, b"GIF8", Number(6, 2, bits=16), Number(8, 2, bits=16)),),
)
BMP = FileFormat(
    "BMP",
    b"BM",
    endings=(".bmp", ".dib"),
    sizes=(Sizes(0, b"BM", Number(18, 4), Number(22, 4)),),
)
WEBP = FileFormat(
    "WebP",
    b"WEBP",
    at=8,
    endings=(".webp",),
    exif=b"EXIF",
    profile=b"ICCP",
    profile_skips=4,  # Its length.
    packed=b"WEBP",
    sizes=(
        Sizes(12, b"VP8X", Number(24, 3, bits=24, added=1), Number(27, 3, bits=24, added=1)),
        Sizes(12, b"VP8L", Number(21, 4, 0, 14, 1), Number(21, 4, 14, 14, 1)),
        Sizes(12, b"VP8 ", Number(26, 2, bits=14), Number(28, 2, bits=14)),
    ),
)
# What TensorFlow cannot decode in a graph. Files of a general brand go by the brands that follow.
_REFUSED = (
    (0, rb"....ftyp(avif|avis|(mif1|msf1|miaf).{0,40}avi[fs])", "AVIF"),
    (0, rb"....ftyp(hei[cfxms]|hev[cxms]|mif1|msf1)", "HEIC"),
    (0, rb"....ftypcrx ", "camera RAW"),
    (0, rb"(II\*\x00|MM\x00\*).{4}CR", "camera RAW"),
    (0, rb"(FUJIFILMCCD-RAW|IIU\x00|IIR[OS]|MMO[RS]|FOVb)", "camera RAW"),
    (0, rb"(II[*+]\x00|MM\x00[*+])", "TIFF or camera RAW"),
    (0, rb"(\xff\x0a|\x00\x00\x00\x0cJXL )", "JPEG XL"),
    (0, rb"(\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  )", "JPEG 2000"),
    (0, rb"II\xbc[\x00\x01]", "JPEG XR"),
    (0, rb"8BPS", "a Photoshop file"),
    (0, rb"gimp xcf", "a GIMP file"),
    (0, rb"\x00\x00[\x01\x02]\x00[\x01-\x40]\x00", "an icon"),
    (
        0,
        rb".[\x00\x01][\x01-\x03\x09-\x0b]\x00\x00(\x00\x00\x00|\x00\x01[\x10\x18\x20])",
        "TGA",
    ),
    (0, rb"P[1-7Ff]\s", "PNM"),
    (0, rb"(v/1\x01|#\?RADIANCE)", "a picture of high dynamic range"),
    (0, rb"[\x8a\x8b](MNG|JNG)", "MNG"),
    (0, rb"qoif", "QOI"),
    (0, rb"BPG\xfb", "BPG"),
    (0, rb"DDS ", "DDS"),
    (0, rb"SIMPLE  =", "FITS"),
    (0, rb"\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08]", "PCX"),
    (0, rb"\x01\xda[\x00\x01][\x01\x02]", "SGI"),
    (0, rb"\x59\xa6\x6a\x95", "Sun Raster"),
    (0, rb"AT&TFORM", "DjVu"),
    (0, rb"/\* XPM", "XPM"),
    (128, rb"DICM", "DICOM"),
    (344, rb"n[+i]1\x00", "NIfTI"),
)
FORMATS = (
    *(JPEG, PNG, GIF, BMP, WEBP),
    *(FileFormat(name, magic, at, is_decoded=False) for at, magic, name in _REFUSED),
)


def matches(pattern: bytes, content: bytes, *, at: int = 0) -> bool:
    """Whether the bytes from a position on match a regular expression."""
    return re.match(pattern, content[at : at + _MATCHED], re.DOTALL) is not None


def has_hole(pixels: bytes) -> bool:
    """Whether packed pixels have a hole of zeros, which is a guess for those that are decoded."""
    return _HOLE in pixels


def find_format(content: bytes) -> FileFormat | None:
    """Finds the format of a file by its first bytes, None for an unknown one."""
    return next((one for one in FORMATS if one.matches(content)), None)
