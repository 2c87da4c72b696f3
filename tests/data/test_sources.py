import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

import fakes
from kerastl.config import Config
from kerastl.data.audit import read_source
from kerastl.data.images import decode
from kerastl.data.sources import Source, digest_all, read_digits
from kerastl.errors import UsageError
from kerastl.progress import Progress


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
        pixels = decode(digits.read(tf.constant(index, tf.int64))).numpy()
        expected = np.round(original.images[index] * 255 / 16)
        assert np.array_equal(pixels, np.repeat(expected[..., np.newaxis], 3, axis=-1))
        assert digits.examples[index] == f"digits[{index}]"


def test_config_says_which_source_is_read():
    config = Config(run_dir="x", dataset="digits")
    assert read_source(config, Progress()).name == "digits"


def test_content_decides_the_digest():
    digests = digest_all([b"one", b"two", b"one", b""])
    assert digests.shape == (4, 16)
    assert digests.dtype == np.uint8
    assert len({digest.tobytes() for digest in digests}) == 3
    assert np.array_equal(digests[0], digests[2])


@pytest.mark.parametrize(
    ("class_names", "found"), [(("red",), "1 class (red)"), ((), "0 class (none)")]
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


def test_fakes_are_sources_too():
    colours = fakes.colour_source(per_class=2)
    assert decode(colours.read(tf.constant(5))).shape == (16, 24, 3)
