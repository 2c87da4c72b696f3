import itertools
import pathlib
import threading
import time

import pytest

from kerastl.serving.read_ahead import MAX_AHEAD, read_batches


def files(folder, count):
    paths = [folder / f"{number:03d}.bin" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(b"%d" % number)
    return paths


def test_files_come_in_their_order_and_none_twice(tmp_path):
    paths = files(tmp_path, 200)
    batches = list(read_batches(paths, 7))
    assert max(map(len, batches)) <= 7
    assert list(itertools.chain(*batches)) == [
        (path, b"%d" % number) for number, path in enumerate(paths)
    ]


def test_file_that_cannot_be_read_has_the_reason_in_its_place(tmp_path):
    good = files(tmp_path, 1)[0]
    (tmp_path / "empty").touch()
    given = [tmp_path / "none", good, tmp_path, pathlib.Path("a\0b"), tmp_path / "empty"]
    assert list(itertools.chain(*read_batches(given, 9))) == [
        (given[0], "No such file or directory"),
        (good, b"0"),
        (tmp_path, "Is a directory"),
        (given[3], "cannot be read"),
        (given[4], "is empty"),
    ]


def test_first_file_comes_before_the_second_is_named(tmp_path):
    first, second = files(tmp_path, 2)
    may_go_on = threading.Event()

    def typed():
        yield first
        assert may_go_on.wait(20)
        yield second

    batches = read_batches(typed(), 32)
    assert next(batches) == [(first, b"0")]
    may_go_on.set()
    assert next(batches) == [(second, b"1")]


def test_few_files_are_read_ahead(tmp_path):
    path = files(tmp_path, 1)[0]
    named = itertools.count()
    seen = []

    def endless():
        while True:
            seen.append(next(named))
            yield path

    batches = read_batches(endless(), 1)
    next(batches)
    time.sleep(0.3)
    assert len(seen) <= MAX_AHEAD + 3
    batches.close()
    deadline = time.monotonic() + 10
    while threading.active_count() > 1 and time.monotonic() < deadline:
        count = len(seen)
        time.sleep(0.3)
        if len(seen) == count:
            break
    assert len(seen) <= MAX_AHEAD + 4


def test_error_of_the_list_comes_behind_the_files_before_it(tmp_path):
    path = files(tmp_path, 1)[0]

    def broken():
        yield path
        raise PermissionError("no more")

    batches = read_batches(broken(), 1)
    assert next(batches) == [(path, b"0")]
    with pytest.raises(PermissionError, match="no more"):
        next(batches)


def test_no_paths_give_no_batches():
    assert list(read_batches([], 3)) == []
