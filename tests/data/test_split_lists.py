import collections
import json

import pytest

from folder_trees import plant
from kerastl.data.folders import list_folder
from kerastl.progress import Progress

TREE = "images/cat/c#.jpg*4 images/dog/d#.jpg*4 images/emu~bird/e#.jpg*4"
NAMES = [f"{name}/{name[0]}{number}" for name in ("cat", "dog", "emu bird") for number in range(4)]
TRAIN, TEST = (
    [name for name in NAMES if name[-1] != "3"],
    [name for name in NAMES if name[-1] == "3"],
)
GIVEN = {("train", 9), ("test", 3)}


class Lines(Progress):
    def __init__(self):
        self.lines = []

    def line(self, text):
        self.lines.append(text)


def read(root, texts, tree=TREE, **options):
    """Plants a tree with texts; returns the images of each split, and the line on it."""
    plant(root, tree)
    for name, lines in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines if isinstance(lines, str) else "\n".join(lines))
    told = Lines()
    listing = list_folder(str(root), progress=told, **options)
    splits = {file.example.removeprefix("images/"): file.split for file in listing.files}
    return splits, told.lines[0]


def counts(splits):
    return set(collections.Counter(splits.values()).items())


@pytest.mark.parametrize(
    "form",
    [
        "{0}",
        "{0}.jpg",
        "images/{0}.jpg",
        "{0}.jpg 7",
        "12 {0}.jpg",
        "{0}.jpg,7",
        "/home/me/x/{0}.jpg",
    ],
)
@pytest.mark.parametrize("name", ["meta/{}.txt", "{}_list.lst", "x_images_{}_01.txt"])
def test_lists_of_paths_name_the_splits(tmp_path, form, name):
    texts = {
        name.format(split): ["# images", *map(form.format, paths)]
        for split, paths in (("train", TRAIN), ("test", TEST))
    }
    splits, told = read(tmp_path, texts)
    assert counts(splits) == GIVEN
    assert all(splits[f"{name}.jpg"] == "test" for name in TEST)
    assert told.startswith(f"Layout: class in images/, splits in {sorted(texts)[0]}, ")
    assert "3 classes, train 9, test 3" in told


def test_lists_in_json_name_the_splits(tmp_path):
    texts = {
        "train.json": json.dumps({"a": TRAIN[:5], "b": TRAIN[5:]}),
        "test.json": json.dumps(TEST),
    }
    assert counts(read(tmp_path, texts)[0]) == GIVEN


def test_what_no_list_names_trains(tmp_path):
    splits, _ = read(tmp_path, {"validation_list.txt": TEST, "testing_list.txt": NAMES[:2]})
    assert counts(splits) == {("train", 7), ("validation", 3), ("test", 2)}


def test_what_a_list_for_training_lacks_is_left_out(tmp_path):
    splits, told = read(tmp_path, {"train.txt": TRAIN[1:], "test.txt": TEST})
    assert counts(splits) == {("train", 8), ("test", 3)}
    assert "1 image in images/cat/ is in no class or list and left out" in told


def test_list_of_train_and_validation_repeats_them(tmp_path):
    parts = [[name for name in TRAIN if (name[-1] == "0") is first] for first in (False, True)]
    texts = {"train.txt": parts[0], "val.txt": parts[1], "trainval.txt": TRAIN, "test.txt": TEST}
    splits, _ = read(tmp_path, texts)
    assert counts(splits) == {("train", 6), ("validation", 3), ("test", 3)}


@pytest.mark.parametrize("number", ["{}", "0000139e-21dc-{:04}"])
def test_numbers_are_joined_to_their_paths(tmp_path, number):
    ids = [number.format(place) for place in range(1, 13)]
    rows = list(zip(ids, NAMES, strict=True))
    texts = {
        "classes.txt": ["1 cat", "2 dog", "3 emu bird"],
        "image_class_labels.txt": [f"{one} 1" for one in ids],
        "images.txt": [f"{one} {name}.jpg" for one, name in rows],
        "train_test_split.txt": [f"{one} {int(name in TRAIN)}" for one, name in rows],
    }
    splits, told = read(tmp_path, texts)
    assert counts(splits) == GIVEN
    assert all(splits[f"{name}.jpg"] == "test" for name in TEST)
    assert "splits in train_test_split.txt, 3 classes" in told


@pytest.mark.parametrize(
    "texts",
    [
        {"train1.txt": TRAIN, "train2.txt": NAMES[4:], "test1.txt": TEST},
        {"train.txt": NAMES},
        {"train.txt": NAMES[:8], "test.txt": [*TEST, *("other/1", "other/2")]},
        {"test_errors.txt": TEST},
        {"test.txt": ["notes on the test", "that went well"]},
        {"train_test_split.txt": ["1 1", "2 0"]},
        {"test.json": "{"},
    ],
)
def test_lists_that_are_not_clear_are_named_alone(tmp_path, texts):
    splits, told = read(tmp_path, texts)
    assert counts(splits) == {("train", 12)}
    assert "Layout: class in images/, 3 classes, 12 images" in told
    assert f"{sorted(texts)[0]}" in told


def test_layout_that_is_given_has_no_lists(tmp_path):
    texts = {"train.txt": TRAIN, "test.txt": TEST}
    splits, told = read(tmp_path, texts, layout="class")
    assert counts(splits) == {("train", 12)}
    assert "may list splits" in told


def test_lists_divide_classes_in_names_of_files(tmp_path):
    names = [f"{name}_{number}" for name in ("cat", "dog") for number in range(5)]
    splits, _ = read(
        tmp_path,
        {
            "lists/trainval.txt": [f"{name} 1 1 1" for name in names[:-1]],
            "lists/test.txt": names[-1:],
        },
        tree="images/cat_#.jpg*5 images/dog_#.jpg*5",
        layout="file",
    )
    assert counts(splits) == {("train", 9), ("test", 1)}


def test_folders_of_splits_come_before_lists(tmp_path):
    splits, told = read(
        tmp_path,
        {"train.txt": ["a/1"], "test.txt": ["a/2"]},
        tree="train/a/1.jpg train/b/2.jpg val/a/2.jpg val/b/3.jpg",
    )
    assert counts(splits) == {("train", 2), ("validation", 2)}
    assert "splits in" not in told
