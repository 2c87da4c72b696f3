import errno
import os

import pytest
from PIL import Image

from kerastl.data import content, finding
from kerastl.data.finding import find_source
from kerastl.data.inspection import inspect
from kerastl.errors import KerastlError
from kerastl.progress import Progress
from picture_files import picture
from picture_folders import config_of, open_folder, refusal, write_rgb36


def test_second_audit_inspects_only_what_has_changed(tmp_path):
    root = write_rgb36(tmp_path / "data")
    first, printed = open_folder(config_of(tmp_path))
    assert "Audit: 36 images inspected" in printed
    Image.new("RGB", (20, 20), (9, 9, 200)).save(root / "blue/00.jpg")
    Image.new("RGB", (20, 20), (9, 99, 9)).save(root / "green/new.jpg")
    # A file that was only renamed has the content that it had.
    os.rename(root / "red/00.jpg", root / "red/zz.jpg")
    second, printed = open_folder(config_of(tmp_path))
    assert "Audit: 2 images inspected" in printed
    assert "35 known from before." in printed
    assert len(second) == 37
    changed = first.examples.index("blue/00.jpg")
    assert first.hashes[changed].tolist() != second.hashes[changed].tolist()
    _, printed = open_folder(config_of(tmp_path, cache_dir=""))
    assert "Audit: 37 images inspected" in printed


def test_damaged_memory_is_begun_anew(tmp_path):
    write_rgb36(tmp_path / "data")
    first, _ = open_folder(config_of(tmp_path))
    (tmp_path / "cache/audit.sqlite").write_bytes(b"junk" * 1000)
    second, said = open_folder(config_of(tmp_path))
    assert second.fingerprint() == first.fingerprint()
    assert "36 images inspected" in said


def test_content_that_changed_behind_its_time_is_seen(tmp_path):
    root = write_rgb36(tmp_path / "data", form="BMP", ending="bmp")
    first, _ = open_folder(config_of(tmp_path))
    path = root / "red/00.bmp"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second, _ = open_folder(config_of(tmp_path))
    changed = first.examples.index("red/00.bmp")
    assert first.hashes[changed].tobytes() != second.hashes[changed].tobytes()


def test_file_half_written_while_it_is_looked_at_is_not_remembered_so(tmp_path, monkeypatch):
    root = write_rgb36(tmp_path / "data")
    path = root / "red/00.jpg"
    whole = path.read_bytes()
    find_source = finding.find_source

    def then_cut(*arguments, **options):
        source = find_source(*arguments, **options)
        path.write_bytes(whole[:500])
        return source

    monkeypatch.setattr(finding, "find_source", then_cut)
    message, _ = refusal(config_of(tmp_path))
    assert "red/00.jpg changed while it was being inspected" in message
    monkeypatch.undo()
    path.write_bytes(whole)
    source, _ = open_folder(config_of(tmp_path))
    assert len(source) == 36


def test_what_a_disk_refused_once_is_read_the_next_time(tmp_path, monkeypatch):
    root = write_rgb36(tmp_path / "data")
    read_file = content.read_file

    def refuse(path):
        if path.name == "03.jpg" and path.parent.name == "red":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_file(path)

    with monkeypatch.context() as refusing:
        refusing.setattr(content, "read_file", refuse)
        refusing.setattr("kerastl.data.files.read_file", refuse)
        assert "red/03.jpg cannot be read (Input/output error)" in refusal(config_of(tmp_path))[0]
    source, _ = open_folder(config_of(tmp_path))
    assert len(source) == 36
    assert root.exists()


@pytest.mark.parametrize("code", [errno.ENOTCONN, errno.ESTALE])
@pytest.mark.parametrize("place", ["content", "files"])
def test_no_file_is_left_out_because_its_drive_is_gone(tmp_path, monkeypatch, code, place):
    write_rgb36(tmp_path / "data")

    def refuse(path):
        # As the end of a file does, which names no path.
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(f"kerastl.data.{place}.read_file", refuse)
    with pytest.raises(KerastlError, match=r"0\d\.jpg': .*\. Check that its drive can be used, "):
        open_folder(config_of(tmp_path, on_bad_image="skip"))


def test_large_jpegs_are_known_by_their_own_size_and_by_their_pixels(tmp_path):
    """They are inspected at a share of their size."""
    root = write_rgb36(tmp_path / "data", count=4)
    photo = picture(5, size=(640, 480))
    turned = Image.Exif()
    turned[0x0112] = 6
    photo.save(root / "red/photo.jpg")
    # A copy with other words in it, one turned by its Exif data, and the same pixels as a PNG.
    photo.save(root / "red/photo_copy.jpg", comment=b"words")
    photo.save(root / "red/turned.jpg", exif=turned)
    Image.open(root / "red/photo.jpg").save(root / "red/photo.png")
    source = find_source(config_of(tmp_path), memory=None, progress=Progress())
    inspections = inspect(source, memory=None, progress=Progress())
    found = dict(zip(source.examples, inspections, strict=True))
    one, copied, png, upright = (
        found[f"red/{name}"] for name in ("photo.jpg", "photo_copy.jpg", "photo.png", "turned.jpg")
    )
    assert [(each.width, each.height) for each in (one, copied, png, upright)] == [
        *[(640, 480)] * 3,
        (480, 640),
    ]
    assert one.pixels == copied.pixels != png.pixels
    source, _ = open_folder(config_of(tmp_path))
    assert {
        (finding.file, finding.kind, finding.other)
        for finding in source.findings
        if "same image" in finding.kind
    } >= {
        ("red/photo_copy.jpg", "same image twice", "red/photo.jpg"),
        ("red/photo.png", "nearly the same image twice", "red/photo.jpg"),
    }
