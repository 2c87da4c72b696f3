import multiprocessing

import numpy as np
import pytest

from kerastl.data.entries import drop, list_entries, make_room
from stores import fill, hashes_of, open_store, read, rows_of

# A fork would have TensorFlow's objects of earlier tests without their threads, and wait for those.
PROCESSES = multiprocessing.get_context("spawn")


def fill_and_close(root):
    store = open_store(root)
    fill(store, range(10))
    store.close()


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


def test_room_is_made_by_dropping_the_least_recently_used(tmp_path):
    sizes = {}
    for name in "abc":
        store = open_store(tmp_path, identity={"weights": name})
        fill(store, range(100))
        store.describe(boundary=name)
        sizes[name] = sum(file.stat().st_size for file in store.path.iterdir())
        store.close()
    # Used again, the oldest is the newest.
    again = open_store(tmp_path, identity={"weights": "a"})
    again.describe()
    again.close()
    total = sum(sizes.values())
    assert make_room(tmp_path, needed=10, limit=total - sizes["b"] + 20)
    assert [entry.about["boundary"] for entry in list_entries(tmp_path)] == ["c", "a"]


def _hold(root, opened):
    store = open_store(root)
    opened.set()
    multiprocessing.Event().wait()
    store.close()


def test_store_of_a_process_that_was_killed_is_free(tmp_path):
    fill_and_close(tmp_path)
    opened = PROCESSES.Event()
    process = PROCESSES.Process(target=_hold, args=(tmp_path, opened), daemon=True)
    process.start()
    assert opened.wait(60)
    (entry,) = list_entries(tmp_path)
    assert not drop(entry)
    process.kill()
    process.join()
    assert drop(entry)


def test_what_is_open_is_never_dropped(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(10))
    (entry,) = list_entries(tmp_path)
    assert not drop(entry)
    assert not make_room(tmp_path, needed=10, limit=10)
    np.testing.assert_array_equal(read(store, [3]), rows_of([3]))
    store.close()
    assert drop(entry)
    assert list_entries(tmp_path) == []


def test_nothing_is_dropped_for_what_can_never_fit(tmp_path):
    fill_and_close(tmp_path)
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
    store.close()
    assert len(list_entries(tmp_path)) == 1
    assert make_room(tmp_path, needed=10, limit=10)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis", "0" * 31, "locks"}


def test_combination_that_another_process_drops_is_no_error(tmp_path):
    fill_and_close(tmp_path)
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
            missing = [number for number in range(20) if store.find(hashes_of([number]))[0] < 0]
            fill(store, missing)
            store.describe(boundary=name)
            np.testing.assert_array_equal(read(store, range(20)), rows_of(range(20)))
            store.close()
        else:
            make_room(root, needed=0, limit=int(rng.integers(3000)))


@pytest.mark.thorough
def test_processes_use_and_drop_at_once(tmp_path):
    workers = [PROCESSES.Process(target=_use_and_drop, args=(tmp_path, seed)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
