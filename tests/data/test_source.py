import dataclasses

import numpy as np
import pytest

import fakes
from kerastl.data.content import hash_all
from kerastl.data.images import decode
from kerastl.data.source import Source
from kerastl.errors import UsageError


def source(labels, class_names):
    return Source(
        name="letters",
        class_names=class_names,
        examples=[str(index) for index in range(len(labels))],
        labels=np.array(labels, np.int64),
        hashes=hash_all(bytes([index]) for index in range(len(labels))),
        given_splits=np.full(len(labels), "train"),
        load=lambda index: bytes([index]),
    )


def refusal(labels, class_names):
    with pytest.raises(UsageError) as caught:
        source(labels, class_names)
    return str(caught.value)


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
        ([-1, 0, 1], "1 label outside 0..2: -1"),
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
        {"hashes": hash_all([b"0", b"1", b"2", b"x"])},
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


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        ([np.zeros((2, 2, 4), np.uint8)], [0], {}, "images: number 0 is uint8 (2, 2, 4)."),
        ([np.zeros((0, 2), np.uint8)], [0], {}, "images: number 0 is uint8 (0, 2)."),
        ([np.zeros((2, 2), np.uint8)], [0, 1], {}, "labels: there are 2 for 1 image."),
        ([np.zeros((2, 2), np.uint8)], ["x"], {"class_names": ["a"]}, "labels='x': is not in"),
        ([np.zeros((2, 2), np.uint8)], [0], {"splits": ["no"]}, "splits='no': is not a split."),
        ([np.zeros((2, 2), np.uint8)], [0], {"groups": []}, "groups: there are 0 for 1 image."),
    ],
)
def test_what_makes_no_source_is_one_line(images, labels, options, message):
    with pytest.raises(UsageError) as caught:
        Source.from_arrays(images, labels, **options)
    assert str(caught.value).startswith(message)


def test_fakes_are_sources_too():
    colors = fakes.color_source(per_class=2)
    assert decode(colors.read(5)).shape == (16, 24, 3)
