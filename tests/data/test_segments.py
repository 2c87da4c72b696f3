import io
import os

import numpy as np
import pytest

from kerastl.data.segments import read_into
from stores import fill, hashes_of, open_store, read, rows_of


class SlowFile(io.BytesIO):
    """Returns at most seven bytes at a time."""

    def readinto(self, target):
        return super().readinto(target[:7])


def test_what_the_system_returns_in_parts_is_put_together():
    target = bytearray(20)
    read_into(memoryview(target), SlowFile(bytes(range(30))), 5)
    assert bytes(target) == bytes(range(5, 25))
    with pytest.raises(OSError, match="a row ends early"):
        read_into(memoryview(target), SlowFile(bytes(range(24))), 5)


def test_cut_off_write_is_not_read(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(10))
    (index,) = store.path.glob("*.index")
    index.unlink()
    assert (open_store(tmp_path).find(hashes_of(range(10))) == -1).all()


def test_truncated_rows_are_recomputed_alone(tmp_path):
    store = open_store(tmp_path)
    fill(store, range(200))
    (rows,) = store.path.glob("*.rows")
    os.truncate(rows, store.bytes_for(150))
    found = open_store(tmp_path).find(hashes_of(range(200)))
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
    found = again.find(hashes_of(range(200)))
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
        assert (open_store(tmp_path).find(hashes_of(range(5))) == -1).all()
    index.write_bytes(whole)
    np.testing.assert_array_equal(read(open_store(tmp_path), range(5)), rows_of(range(5)))
