import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest

from kerastl.data import segments
from kerastl.data import store as module
from kerastl.data.segments import read_into
from stores import SHAPE, fill, hashes_of, open_store, read, rows_of

# A fork would have TensorFlow's objects of earlier tests without their threads, and wait for those.
PROCESSES = multiprocessing.get_context("spawn")


def test_rows_come_back_in_any_order_and_in_another_store_object(tmp_path):
    fill(open_store(tmp_path), range(300))
    store = open_store(tmp_path)
    fill(store, range(300, 310))
    wanted = [305, 7, 0, 299, 7]
    np.testing.assert_array_equal(read(store, wanted), rows_of(wanted))
    assert store.find(hashes_of([310, 0])).tolist()[0] == -1


@pytest.mark.parametrize(
    ("wanted", "calls"), [(range(310), 2), ([5, 6, 7, 9, 8, 300, 301], 4), ([], 0)]
)
def test_rows_that_follow_each_other_are_read_at_once(wanted, calls, tmp_path, monkeypatch):
    store = open_store(tmp_path)
    fill(store, range(300))
    fill(store, range(300, 310))
    done = []
    monkeypatch.setattr(module, "read_into", lambda *given: done.append(given) or read_into(*given))
    values = read(store, wanted)
    np.testing.assert_array_equal(values, rows_of(wanted).reshape(-1, *SHAPE))
    assert len(done) == calls


def test_store_that_is_open_when_python_ends_prints_nothing(tmp_path):
    script = f"import stores, pathlib; store = stores.open_store(pathlib.Path({str(tmp_path)!r}))"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == (b"", b"")


def test_identity_decides_the_directory(tmp_path):
    fill(open_store(tmp_path), range(3))
    for change in ({"identity": {"weights": "b"}}, {"shape": (15,)}, {"dtype": "float16"}):
        assert (open_store(tmp_path, **change).find(hashes_of(range(3))) == -1).all()


def test_float16_takes_half_and_is_read_as_float32(tmp_path):
    store = open_store(tmp_path, dtype="float16")
    fill(store, [1, 2])
    assert read(store, [2]).dtype == np.float32
    rows = 100
    saved = open_store(tmp_path).bytes_for(rows) - store.bytes_for(rows)
    assert saved == rows * 2 * np.prod(SHAPE)


def test_damage_is_reported_until_it_is_repaired(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(10))
    (rows,) = store.path.glob("*.rows")
    os.truncate(rows, 0)
    again = open_store(tmp_path)
    assert again.damaged == 10
    fill(again, range(10))
    assert again.damaged == open_store(tmp_path).damaged == 0


def test_rows_of_a_pass_that_was_cut_off_go_and_those_of_one_that_goes_on_stay(tmp_path):
    store = open_store(tmp_path)
    with store.adding() as writer:
        writer.add(hashes_of([1]), rows_of([1]))
        (growing,) = store.path.glob("*.rows")
        cut_off = store.path / "cut_off.rows"
        cut_off.write_bytes(b"x")
        open_store(tmp_path)
        assert growing.exists()
        assert not cut_off.exists()
    assert read(open_store(tmp_path), [1]).shape == (1, *SHAPE)


def test_slow_pass_keeps_what_it_has_in_between(tmp_path, monkeypatch):
    store = open_store(tmp_path)
    with store.adding() as writer:
        writer.add(hashes_of([1]), rows_of([1]))
        assert open_store(tmp_path).find(hashes_of([1])) == -1
        monkeypatch.setattr(segments, "SECONDS_PER_SEGMENT", 0.0)
        writer.add(hashes_of([2]), rows_of([2]))
        np.testing.assert_array_equal(read(open_store(tmp_path), [1, 2]), rows_of([1, 2]))


def _fill_in_process(root, numbers):
    fill(open_store(root), numbers)


def test_processes_write_at_once(tmp_path):
    parts = [range(start, start + 500) for start in (0, 250, 500)]
    workers = [PROCESSES.Process(target=_fill_in_process, args=(tmp_path, part)) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    np.testing.assert_array_equal(read(open_store(tmp_path), range(1000)), rows_of(range(1000)))


def test_interrupted_pass_keeps_what_it_had(tmp_path):
    store = open_store(tmp_path)

    def interrupted():
        with store.adding() as writer:
            writer.add(hashes_of(range(64)), rows_of(range(64)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (open_store(tmp_path).find(hashes_of(range(64))) >= 0).all()
