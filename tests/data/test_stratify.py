import numpy as np

from kerastl.data.stratify import assign_clusters, count_sizes


def test_clusters_are_counted_in_the_order_of_their_rank():
    sizes = count_sizes(np.array([7, 8, 7]), np.array([0, 1, 1]), np.array([2, 0, 1], np.uint64))
    assert list(sizes) == [8, 7]
    assert sizes == {8: {1: 1}, 7: {0: 1, 1: 1}}


def test_large_cluster_gives_way_to_small_ones_that_meet_the_share():
    sizes = {0: {0: 6}, **{cluster: {0: 1} for cluster in range(1, 15)}}
    side_of = {}
    assign_clusters(sizes, {"test": 0.2}, side_of)
    assert sum(sizes[cluster][0] for cluster, side in side_of.items() if side == "test") == 4
    assert side_of[0] == "train"


def test_clusters_that_have_a_split_keep_it():
    side_of = {0: "test", 1: "train"}
    assign_clusters({cluster: {0: 1} for cluster in range(10)}, {"test": 0.2}, side_of)
    assert side_of[0] == "test"
    assert side_of[1] == "train"
    assert sum(side == "test" for side in side_of.values()) == 2
