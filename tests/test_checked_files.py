import os

import pytest

import kerastl
from kerastl.checked_files import Versions, list_versions


def contents(directory):
    return [content for _, content in Versions(directory).read()]


def test_newest_version_comes_first_and_the_one_before_it_stays(tmp_path):
    directory = tmp_path / "checkpoints"
    assert contents(directory) == []
    versions = Versions(directory)
    for content in (b"one", b"two", b"three"):
        versions.write(content)
    assert contents(directory) == [b"three", b"two"]
    (directory / "best.keras").touch()
    versions.remove()
    assert os.listdir(directory) == ["best.keras"]


@pytest.mark.parametrize("damage", [b"", b"thre", b"threeX", b"thrEe"])
def test_version_that_is_damaged_is_told_from_one_that_is_whole(tmp_path, damage):
    versions = Versions(tmp_path)
    versions.write(b"two")
    versions.write(b"three")
    list_versions(tmp_path)[0].write_bytes(damage)
    assert contents(tmp_path) == [None, b"two"]
    # One that is whole stays until there are two of them.
    versions = Versions(tmp_path)
    assert [content for _, content in versions.read()] == [None, b"two"]
    versions.write(b"four")
    assert contents(tmp_path) == [b"four", b"two"]
    versions.write(b"five")
    assert contents(tmp_path) == [b"five", b"four"]


def test_version_that_cannot_be_read_now_is_no_damaged_one(tmp_path, monkeypatch):
    versions = Versions(tmp_path)
    versions.write(b"two")

    def fail(path):
        raise OSError(24, "Too many open files", str(path))

    monkeypatch.setattr(type(tmp_path), "read_bytes", fail)
    words = r"^run_dir=.*000001-.* cannot be read \(Too many open files\)\. Repeat the command"
    with pytest.raises(kerastl.KerastlError, match=words):
        list(Versions(tmp_path).read())
    assert len(list_versions(tmp_path)) == 1


def test_numbers_go_on_where_they_have_more_digits(tmp_path):
    Versions(tmp_path).write(b"old")
    (old,) = list_versions(tmp_path)
    old.rename(old.with_name(old.name.replace("000001", "999999")))
    versions = Versions(tmp_path)
    assert len(list(versions.read())) == 1
    versions.write(b"new")
    assert contents(tmp_path) == [b"new", b"old"]


def test_full_disk_keeps_what_is_there(tmp_path, monkeypatch):
    versions = Versions(tmp_path)
    versions.write(b"old")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(kerastl.KerastlError, match=r"^run_dir=.*No space left on device"):
        versions.write(b"new")
    assert contents(tmp_path) == [b"old"]
    assert len(os.listdir(tmp_path)) == 1
