import functools

import numpy as np
import pytest
import tensorflow as tf

from graph_reading import read_in_graph
from kerastl.data.images import decode
from kerastl.data.reading import reading_errors
from kerastl.data.source import Source
from kerastl.errors import KerastlError


def pixels_of(source, index):
    return decode(source.read(index)).numpy()


def test_files_become_a_source_and_changed_ones_are_not_read(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(tf.io.encode_png(np.full((4, 4, 1), number, np.uint8)).numpy())
    made = Source.from_files(paths, ["a", "b", "a"])
    assert made.examples == [str(path) for path in paths]
    assert [int(pixels_of(made, index)[0, 0, 0]) for index in range(3)] == [0, 1, 2]
    read = functools.partial(read_in_graph, made)
    paths[0].write_bytes(paths[1].read_bytes())
    paths[2].unlink()
    for skipped, problem in ((0, "its content is different now"), (2, "No such file or directory")):
        message = rf"dataset='files': {paths[skipped]} changed while it was in use \({problem}"
        with pytest.raises(KerastlError, match=message), reading_errors():
            list(tf.data.Dataset.from_tensors(skipped).map(read))
        with pytest.raises(KerastlError, match=message), reading_errors():
            tf.function(read)(tf.constant(skipped))
    paths[1].unlink()
    paths[1].mkdir()
    message = rf"'files': {paths[1]} cannot be read any more \(Is a directory\)\. Check that its d"
    with pytest.raises(KerastlError, match=message), reading_errors():
        tf.function(read)(tf.constant(1))


def test_other_errors_of_tensorflow_are_not_taken_for_ours():
    with pytest.raises(tf.errors.InvalidArgumentError), reading_errors():
        tf.io.decode_png(b"junk")
