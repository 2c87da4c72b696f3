import dataclasses
import functools
import os

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

import fakes
from kerastl.data.builtin import read_digits
from kerastl.data.content import digest_all, read_file
from kerastl.data.images import decode
from kerastl.data.reading import read_in_graph, reading_errors
from kerastl.data.source import Source
from kerastl.errors import KerastlError, UsageError


def source(labels, class_names):
    return Source(
        name="letters",
        class_names=class_names,
        examples=[str(index) for index in range(len(labels))],
        labels=np.array(labels, np.int64),
        digests=digest_all(bytes([index]) for index in range(len(labels))),
        given_splits=np.full(len(labels), "train"),
        load=lambda index: bytes([index]),
    )


def refusal(labels, class_names):
    with pytest.raises(UsageError) as caught:
        source(labels, class_names)
    return str(caught.value)


def test_digits_are_scikit_learns_images_in_eight_bits():
    digits = read_digits()
    original = datasets.load_digits()
    assert len(digits) == 1797
    assert digits.class_names == tuple("0123456789")
    assert np.array_equal(digits.labels, original.target)
    assert digits.labels.dtype == np.int64
    assert len(set(digits.examples)) == 1797
    assert set(digits.given_splits) == {"train"}
    for index in (0, 7, 1796):
        pixels = decode(digits.read(index)).numpy()
        expected = np.round(original.images[index] * 255 / 16)
        assert np.array_equal(pixels, np.repeat(expected[..., np.newaxis], 3, axis=-1))
        assert digits.examples[index] == f"digits[{index}]"


def test_content_decides_the_digest():
    digests = digest_all([b"one", b"two", b"one", b""])
    assert digests.shape == (4, 16)
    assert digests.dtype == np.uint8
    assert len({digest.tobytes() for digest in digests}) == 3
    assert np.array_equal(digests[0], digests[2])


@pytest.mark.parametrize(
    ("class_names", "found"), [(("red",), "one class (red)"), ((), "no class")]
)
def test_fewer_than_two_classes_are_refused(class_names, found):
    assert refusal([0] * len(class_names), class_names) == (
        f"dataset='letters': has {found}. Give two or more."
    )


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([1, 2, 3, 3], "2 labels outside 0..2: 3"),
        ([-1, 0, 1], "1 labels outside 0..2: -1"),
        ([0, 5, 9], "2 labels outside 0..2: 5, 9"),
        ([9, 8, 7, 6, 5, 4, 3], "7 labels outside 0..2: 3, 4, 5, 6, 7"),
    ],
)
def test_labels_that_the_loss_would_misread_are_refused(labels, found):
    assert refusal(labels, ("a", "b", "c")) == (
        f"dataset='letters': has {found}. Number the classes from 0 without gaps."
    )


def test_right_labels_are_taken():
    assert len(source([0, 2, 1, 0], ("a", "b", "c"))) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.array([0, 0, 1, 1])},
        {"digests": digest_all([b"0", b"1", b"2", b"x"])},
        {"given_splits": np.array(["train", "train", "train", "test"])},
        {"class_names": ("a", "c")},
    ],
)
def test_fingerprint_changes_with_what_is_in_the_data(change):
    before = source([0, 1, 0, 1], ("a", "b"))
    assert dataclasses.replace(before, **change).fingerprint() != before.fingerprint()


def test_fingerprint_ignores_how_the_data_are_called_and_read():
    before = source([0, 1], ("a", "b"))
    after = dataclasses.replace(before, name="x", examples=["y", "z"], load=str.encode)
    assert after.fingerprint() == before.fingerprint() == source([0, 1], ("a", "b")).fingerprint()


def pixels_of(source, index):
    return decode(source.read(index)).numpy()


def test_arrays_become_a_source():
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (5, 2, 1), (6, 7, 3), (1, 1, 3)]
    images = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    made = Source.from_arrays(
        images,
        ["dog", "cat", "dog", "cat"],
        splits=["train", "test", "train", "train"],
        groups=["a", "", None, "a"],
    )
    assert made.class_names == ("cat", "dog")
    assert made.labels.tolist() == [1, 0, 1, 0]
    assert made.given_splits.tolist() == ["train", "test", "train", "train"]
    assert made.groups.tolist() == [0, 1, 2, 0]
    for index, image in enumerate(images):
        wide = image.reshape(*image.shape[:2], -1)
        expected = np.broadcast_to(wide, (*wide.shape[:2], 3))
        np.testing.assert_array_equal(pixels_of(made, index), expected)


def test_numbers_name_classes_in_their_order():
    image = np.zeros((2, 2), np.uint8)
    assert Source.from_arrays([image] * 3, [2, 0, 1]).class_names == ("0", "1", "2")
    named = Source.from_arrays([image] * 2, np.array([1, 0]), class_names=["z", "a"])
    assert [named.class_names[label] for label in named.labels] == ["a", "z"]
    assert Source.from_arrays([image] * 3, ["10", "9", "1"]).class_names == ("1", "9", "10")


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        ([np.zeros((2, 2))], [0], {}, "images: number 0 is float64 (2, 2). Give uint8"),
        ([np.zeros((2, 2, 4), np.uint8)], [0], {}, "images: number 0 is uint8 (2, 2, 4)."),
        ([np.zeros((0, 2), np.uint8)], [0], {}, "images: number 0 is uint8 (0, 2)."),
        ([np.zeros((2, 2), np.uint8)], [0, 1], {}, "labels: there are 2 for 1 images."),
        ([np.zeros((2, 2), np.uint8)], [[0, 1]], {}, "labels: have the shape (1, 2). Give one"),
        ([np.zeros((2, 2), np.uint8)], ["x"], {"class_names": "ab"}, "labels='x': is not in"),
        ([np.zeros((2, 2), np.uint8)], [0], {"splits": ["val"]}, "splits='val': is not a split."),
        ([np.zeros((2, 2), np.uint8)], [0], {"groups": []}, "groups: there are 0 for 1 images."),
    ],
)
def test_what_makes_no_source_is_one_line(images, labels, options, message):
    with pytest.raises(UsageError) as caught:
        Source.from_arrays(images, labels, **options)
    assert str(caught.value).startswith(message)


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


def test_other_errors_of_tensorflow_are_not_taken_for_ours():
    with pytest.raises(tf.errors.InvalidArgumentError), reading_errors():
        tf.io.decode_png(b"junk")


def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(OSError, match="is not a regular file"):
        read_file(tmp_path / "pipe.jpg")


def test_fakes_are_sources_too():
    colours = fakes.colour_source(per_class=2)
    assert decode(colours.read(5)).shape == (16, 24, 3)


IMAGES = [np.full((4, 5, 3), number, np.uint8) for number in range(4)]


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        (np.array([0, 1, 1, 0], np.uint8), [0, 1, 1, 0], ("0", "1")),
        (np.array([[0], [1], [1], [0]], np.uint64), [0, 1, 1, 0], ("0", "1")),
        (np.array(["b", "a", "a", "b"], object), [1, 0, 0, 1], ("a", "b")),
        # One name in both forms of Unicode is one class.
        (["\u010d", "a", "c\u030c", "a"], [1, 0, 1, 0], ("a", "\u010d")),
    ],
)
def test_labels_of_usual_kinds_are_taken(labels, numbers, names):
    source = Source.from_arrays(IMAGES, labels)
    assert source.labels.tolist() == numbers
    assert source.class_names == names


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["a", float("nan"), "b", "a"], {}, "labels=nan: is neither a name nor a whole number."),
        (["a", "", "b", "a"], {}, "class_names='': is not one line of text. Rename the class."),
        (["a", "x\ny", "b", "a"], {}, r"class_names='x\ny': is not one line of text."),
        (["a", "c", "b", "a"], {"class_names": [1, 2]}, "labels='a': is not in class_names."),
        (np.eye(4), {}, "labels: have the shape (4, 4). Give one class for each image"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(labels, options, message):
    with pytest.raises(UsageError) as caught:
        Source.from_arrays(IMAGES, labels, **options)
    assert message in str(caught.value)
