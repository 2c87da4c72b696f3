import itertools

import numpy as np

from kerastl.data.folds import make_folds, subsample


def data(seed=0, size=300):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size, p=[0.6, 0.3, 0.1])
    # Some images stand alone, others belong to groups of three of a class.
    groups = np.arange(size)
    for label in range(3):
        members = np.flatnonzero(labels == label)[:24]
        groups[members] = np.repeat(members[::3][:8], 3)[: len(members)]
    return labels, groups


def test_every_image_is_held_out_once_and_never_beside_its_group():
    labels, groups = data()
    folds = make_folds(labels, groups, count=5, seed=0)
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(len(labels)))
    for train, held_out in folds:
        assert not set(groups[train]) & set(groups[held_out])
        # Each class in proportion.
        assert abs(np.mean(labels[held_out] == 2) - np.mean(labels == 2)) < 0.05


def test_there_are_no_more_folds_than_images_of_a_class():
    labels = np.array([0, 0, 0, 1, 1])
    assert len(make_folds(labels, np.arange(5), count=10, seed=0)) == 3


def test_part_has_its_share_of_each_class_and_whole_groups():
    labels, groups = data()
    part = subsample(labels, groups, fraction=0.25, seed=1)
    for label in range(3):
        share = np.sum(labels[part] == label)
        quota = round(0.25 * np.sum(labels == label))
        # A group that is taken whole may add two.
        assert quota <= share <= quota + 2
    assert not set(groups[part]) & set(np.delete(groups, part))


def test_part_has_so_many_groups_of_each_class():
    labels, groups = np.repeat([0, 1, 1], 40), np.repeat(np.arange(6), 20)
    part = subsample(labels, groups, fraction=0.1, seed=0, fewest_groups=2)
    assert [len(np.unique(groups[part][labels[part] == label])) for label in (0, 1)] == [2, 2]
    part = subsample(labels, groups, fraction=0.1, seed=0, fewest_groups=5)
    assert len(part) == len(labels)


def test_smaller_part_is_within_a_larger_one_and_the_seed_decides():
    labels, groups = data()
    parts = [set(subsample(labels, groups, fraction=f, seed=1)) for f in (0.01, 0.1, 0.5, 1.0)]
    assert all(small <= large for small, large in itertools.pairwise(parts))
    assert len(parts[0] & set(np.flatnonzero(labels == 2))) >= 1
    assert len(parts[3]) == len(labels)
    assert set(subsample(labels, groups, fraction=0.1, seed=2)) != parts[1]
