import dataclasses

import numpy as np
import pytest

import fakes
from kerastl.data.source import Cause, Source
from kerastl.data.splits import Splits
from kerastl.training.slices import HEADER, find_slices, warn_of_slices

NONE = np.zeros(0, np.int64)


def with_test(labels, groups=None):
    count = len(labels)
    source = Source.from_arrays(np.zeros((count, 4, 4, 3), np.uint8), labels, groups=groups)
    causes = np.full(count, 0 if groups is None else Cause.GROUP, np.int8)
    # Equal pixels would be one group.
    groups = np.arange(count) if groups is None else source.groups
    source = dataclasses.replace(source, causes=causes, groups=groups)
    return Splits(source, train=NONE, validation=NONE, test=np.arange(count), unused=NONE)


def without_features(_):
    return None


def answered(labels, is_wrong):
    return fakes.answers(labels, np.where(is_wrong, 1 - labels, labels))


def alternating(count):
    return np.arange(count) % 2


def test_group_that_is_far_below_is_found():
    labels, groups = alternating(400), np.arange(400) // 40
    is_wrong = (groups == 3) & (np.arange(400) % 40 < 20)
    is_wrong[::29] = True
    test = answered(labels, is_wrong)
    slices = find_slices(with_test(labels, groups), test, without_features, seed=0)
    assert len(slices) == 10
    worst, *others = slices
    assert worst.is_far_below
    assert not any(one.is_far_below for one in others)
    assert (worst.kind, worst.num_images, worst.classes) == ("group", 40, ("0 (50%)", "1 (50%)"))
    assert worst.accuracy == pytest.approx(1 - is_wrong[groups == 3].mean())
    assert worst.elsewhere == pytest.approx(1 - is_wrong[groups != 3].mean(), abs=0.01)
    assert worst.low < worst.accuracy - worst.elsewhere < worst.high <= -0.1
    assert worst.examples[0] == "arrays[120]"
    (line,) = warn_of_slices(slices)
    assert line.startswith("Warning: 1 slice of the test images is far below the rest; in group")
    assert len(worst.row()) == len(HEADER)
    row = dict(zip(HEADER, worst.row(), strict=True))
    assert (row["name"], row["classes"]) == ("3", "0 (50%), 1 (50%)")
    assert "in group '3' of 40 images such as arrays[120]," in line


def test_group_that_is_one_by_its_images_has_all_names():
    labels = alternating(400)
    names = np.array([f"camera {number}" for number in np.arange(400) // 10])
    splits = with_test(labels, names)
    # As after the audit: the same image is in each of five of them.
    joined = np.where(np.arange(400) < 50, 0, splits.source.groups)
    source = dataclasses.replace(splits.source, groups=joined)
    is_wrong = np.arange(400) < 25
    splits = dataclasses.replace(splits, source=source)
    worst, *others = find_slices(splits, answered(labels, is_wrong), without_features, seed=0)
    assert (worst.name, worst.num_images) == ("camera 0, camera 1, camera 2 and 2 more", 50)
    assert others[0].name.startswith("camera ")
    assert "," not in others[0].name


@pytest.mark.parametrize("seed", range(20))
def test_small_groups_cry_no_wolf(seed):
    rng = np.random.default_rng(seed)
    labels, groups = alternating(600), np.repeat(np.arange(50), 12)
    test = answered(labels, rng.random(600) < 0.25)
    slices = find_slices(with_test(labels, groups), test, without_features, seed=0)
    assert len(slices) == 50
    assert list(warn_of_slices(slices)) == []


def test_hard_class_is_no_slice():
    # Group 0 has images of class 0 alone, which is as hard elsewhere.
    groups = np.repeat([0, 1], [50, 150])
    labels = np.concatenate([np.zeros(100, int), np.ones(100, int)])
    is_wrong = (labels == 0) & (np.arange(200) % 2 == 0)
    test = answered(labels, is_wrong)
    slices = find_slices(with_test(labels, groups), test, without_features, seed=0)
    group = next(one for one in slices if one.classes == ("0 (100%)",))
    assert group.accuracy == group.elsewhere == 0.5
    assert list(warn_of_slices(slices)) == []


def test_cluster_of_features_is_found():
    labels = alternating(300)
    splits = with_test(labels)
    splits = dataclasses.replace(splits, train=np.arange(300))
    is_odd = np.arange(300) >= 240
    features = np.where(is_odd[:, None], [0.0, 1.0], [1.0, 0.0])
    features = features + np.random.default_rng(0).normal(0, 0.01, features.shape)
    test = answered(labels, is_odd & (np.arange(300) % 3 > 0))
    slices = find_slices(splits, test, lambda indices: features[indices], seed=0)
    assert {one.kind for one in slices} == {"cluster"}
    assert slices[0].is_far_below
    # The odd images are in clusters of their own.
    below = [one for one in slices if one.is_far_below]
    assert sum(one.num_images for one in below) == 60


def test_few_images_have_no_slices():
    labels = alternating(30)
    test = answered(labels, labels == 2)
    assert find_slices(with_test(labels), test, without_features, seed=0) == ()
