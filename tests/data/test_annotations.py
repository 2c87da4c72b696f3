"""Classes, splits, groups and paths as Python code has them."""

import numpy as np
import pytest
import tensorflow as tf

from kerastl.data.source import Source
from kerastl.errors import UsageError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4), np.uint8)
NUMBERS = [0, 1, 2, 0, 1, 2]
NAMES = ["a", "b", "c", "a", "b", "c"]


class Missing:
    """A missing value whose comparison has no answer, as that of some libraries."""

    def __eq__(self, other):
        raise TypeError("neither true nor false")

    __hash__ = None

    def __repr__(self):
        return "<NA>"


def make(labels=NUMBERS, **options):
    return Source.from_arrays(IMAGES, labels, **options)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(NUMBERS, np.uint8),
        np.array(NUMBERS, float),
        np.array(NUMBERS)[:, None],
        tf.constant(NUMBERS),
        np.eye(3)[NUMBERS],
        np.eye(3, dtype=bool)[NUMBERS],
        np.eye(3)[NUMBERS].tolist(),
        tf.one_hot(NUMBERS, 3),
        [np.float32(number) for number in NUMBERS],
    ],
)
def test_numbers_and_one_hot_are_classes(labels):
    source = make(labels)
    assert source.labels.tolist() == NUMBERS
    assert source.class_names == ("0", "1", "2")
    assert make(labels, class_names=["x", "y", "z"]).class_names == ("x", "y", "z")


@pytest.mark.parametrize("labels", [NAMES, np.array(NAMES), np.array(NAMES, "S"), tuple(NAMES)])
def test_names_are_text_or_bytes(labels):
    source = make(labels)
    assert (source.labels.tolist(), source.class_names) == (NUMBERS, ("a", "b", "c"))


def test_numbers_without_an_image_are_no_classes():
    source = make([1, 30, 7, 1, 30, 7])
    assert source.class_names == ("1", "7", "30")
    assert source.labels.tolist() == [0, 2, 1, 0, 2, 1]


@pytest.mark.parametrize(
    "class_names", [{0: "x", 1: "y", 2: "z"}, {"z": 2, "x": 0, "y": 1}, {2: "z", 0: "x", 1: "y"}]
)
def test_class_names_may_be_a_dictionary(class_names):
    assert make(class_names=class_names).class_names == ("x", "y", "z")
    # Also one that does not count from 0, by number or by name.
    from_one = {number + 1: name for number, name in enumerate("xyz")}
    assert make(np.add(NUMBERS, 1), class_names=from_one).labels.tolist() == NUMBERS
    assert make(["z", "x", "y"] * 2, class_names=from_one).labels.tolist() == [2, 0, 1] * 2


def test_splits_are_words_for_them():
    source = make(splits=["Train", "TRAINING", "val", "dev", "Test", "holdout"])
    assert source.given_splits.tolist() == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2


@pytest.mark.parametrize("none", [None, float("nan"), "", "  ", Missing(), np.datetime64("NaT")])
def test_missing_groups_are_alone_and_missing_labels_are_refused(none):
    groups = make(groups=["p", none, "p", none, 1, 1]).groups
    assert len({*groups.tolist()}) == 4
    assert groups[0] == groups[2]
    with pytest.raises(UsageError) as caught:
        make([*NAMES[:4], none, none])
    assert "labels: 2 images of 6 have none, as labels[4]=" in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "options", "words"),
    [
        ([0.5, *NUMBERS[1:]], {}, "labels=0.5: is neither a name nor a whole number."),
        ([b"\xff", *NUMBERS[1:]], {}, r"labels=b'\xff': is neither a name nor"),
        (["a", *NUMBERS[1:]], {}, "labels: are names and numbers, as 'a' and 1. Give only"),
        (
            np.eye(3)[NUMBERS] * [[1], [1], [0], [1], [1], [1]],
            {},
            "labels: 1 one-hot row of 6 without ex",
        ),
        (np.full((6, 3), 1 / 3), {}, "labels: have the shape (6, 3). Give one class for each"),
        ([-1, *NUMBERS[1:]], {}, "labels=-1: is no number of a class (1 image). Leave"),
        ([-1, *NUMBERS[1:]], {"class_names": ["x", "y", "z"]}, "labels=-1: is no number of a"),
        (NUMBERS, {"class_names": ["x", "y"]}, "labels=2: is not in class_names (2 images). Known"),
        (NUMBERS, {"class_names": ["x", "y", "x"]}, "class_names='x': stands for two classes."),
        (NUMBERS, {"class_names": "xyz"}, "class_names='xyz': is one text. Give a list of names."),
        (NUMBERS, {"class_names": {"a": "b"}}, "class_names: has no whole numbers. Give"),
        (["cat", "Cat", "dog"] * 2, {}, "classes 'Cat' and 'cat' differ by case"),
        (None, {}, "labels: is of type NoneType. Give a list of values."),
        (NUMBERS, {"splits": "train"}, "splits: is of type str. Give a list of values."),
        (NUMBERS, {"splits": [True] * 6}, "splits='True': is not a split. Use train, validation"),
        (NUMBERS, {"groups": [[1]] * 6}, "groups: unhashable type: 'list'. Give a text or a"),
        (NUMBERS, {"groups": 3}, "groups: is of type int. Give a list of values."),
    ],
)
def test_what_cannot_be_meant_is_one_line(labels, options, words):
    with pytest.raises(UsageError) as caught:
        make(labels, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ("photos", "paths='photos': is one path. Give a list of files, or a folder as Config(data"),
        ([None, "b.png"], "paths[0]=None: is no path."),
        (["a.png", float("nan")], "paths[1]=nan: is no path."),
        (["https://example.org/a.png", "b.png"], "paths='https://example.org/a.png': is an addre"),
    ],
)
def test_paths_are_files_on_a_disk(paths, words):
    with pytest.raises(UsageError) as caught:
        Source.from_files(paths, ["a", "b"])
    assert str(caught.value).startswith(words)
