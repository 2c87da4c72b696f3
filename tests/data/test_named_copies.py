"""Copies of images by the names of their files, and numbered images that are none."""

import numpy as np
import pytest

from kerastl.data.named_copies import find_named_copies
from kerastl.data.splits import make_splits
from picture_folders import config_of, open_folder, write_rgb36

UUID = "0f8b9a1c-1b2c-4d3e-8f90-0123456789ab"


def found(*names, labels=None, splits=None):
    labels = labels or [0] * len(names)
    splits = splits or ["train"] * len(names)
    groups = find_named_copies([f"cat/{name}" for name in names], labels, splits)
    return [[names[place] for place in group] for group in groups]


@pytest.mark.parametrize(
    "names",
    [
        ("5.png", "5_aug_0.png", "5_aug_1.png"),
        ("5_aug_0.png", "5_aug_1.png"),
        ("img.jpg", "img_rot90.jpg", "img_rot180.jpg"),
        ("cat.jpg", "cat_flip.jpg", "cat-flipped-horizontal.jpg"),
        ("img12.jpg", "aug_3_img12.jpg", "aug_img12_7.jpg"),
        ("5.png", "rotated_5.png"),
        ("IMG_1.JPG", "img_1_blurred.png", "IMG_1 (crop).jpg", "img_1 h flip.jpg"),
        ("x_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "x_jpg.rf.1123456789abcdef01234567.jpg"),
        ("x.jpg", "x_jpg.rf.0123456789abcdef0123456789abcdef.jpg"),
        ("x.jpg", f"cat_original_x.jpg_{UUID}.jpg"),
        (f"cat_original_x.jpg_{UUID}.jpg", f"cat_original_x.jpg_1{UUID[1:]}.jpg"),
        ("aug_0_1234567.png", "aug_0_7654321.png"),
        ("p7_90deg.png", "p7_brightness_12.png", "p7.png"),
        ("IMG_3448.jpg", "IMG_3448_BURST2.jpg", "IMG_3448_BURST3.jpg"),
        ("IMG_3098_BURST1.jpg", "IMG_3098_BURST2.jpg"),
        ("IMG_20240101_120000_BURST001_COVER.jpg", "IMG_20240101_120000_BURST002.jpg"),
        (
            "00000IMG_00000_BURST20240101120000123_COVER.jpg",
            "00001IMG_00001_BURST20240101120000123.jpg",
        ),
        ("DSC_0007_BURST20240101120000123.JPG", "DSC_0008_BURST20240101120000123.JPG"),
        ("IMG_BURST_20240101_120000_1.jpg", "IMG_BURST_20240101_120000_2.jpg"),
        ("20240101_120000_001.jpg", "20240101_120000_002.jpg"),
        ("20240101_120000_Burst01.jpg", "20240101_120000_Burst02.jpg", "20240101_120000.jpg"),
        (
            "PXL_20240101_120000123.PORTRAIT-01.COVER.jpg",
            "PXL_20240101_120000123.PORTRAIT-02.ORIGINAL.jpg",
        ),
        (
            "PXL_20240101_120000123.MP.jpg",
            "PXL_20240101_120000123.jpg",
            "PXL_20240101_120000123~2.jpg",
        ),
    ],
)
def test_copies_are_found_by_their_names(names):
    assert found(*names, "other.png", "8.png") == [list(names)]


@pytest.mark.parametrize(
    "names",
    [
        ("cat_1.jpg", "cat_2.jpg"),
        ("IMG_1234.jpg", "IMG_1235.jpg"),
        ("cat_aug_1.png", "cat_aug_2.png"),
        ("crop_1.jpg", "crop_2.jpg", "zoom_3.jpg"),
        ("aug_1.png", "aug_2.png"),
        ("12_cat.jpg", "13_cat.jpg"),
        ("kickflip1.jpg", "kickflip2.jpg"),
        ("photo (1).jpg", "photo (2).jpg"),
        ("2024-05-01.jpg", "2024-05-02.jpg"),
        ("x_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "y_jpg.rf.1123456789abcdef01234567.jpg"),
        ("aug_0_1234567.png", "aug_1_7654321.png"),
        ("noise.jpg", "blur.jpg"),
        ("IMG_3448_BURST2.jpg", "IMG_3449_BURST2.jpg"),
        ("sunburst1.jpg", "sunburst2.jpg"),
        ("star_burst_1.jpg", "star_burst_2.jpg"),
        ("burst_1.jpg", "burst_2.jpg"),
        ("20240101_120000.jpg", "20240101_120001.jpg"),
        ("20240101_120000_001.jpg", "20240101_120001_001.jpg"),
        ("DSC_0007_BURST20240101120000123.JPG", "DSC_0008_BURST20240101120005123.JPG"),
        ("PXL_20240101_120000123.jpg", "PXL_20240101_120000124.jpg"),
        ("00012_345678_001.png", "00012_345678_002.png"),
        tuple(f"batch2_aug_{number}.png" for number in range(65)),
    ],
)
def test_numbered_images_are_no_copies(names):
    assert found(*names) == []


def test_copies_are_of_one_class():
    names = ("5.png", "5_aug_0.png", "5.png", "5_aug_0.png")
    assert found(*names, labels=[0, 0, 1, 1]) == [list(names[:2])] * 2


def test_copies_of_training_images_in_another_split_are_found():
    names = ("5.png", "5_aug_0.png", "5.png", "5_aug_1.png")
    # Images of a split may be numbered anew.
    assert found(*names[:3], splits=["train", "train", "test"]) == [["5.png", "5_aug_0.png"]]
    assert found(*names, splits=["train", "train", "test", "test"]) == [list(names)]


def test_copies_of_an_image_that_is_in_another_split_alone_are_found():
    names = ["img_7_aug_0.png", "img_7_aug_1.png", "img_7.png", "img_8.png"]
    copied = names[:3]
    assert found(*names, splits=["train", "train", "test", "train"]) == [copied]
    # Where no original is left in training, numbers may be those of another split.
    assert found(*names, splits=["train", "train", "test", "test"]) == [names[:2]]


def test_copies_stay_in_one_split_and_a_line_tells_it(tmp_path):
    root = write_rgb36(tmp_path / "data")
    for path in sorted(root.rglob("*.jpg")):
        number = int(path.stem)
        path.rename(path.with_name(f"{number // 3}_aug_{number % 3}.jpg"))
    source, said = open_folder(config_of(tmp_path))
    assert (
        "Audit: copy by its name: 24, as blue/0_aug_1.jpg and blue/0_aug_0.jpg (one of 3 images of "
        "that name)." in said
    )
    config = config_of(tmp_path, validation_fraction=0.25, test_fraction=0.25)
    splits = make_splits(source, config)
    of = {
        source.examples[index].rpartition("_aug")[0]: name
        for name, indices in splits.items()
        for index in indices
    }
    assert len(of) == 12
    for name, indices in splits.items():
        originals = {source.examples[one].rpartition("_aug")[0] for one in indices}
        assert all(of[one] == name for one in originals)
    alone, _ = open_folder(config_of(tmp_path, near_duplicates="report"))
    assert len(np.unique(alone.groups)) == 36
