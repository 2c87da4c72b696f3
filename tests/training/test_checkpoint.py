import io

import numpy as np

import kerastl
from kerastl.checked_files import Versions, list_versions
from kerastl.training.checkpoint import Checkpoint, read_checkpoint


def make(number):
    arrays = {
        "weights": [np.full(3, number, np.float32), np.zeros((0, 2), np.int64)]
        + [np.ones(())] * 11,
        "states": [np.array([1, 2], np.uint32)],
    }
    return Checkpoint({"rate": 1 / 3, "good": None, "number": number}, arrays)


def test_checkpoint_is_read_back_bit_for_bit():
    ours = make(7)
    theirs = Checkpoint.from_bytes(ours.to_bytes())
    assert theirs.state == ours.state
    assert list(theirs.arrays) == ["states", "weights"]
    for name, arrays in ours.arrays.items():
        for one, other in zip(arrays, theirs.get(name), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert theirs.get("others") == ()


def test_damaged_checkpoint_is_told_of_and_the_one_before_it_used(tmp_path):
    versions = Versions(tmp_path)
    for number in (1, 2):
        versions.write(make(number).to_bytes())
    newest, before = list_versions(tmp_path)
    said = io.StringIO()
    assert read_checkpoint(versions, kerastl.Progress(said)).state["number"] == 2
    assert said.getvalue() == ""
    newest.write_bytes(newest.read_bytes()[:-1])
    assert read_checkpoint(versions, kerastl.Progress(said)).state["number"] == 1
    assert said.getvalue() == (
        f"Checkpoint {newest.name[:15]}... is damaged: it fails its checksum.\n"
        f"The one before, {before.name[:15]}..., is used.\n"
    )
    before.write_bytes(b"")
    assert read_checkpoint(versions, kerastl.Progress(said)) is None
    assert said.getvalue().count("is damaged") == 3
