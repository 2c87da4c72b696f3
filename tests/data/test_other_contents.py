import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest

from kerastl.data import beside
from kerastl.data.file_formats import find_format
from kerastl.data.other_contents import find_other
from kerastl.data.reasons import explain
from picture_files import HTML, every_kind


def in_archive(form):
    stream = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a.txt", "text")
    else:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a"))
    return stream.getvalue()


def array():
    stream = io.BytesIO()
    np.save(stream, np.arange(5))
    return stream.getvalue()


POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"  # Of a file.
)
WORDS = {
    "git lfs pull": POINTER,
    "git annex get": b"/annex/objects/SHA256E-s123--ab.jpg\n",
    "git-annex": b"../../.git/annex/objects/X1/a.jpg",
    "DVC": b"outs:\n- md5: a304afb96060aad90176268345e10355\n  size: 3\n  path: a.jpg\n",
    "in the cloud": b"bplist00\xd5\x01\x02NSURLNameKey",
    "Windows": b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0",
    "link of Git as text": b"../../photos/a b.JPG",
    "core.symlinks=true": "b\u00e4r.png\n".encode(),
    "alias of macOS to another file": b"\0\5\x16\7\0\2",
    "PDF": b"%PDF-1.7\n%\xe2\xe3",
    "ZIP": in_archive("zip"),
    "tar": in_archive("tar"),
    "gzip": gzip.compress(b"text", mtime=0),
    "NumPy": array(),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "MP4": b"\0\0\0\x20ftypisom\0\0\2\0",
    "QuickTime": b"\0\0\0\x14ftypqt  " + bytes(range(200)),
    "AVI": b"RIFF\0\1\0\0AVI LIST",
    "Matroska": b"\x1a\x45\xdf\xa3\x01\0\0",
    "WAV": b"RIFF\0\1\0\0WAVEfmt ",
    "MP3": b"ID3\3\0\0\0\0\0",
    "web page": HTML,
    "XML": b'<?xml version="1.0"?>\n<note><body>x</body></note>',
    "property list": b'<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD">\n<plist>',
    "error message": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "JSON": json.dumps({"error": "not found"}).encode(),
    "base64": b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAUDBAQE",
    "saved as text": "\xff\xd8\xff\xe0".encode(),
    "text": "Grüße\n".encode(),
    "is text": "Grüße an alle\n".encode("latin-1"),
    "text,": "Grüße\n".encode("utf-16"),
    "empty": b"",
    "hole of zeros": bytes(3000),
    "SVG": b'<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="http://www.w3.org/2000/svg">',
    "SQLite": b"SQLite format 3\0",
    "other bytes before": b"\n\n\xff\xd8\xff\xe0\0\x10JFIF\0",
    "bytes before its image": b"\xef\xbb\xbf\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a script or a server": b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\xff\xdb\0\x43",
}
PICTURES = {
    "DICOM": bytes(128) + b"DICM" + bytes(200),
    "NIfTI": b"\x5c\1\0\0" + bytes(340) + b"n+1\0",
    "TGA": bytes([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 16, 0, 24, 0]) + bytes(100),
    "icon": b"\0\0\1\0\1\0\x10\x10",
    "PCX": b"\x0a\5\1\x08" + bytes(100),
    "SGI": b"\x01\xda\1\1" + bytes(100),
    "Sun": b"\x59\xa6\x6a\x95" + bytes(100),
    "DjVu": b"AT&TFORM\0\0\1\0DJVU",
    "XPM": b"/* XPM */\nstatic char *x[] = {",
    "PNM": b"P6\n2 2\n255\n",
}


@pytest.mark.parametrize("word", WORDS)
def test_what_is_no_picture_is_named(word):
    assert word in explain(WORDS[word], "")
    assert find_format(WORDS[word]) is None


@pytest.mark.parametrize("word", PICTURES)
def test_picture_that_is_not_decoded_is_named(word):
    assert explain(PICTURES[word], "") == f"is {find_format(PICTURES[word]).name} (unsupported)"
    assert word in explain(PICTURES[word], "")


def test_kinds_have_the_words_of_kinds_by_name():
    kinds = {find_other(content).kind for content in WORDS.values()}
    own = {"placeholders", "empty files", "files of zeros", "damaged images"}
    assert kinds - own <= set(beside.ENDINGS)


def test_no_picture_and_no_noise_is_taken_for_something_else():
    rng = np.random.default_rng(0)
    noise = [rng.bytes(4000) for _ in range(300)]
    assert [content for content in every_kind().values() if find_other(content)] == []
    # Two bytes begin an MP3, at worst.
    assert sum(find_other(content) is not None for content in noise) <= 1
