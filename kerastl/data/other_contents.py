"""What files hold that are no pictures, whatever they are called, in one table."""

from typing import NamedTuple

from kerastl.data.file_formats import matches


class OtherContent(NamedTuple):
    """What files are that hold no picture.

    Attributes:
        kind: For people, in the plural; the same word as that of `beside` for their names.
        reason: Why such a file is no picture, for a person: a predicate.
        pattern: Regular expression for its beginning.
        at: Where that begins.
    """

    kind: str
    reason: str
    pattern: bytes
    at: int = 0


def _file(kind: str, name: str, pattern: bytes, at: int = 0) -> OtherContent:
    return OtherContent(kind, f"is {name}, not an image", pattern, at)


def _absent(system: str, advice: str, pattern: bytes) -> OtherContent:
    reason = f"is not downloaded, only a pointer of {system} to it ({advice})"
    return OtherContent("placeholders", reason, pattern)


def _link(name: str, advice: str, pattern: bytes) -> OtherContent:
    return OtherContent("placeholders", f"is only {name} to another file ({advice})", pattern)


_ASCII = rb"[\t\n\f\r\x1b\x20-\x7e]"
_UTF_8 = rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
_MARK = rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*"
_XML = _MARK + rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*"
# The first that matches holds. Those that only look like text come last.
_CONTENTS = (
    _absent("Git LFS", "run `git lfs pull`", rb"version https://(git-lfs\.github|hawser\.github)"),
    _absent("git-annex", "run `git annex get`", rb"(\.\./)*(\.git)?/annex/objects/"),
    _absent("DVC", "run `dvc pull`", rb"(md5: \w{32}\s+)?outs:\s+- (md5|hash|etag|path|size):"),
    _absent("a drive in the cloud", "download it there", rb"bplist00.*NSURL"),
    _link("a shortcut of Windows", "copy the file itself", rb"L\x00\x00\x00\x01\x14\x02\x00"),
    _link("a shortcut", "copy the file itself", rb"(\[InternetShortcut\]|book....mark)"),
    _link("an alias of macOS", "copy the file itself", rb"\x00\x05\x16[\x00\x07]"),
    _link(
        "a link of Git as text",
        "copy the file itself, or check out with core.symlinks=true",
        rb"(\.{1,2}/)*[^\0\r\n\\:*?\"<>|]{1,250}\.(?i:jpe?g|png|gif|bmp|webp|tiff?)\s?\Z",
    ),
    _file("documents", "a PDF document", rb"%PDF-"),
    _file("documents", "an old Office document", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    _file("documents", "an RTF document", rb"\{\\rtf"),
    _file("vector graphics", "a PostScript file", rb"(%!PS|\xc5\xd0\xd3\xc6)"),
    _file(
        "vector graphics", "an enhanced metafile", rb"(\x01\x00\x00\x00.{36} EMF|\xd7\xcd\xc6\x9a)"
    ),
    _file("arrays", "a file of NumPy arrays", rb"PK\x03\x04.{26}[^\0/]{1,200}?\.npy"),
    _file("archives", "a ZIP archive or a file of Office", rb"PK(\x03\x04|\x05\x06|\x07\x08)"),
    _file("archives", "a gzip archive", rb"\x1f\x8b"),
    _file("archives", "a bzip2 archive", rb"BZh[1-9]"),
    _file("archives", "an xz archive", rb"\xfd7zXZ\x00"),
    _file("archives", "a Zstandard archive", rb"\x28\xb5\x2f\xfd"),
    _file("archives", "a 7z archive", rb"7z\xbc\xaf\x27\x1c"),
    _file("archives", "a RAR archive", rb"Rar!\x1a\x07"),
    _file("archives", "a tar archive", rb"ustar", at=257),
    _file("arrays", "a NumPy array", rb"\x93NUMPY"),
    _file("arrays", "an HDF5 file", rb"\x89HDF\r\n\x1a\n"),
    _file("arrays", "a MATLAB file", rb"MATLAB [57]\.\d MAT-file"),
    _file("arrays", "an IDX file of arrays", rb"\x00\x00[\x08\x09\x0b-\x0e][\x01-\x04]\x00"),
    _file("arrays", "a NetCDF file", rb"CDF[\x01\x02\x05]"),
    _file("arrays", "a Python pickle", rb"\x80[\x02-\x05][\x95\x80cq\]}(KX]"),
    _file("tables", "a Parquet or Arrow table", rb"(PAR1|ARROW1|FEA1)"),
    _file("models", "a TensorFlow Lite model", rb"....TFL3"),
    _file("models", "a GGUF model", rb"GGUF"),
    _file("sounds", "an M4A sound", rb"....ftypM4[AB]"),
    _file(
        "videos",
        "a QuickTime video",
        rb"(....ftypqt  |\x00...(moov|mdat|wide|free|skip|pnot))",
    ),
    _file("videos", "an MP4 video", rb"....ftyp"),
    _file("videos", "an AVI video", rb"RIFF....AVI "),
    _file("videos", "a Matroska or WebM video", rb"\x1a\x45\xdf\xa3"),
    _file("videos", "an MPEG video", rb"\x00\x00\x01[\xb3\xba]"),
    _file("videos", "an MPEG transport stream", rb"(\x47.{187}\x47|.{4}\x47.{191}\x47)"),
    _file("videos", "a Flash video", rb"FLV\x01"),
    _file("videos", "a Windows Media file", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    _file("sounds", "a WAV sound", rb"RIFF....WAVE"),
    _file("sounds", "an AIFF sound", rb"FORM....AIF[FC]"),
    _file("sounds", "a FLAC sound", rb"fLaC"),
    _file("sounds", "an Ogg sound or video", rb"OggS"),
    _file(
        "sounds",
        "an MP3 sound",
        rb"(ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][^\x00\xf0-\xff])",
    ),
    _file("sounds", "an AAC sound", rb"\xff[\xf0\xf1\xf8\xf9][\x40-\x5f]"),
    _file("sounds", "an AMR sound", rb"#!AMR"),
    _file("sounds", "a MIDI file", rb"MThd"),
    _file("programs", "a Windows program", rb"MZ.{56}"),
    _file(
        "programs",
        "a program",
        rb"(\x7fELF|\xcf\xfa\xed\xfe|\xfe\xed\xfa[\xce\xcf]|\xca\xfe\xba\xbe)",
    ),
    _file("databases", "an SQLite database", rb"SQLite format 3\x00"),
    _file("fonts", "a font", rb"(OTTO|\x00\x01\x00\x00\x00|wOF[F2]|ttcf)"),
    _file("texts", "an image written as base64 text", rb"(data:image/|/9j/[\w+/]{8}|iVBORw0KGgo)"),
    # The bytes that begin a JPEG or a PNG, as other programs write them that take them for text.
    _file(
        "texts",
        "a picture that was saved as text, which destroyed it",
        rb"(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbdPNG|\xc3\xbf\xc3\x98\xc3\xbf|\xc2\x89PNG)",
    ),
    # Like a page of text, and drawn, but not of pixels.
    OtherContent(
        "vector graphics", "is SVG (unsupported)", _XML + rb"(<!DOCTYPE svg[^>]*>\s*)?<svg\b"
    ),
    _file(
        "web pages",
        "a web page",
        _XML + rb"(?i:<(!doctype html|html|head|body|title|script|meta)\b)",
    ),
    _file("texts", "an XML error message of a server", _XML + rb"<Error>"),
    _file("texts", "a property list", _XML + rb"<!DOCTYPE plist"),
    _file("texts", "XMP edits", _XML + rb"(<\?xpacket|<x:xmpmeta)"),
    _file("texts", "XML", _MARK + rb"<\?xml"),
    _file("texts", "JSON", rb"(\xef\xbb\xbf)?\s*[\[{]\s*([\[{\"\]}]|[-\d.]+\s*[,\]])"),
    OtherContent("empty files", "is empty", rb"\Z"),
    OtherContent(
        "files of zeros",
        "begins with a hole of zeros, not copied or downloaded in full",
        rb"\x00{1,512}\Z",
    ),
    OtherContent(
        "damaged images",
        "has other bytes before its image, as a script or a server writes them",
        rb".{1,256}?(\xff\xd8\xff[\xdb\xe0-\xef]|\x89PNG\r\n\x1a\n)",
    ),
    _file("texts", "text", rb"(\xff\xfe(.\x00)+|\xfe\xff(\x00.)+)"),
    _file("texts", "text", rb"(%b|%b)+[\xc2-\xf4]?[\x80-\xbf]{0,2}\Z" % (_ASCII, _UTF_8)),
    # In an older encoding, one or two letters at a time are not of ASCII.
    _file("texts", "text", rb"%b(%b|[\x80-\xff]{1,2}(?=%b))*\Z" % (_ASCII, _ASCII, _ASCII)),
)


def find_other(content: bytes) -> OtherContent | None:
    """Finds what a file holds that is no picture; None where that is unknown."""
    return next((one for one in _CONTENTS if matches(one.pattern, content, at=one.at)), None)
