import os

import pytest

import kerastl
from kerastl.checked_files import list_versions, read_versions, remove_versions, write_version


def contents(directory):
    return [content for _, content in read_versions(directory)]


def test_newest_version_comes_first_and_the_one_before_it_stays(tmp_path):
    directory = tmp_path / "checkpoints"
    assert contents(directory) == []
    for content in (b"one", b"two", b"three"):
        write_version(directory, content)
    assert contents(directory) == [b"three", b"two"]
    (directory / "best.keras").touch()
    remove_versions(directory)
    assert os.listdir(directory) == ["best.keras"]


@pytest.mark.parametrize("damage", [b"", b"thre", b"threeX", b"thrEe"])
def test_version_that_is_damaged_is_told_from_one_that_is_whole(tmp_path, damage):
    write_version(tmp_path, b"two")
    write_version(tmp_path, b"three")
    list_versions(tmp_path)[0].write_bytes(damage)
    assert contents(tmp_path) == [None, b"two"]
    write_version(tmp_path, b"four")
    assert contents(tmp_path) == [b"four", None]


def test_numbers_go_on_where_they_have_more_digits(tmp_path):
    write_version(tmp_path, b"old")
    (old,) = list_versions(tmp_path)
    old.rename(old.with_name(old.name.replace("000001", "999999")))
    write_version(tmp_path, b"new")
    assert contents(tmp_path) == [b"new", b"old"]


def test_full_disk_keeps_what_is_there(tmp_path, monkeypatch):
    write_version(tmp_path, b"old")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(kerastl.KerastlError, match=r"^run_dir=.*No space left on device"):
        write_version(tmp_path, b"new")
    assert contents(tmp_path) == [b"old"]
    assert len(os.listdir(tmp_path)) == 1
