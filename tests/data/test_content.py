import os

import numpy as np
import pytest

from kerastl.data.content import hash_all, read_file, readable


def test_content_decides_the_digest():
    hashes = hash_all([b"one", b"two", b"one", b""])
    assert hashes.shape == (4, 16)
    assert hashes.dtype == np.uint8
    assert len({digest.tobytes() for digest in hashes}) == 3
    assert np.array_equal(hashes[0], hashes[2])


def test_name_of_a_file_is_text_whatever_the_encoding_of_the_system():
    name = "ho\u010d 1"
    as_ascii = name.encode().decode("ascii", "surrogateescape")
    assert readable(name) == readable(as_ascii) == name
    assert readable("caf\udce9") == "caf\\udce9"
    assert readable("\ud800") == "\\ud800"


def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(OSError, match="is not a regular file"):
        read_file(tmp_path / "pipe.jpg")
