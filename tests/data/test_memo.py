import contextlib
import io
import os
import sqlite3

import pytest

from kerastl.data import memo
from kerastl.progress import Progress

KEYS = ["a", "b", "", "c"]


def recall(directory, keys=KEYS):
    """Looks keys up; returns how many were new, and what was said."""
    said = io.StringIO()
    found = memo.recall(
        directory,
        keys,
        lambda place: (f"value of {keys[place]}", True),
        what="looking",
        progress=Progress(said),
    )
    assert found.values == [f"value of {key}" for key in keys]
    return found.num_new, said.getvalue()


def hold(directory):
    """Does what another job would do that has the file for itself."""
    connection = sqlite3.connect(
        directory / "audit.sqlite", isolation_level=None, check_same_thread=False
    )
    connection.execute("BEGIN EXCLUSIVE")
    return contextlib.closing(connection)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(memo, "PATIENCE_SECONDS", 0.05)


def test_values_are_kept_under_their_keys(tmp_path):
    assert recall(tmp_path) == (4, "")
    # Nothing is kept under the empty key.
    assert recall(tmp_path) == (1, "")
    assert recall(None) == (4, "")


@pytest.mark.parametrize("is_there", [True, False])
def test_file_that_another_job_holds_is_done_without(tmp_path, is_there):
    if is_there:
        recall(tmp_path)
    with hold(tmp_path):
        new, said = recall(tmp_path)
        assert new == 4
        assert said == (
            f"Cache: what is found out about files is not kept: {tmp_path} cannot be used "
            "(database is locked).\n"
        )
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            memo.try_memo(tmp_path)
    memo.try_memo(tmp_path)
    assert recall(tmp_path)[1] == ""


def test_file_that_fails_in_the_middle_is_done_without(tmp_path):
    recall(tmp_path, ["a"])
    held = []

    def then_lock(place):
        # Threads look at several at once, and one of them shall lock the file.
        if place == 0:
            held.append(hold(tmp_path).__enter__())
        return place, True

    said = io.StringIO()
    keys = [f"key {number}" for number in range(200)]
    found = memo.recall(tmp_path, keys, then_lock, what="looking", progress=Progress(said))
    held[0].close()
    assert found.values == list(range(200))
    assert said.getvalue().count("is not kept") == 1
    assert recall(tmp_path, ["a"]) == (0, "")


def make_folder(tmp_path):
    (tmp_path / "audit.sqlite").mkdir()
    return "unable to open database file"


def make_file(tmp_path):
    tmp_path.rmdir()
    tmp_path.write_text("mine")
    return "File exists"


def refuse(tmp_path):
    tmp_path.rmdir()
    tmp_path.symlink_to(tmp_path)
    return "(File exists|Too many levels of symbolic links)"


@pytest.mark.parametrize("spoil", [make_folder, make_file, refuse])
def test_place_that_is_no_folder_is_done_without(tmp_path, spoil):
    folder = tmp_path / "x"
    folder.mkdir()
    words = spoil(folder)
    new, said = recall(folder)
    assert new == 4
    assert said.count("\n") == 1
    with pytest.raises(memo.MEMO_ERRORS, match=words):
        memo.try_memo(folder)


def test_damaged_file_is_begun_anew(tmp_path):
    (tmp_path / "audit.sqlite").write_bytes(b"junk" * 1000)
    assert recall(tmp_path) == (4, "")
    assert recall(tmp_path) == (1, "")


def test_file_is_checked_once_until_it_changes(tmp_path, monkeypatch):
    statements = []

    class Traced(sqlite3.Connection):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.set_trace_callback(statements.append)

    recall(tmp_path, ["a"])
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **b: connect(*a, **b, factory=Traced))
    for _ in range(3):
        memo.try_memo(tmp_path)
        assert recall(tmp_path, ["a"])[0] == 0
    assert statements.count("PRAGMA quick_check") == 1
    recall(tmp_path, ["b"])
    with (tmp_path / "audit.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096))
    assert recall(tmp_path, ["a"])[0] == 1
    assert statements.count("PRAGMA quick_check") > 1


def test_trying_changes_nothing(tmp_path):
    memo.try_memo(tmp_path)
    assert os.listdir(tmp_path) == ["audit.sqlite"]
    assert recall(tmp_path)[0] == 4


def find_out_all(directory, keys, *, begin_at=0.0, on_first=lambda: None):
    """Finds out the number of each key; returns the order, and the result."""
    done = []

    def find_out(place):
        if not done:
            on_first()
        done.append(place)
        return int(keys[place]), True

    found = memo.recall(
        directory, keys, find_out, what="test", progress=Progress(), begin_at=begin_at
    )
    assert found.values == [int(key) for key in keys]
    assert found.num_new == len(done)
    return done


def test_processes_that_begin_at_different_places_share_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(memo, "usable_cores", lambda: 1)
    keys = [str(number) for number in range(200)]
    by_other = []

    def other_does_half():
        by_other.extend(find_out_all(tmp_path, keys[100:]))

    done = find_out_all(tmp_path, keys, on_first=other_does_half)
    assert len(by_other) == 100
    # Those that it had begun with, and what the other had not done.
    assert done == list(range(100))
    assert find_out_all(tmp_path, keys) == []
    assert find_out_all(None, keys, begin_at=0.5)[:2] == [100, 101]
