import numpy as np

from kerastl.data.health import Health, read_store
from kerastl.data.segments import ANY_LENGTH, SegmentWriter
from kerastl.data.store import RowStore
from stores import fill, hashes_of, open_store

EVERYTHING = 10**9


def fill_pixels(root):
    """Rows of 1 to 40 bytes."""
    store = RowStore(root, {"pixels": "x"}, row_bytes=ANY_LENGTH)
    writer = SegmentWriter(store.path, np.dtype(np.uint8), ANY_LENGTH)
    for number in range(40):
        writer.add_one(hashes_of([number])[0], np.full(1 + number, number, np.uint8))
    store.take_in(writer)
    store.describe()
    return store


def change(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_every_row_is_read_and_damaged_ones_are_counted(tmp_path):
    assert read_store(tmp_path / "none", most_bytes=1) == Health(0, 0, 0, is_whole=True)
    features, pixels = open_store(tmp_path), fill_pixels(tmp_path)
    fill(features, range(130))
    fill(features, range(130, 140))
    features.describe()
    num_bytes = 140 * 60 + sum(range(1, 41))
    assert read_store(tmp_path, most_bytes=EVERYTHING) == Health(180, 0, num_bytes, is_whole=True)
    (rows,) = pixels.path.glob("*.rows")
    change(rows, 5)
    assert read_store(tmp_path, most_bytes=EVERYTHING).num_damaged == 1
    # The 64 rows that share a checksum.
    large = max(features.path.glob("*.rows"), key=lambda path: path.stat().st_size)
    change(large, 60)
    assert read_store(tmp_path, most_bytes=EVERYTHING).num_damaged == 65
    change(large.with_suffix(".index"), 30)
    found = read_store(tmp_path, most_bytes=EVERYTHING)
    assert (found.num_rows, found.num_damaged) == (50, 2)


def test_reading_ends_behind_the_most_that_is_read(tmp_path):
    store = open_store(tmp_path)
    for first in range(0, 30, 10):
        fill(store, range(first, first + 10))
    store.describe()
    assert read_store(tmp_path, most_bytes=601) == Health(20, 0, 1200, is_whole=False)
