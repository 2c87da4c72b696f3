from types import SimpleNamespace

import numpy as np
import pytest

from kerastl.selection.odd_groups import KIND, describe_groups, find_odd_groups, list_findings

CHANNELS = 60


def photos(per_class=100, seed=0, classes=4):
    """Features of classes that overlap, each of several kinds of images."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    centers = rng.normal(size=(classes, CHANNELS))
    kinds = rng.normal(size=(classes, 6, CHANNELS)) / 5
    kind = rng.integers(0, 6, len(labels))
    noise = rng.normal(size=(len(labels), CHANNELS)) * np.geomspace(1, 0.3, CHANNELS)
    return 5 + centers[labels] + kinds[labels, kind] + noise, labels


def splits_of(labels):
    names = [f"photos/{index:04}.png" for index in range(len(labels))]
    hashes = np.arange(16 * len(labels), dtype=np.uint8).reshape(-1, 16)
    source = SimpleNamespace(
        labels=labels, examples=names, class_names=tuple("abcdefgh"), hashes=hashes
    )
    return SimpleNamespace(source=source)


def find(features, labels, indices=None):
    indices = np.arange(len(labels)) if indices is None else indices
    splits = splits_of(labels)
    return splits.source, find_odd_groups(features[indices], splits, indices, seed=0)


@pytest.mark.parametrize("seed", range(3))
def test_images_without_such_a_group_give_none(seed):
    assert find(*photos(seed=seed))[1] == ()


@pytest.mark.parametrize(("size", "seed"), [(8, 0), (25, 1), (40, 2)])
def test_alike_pictures_among_those_of_a_class_are_found(size, seed):
    features, labels = photos(seed=seed)
    rng = np.random.default_rng(seed)
    odd = 5 + 2 * rng.normal(size=CHANNELS) + 0.2 * rng.normal(size=(size, CHANNELS))
    # The images of the group are not the last ones, and one in ten images is not looked at.
    features, labels = np.concatenate([odd, features]), np.append(np.full(size, 2), labels)
    indices = np.flatnonzero(np.arange(len(labels)) % 10 > 0)
    source, groups = find(features, labels, indices)
    listed = {index for group in groups for index in group.indices.tolist()}
    planted = {index for index in range(size) if index % 10}
    assert listed == planted
    assert [group.times for group in groups] == sorted((one.times for one in groups), reverse=True)
    findings = list(list_findings(source, groups))
    assert {one.kind for one in findings} == {KIND}
    assert {one.file for one in findings} == {source.examples[index] for index in planted}
    assert all(one.sha256 == source.hashes[int(one.file[7:11])].tobytes().hex() for one in findings)
    assert f" {len(groups[0].indices)} images in c, " in findings[0].detail
    (line,) = describe_groups(source, groups)
    assert line.startswith(f"Audit: {KIND}: {len(planted)} images in ")


def test_wrong_labels_are_no_group_of_their_own_kind():
    features, labels = photos()
    labels = labels.copy()
    labels[:30] = 2
    assert find(features, labels)[1] == ()


@pytest.mark.parametrize("count", [0, 1, 9, 20])
def test_few_images_give_none(count):
    features, labels = photos(per_class=5)
    assert find(features[:count], labels[:count])[1] == ()
    assert find(np.ones((count, 4)), np.arange(count) % 2)[1] == ()
