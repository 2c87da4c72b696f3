import multiprocessing
import os
import time

import numpy as np
import pytest

from kerastl.training.store import FeatureStore, drop, list_entries, make_room

SHAPE = (3, 5)
# A fork would have TensorFlow's objects of earlier tests without their threads, and wait for those.
PROCESSES = multiprocessing.get_context("spawn")


def open_store(root, **changes):
    values = {"identity": {"weights": "a"}, "shape": SHAPE, "dtype": "float32"} | changes
    return FeatureStore(root, values.pop("identity"), **values)


def digests_of(numbers):
    return np.array([[number % 256, number // 256] + [0] * 14 for number in numbers], np.uint8)


def rows_of(numbers):
    return np.array([np.full(SHAPE, number, np.float32) for number in numbers])


def fill(store, numbers):
    with store.adding() as writer:
        writer.add(digests_of(numbers), rows_of(numbers))


def read(store, numbers):
    found = store.find(digests_of(numbers))
    assert (found >= 0).all()
    return store.read(found)


def test_rows_come_back_in_any_order_and_in_another_store_object(tmp_path):
    fill(open_store(tmp_path), range(300))
    store = open_store(tmp_path)
    fill(store, range(300, 310))
    wanted = [305, 7, 0, 299, 7]
    np.testing.assert_array_equal(read(store, wanted), rows_of(wanted))
    assert store.find(digests_of([310, 0])).tolist()[0] == -1


@pytest.mark.parametrize(
    ("wanted", "calls"), [(range(310), 2), ([5, 6, 7, 9, 8, 300, 301], 4), ([], 0)]
)
def test_rows_that_follow_each_other_are_read_at_once(wanted, calls, tmp_path, monkeypatch):
    store = open_store(tmp_path)
    fill(store, range(300))
    fill(store, range(300, 310))
    done, preadv = [], os.preadv
    monkeypatch.setattr(os, "preadv", lambda *given: done.append(given) or preadv(*given))
    values = read(store, wanted)
    np.testing.assert_array_equal(values, rows_of(wanted).reshape(-1, *SHAPE))
    assert len(done) == calls


def test_store_that_is_open_when_python_ends_says_nothing(tmp_path, monkeypatch):
    store = open_store(tmp_path)
    # As Python empties modules that TensorFlow still holds something of.
    monkeypatch.setattr("kerastl.training.store.os", None)
    del store


def test_what_the_system_gives_in_parts_is_put_together(tmp_path, monkeypatch):
    store = open_store(tmp_path)
    fill(store, range(9))
    preadv = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda file, views, offset: preadv(file, [views[0][:7]], offset)
    )
    np.testing.assert_array_equal(read(store, range(9)), rows_of(range(9)))


def test_identity_decides_the_directory(tmp_path):
    fill(open_store(tmp_path), range(3))
    for change in ({"identity": {"weights": "b"}}, {"shape": (15,)}, {"dtype": "float16"}):
        assert (open_store(tmp_path, **change).find(digests_of(range(3))) == -1).all()


def test_float16_takes_half_and_is_read_as_float32(tmp_path):
    store = open_store(tmp_path, dtype="float16")
    fill(store, [1, 2])
    assert read(store, [2]).dtype == np.float32
    rows = 100
    saved = open_store(tmp_path).bytes_for(rows) - store.bytes_for(rows)
    assert saved == rows * 2 * np.prod(SHAPE)


def test_cut_off_write_is_not_read(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(10))
    (index,) = store.path.glob("*.index")
    index.unlink()
    assert (open_store(tmp_path).find(digests_of(range(10))) == -1).all()


def test_truncated_rows_are_recomputed_alone(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(200))
    (rows,) = store.path.glob("*.rows")
    os.truncate(rows, store.bytes_for(150))
    found = open_store(tmp_path).find(digests_of(range(200)))
    # Checksums cover 64 rows: the third block is short and the last is gone.
    assert (found[:128] >= 0).all()
    assert (found[128:] == -1).all()


def test_one_changed_byte_costs_its_block_only(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(200))
    (rows,) = store.path.glob("*.rows")
    content = bytearray(rows.read_bytes())
    content[store.bytes_for(70)] ^= 1
    rows.write_bytes(content)
    again = open_store(tmp_path)
    found = again.find(digests_of(range(200)))
    assert again.damaged == 64
    assert np.flatnonzero(found == -1).tolist() == list(range(64, 128))
    fill(again, range(64, 128))
    np.testing.assert_array_equal(read(again, range(200)), rows_of(range(200)))


def test_damaged_index_is_as_if_it_was_not_there(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(5))
    (index,) = store.path.glob("*.index")
    whole = index.read_bytes()
    flipped = [
        whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        for place in range(len(whole))
    ]
    for content in (b"junk", *(whole[:size] for size in range(len(whole))), *flipped):
        index.write_bytes(content)
        assert (open_store(tmp_path).find(digests_of(range(5))) == -1).all()
    index.write_bytes(whole)
    np.testing.assert_array_equal(read(open_store(tmp_path), range(5)), rows_of(range(5)))


def test_damage_is_told_until_it_is_mended(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(10))
    (rows,) = store.path.glob("*.rows")
    os.truncate(rows, 0)
    again = open_store(tmp_path)
    assert again.damaged == 10
    fill(again, range(10))
    assert again.damaged == open_store(tmp_path).damaged == 0


@pytest.mark.parametrize(
    "notes",
    ["", "null", "[1]", '{"datasets": 5}', '{"last_use": "x"}', '{"identity": null}', "{"],
)
def test_notes_of_any_kind_cost_nothing(tmp_path, notes):
    store = open_store(tmp_path)
    fill(store, range(3))
    (store.path / "about.json").write_text(notes)
    (entry,) = list_entries(tmp_path)
    assert entry.last_use == 0
    assert store.about() == {}
    store.describe(boundary="pooled")
    assert list_entries(tmp_path)[0].about["boundary"] == "pooled"


def test_old_leftovers_are_removed_and_new_ones_kept(tmp_path):
    store = open_store(tmp_path)
    for name, age in (("old", 48), ("new", 0)):
        path = store.path / f"{name}.rows"
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age * 3600,) * 2)
    open_store(tmp_path)
    assert [path.name for path in store.path.glob("*.rows")] == ["new.rows"]


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


def test_room_is_made_by_dropping_the_least_recently_used(tmp_path):
    sizes = {}
    for name in "abc":
        store = open_store(tmp_path, identity={"weights": name})
        fill(store, range(100))
        store.describe(boundary=name)
        sizes[name] = sum(file.stat().st_size for file in store.path.iterdir())
        del store
    # Used again, the oldest is the newest.
    open_store(tmp_path, identity={"weights": "a"}).describe()
    total = sum(sizes.values())
    assert make_room(tmp_path, needed=10, limit=total - sizes["b"] + 20)
    assert [entry.about["boundary"] for entry in list_entries(tmp_path)] == ["c", "a"]


def test_what_is_open_is_never_dropped(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(10))
    (entry,) = list_entries(tmp_path)
    assert not drop(entry)
    assert not make_room(tmp_path, needed=10, limit=10)
    np.testing.assert_array_equal(read(store, [3]), rows_of([3]))
    del store
    assert drop(entry)
    assert list_entries(tmp_path) == []


def test_nothing_is_dropped_for_what_can_never_fit(tmp_path):
    fill(open_store(tmp_path), range(10))
    assert not make_room(tmp_path, needed=1000, limit=100)
    assert len(list_entries(tmp_path)) == 1
    # Nor where what is in use takes the room.
    in_use = open_store(tmp_path, identity={"weights": "b"})
    fill(in_use, range(100))
    assert not make_room(tmp_path, needed=10, limit=in_use.bytes_for(100))
    assert len(list_entries(tmp_path)) == 2


def test_other_folders_are_left_alone(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(10))
    for name in ("thesis", "0" * 31):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").touch()
        (tmp_path / name / "text.index").write_text("mine")
    del store
    assert len(list_entries(tmp_path)) == 1
    assert make_room(tmp_path, needed=10, limit=10)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis", "0" * 31}


def test_combination_that_another_process_drops_is_no_error(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(10))
    del store
    (entry,) = list_entries(tmp_path)
    assert drop(entry)
    assert drop(entry)
    assert list_entries(tmp_path) == []


def _use_and_drop(root, seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        name = f"{rng.integers(3)}"
        if rng.integers(2):
            store = open_store(root, identity={"weights": name})
            missing = [number for number in range(20) if store.find(digests_of([number]))[0] < 0]
            fill(store, missing)
            store.describe(boundary=name)
            np.testing.assert_array_equal(read(store, range(20)), rows_of(range(20)))
            del store
        else:
            make_room(root, needed=0, limit=int(rng.integers(3000)))


def test_processes_use_and_drop_at_once(tmp_path):
    workers = [PROCESSES.Process(target=_use_and_drop, args=(tmp_path, seed)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


def test_interrupted_pass_keeps_what_it_had(tmp_path):
    store = open_store(tmp_path)

    def interrupted():
        with store.adding() as writer:
            writer.add(digests_of(range(64)), rows_of(range(64)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (open_store(tmp_path).find(digests_of(range(64))) >= 0).all()
