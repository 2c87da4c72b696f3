import dataclasses

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.data.splits import Splits
from kerastl.model.network import open_network
from kerastl.selection.measurements import (
    adapt_config,
    compute_features,
    count_bytes,
    count_missing,
    measure_milliseconds,
)


@pytest.fixture
def config(tiny_net, tmp_path):
    return fakes.tiny_config(tmp_path, cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def network(config):
    return open_network(config, num_classes=3)


@pytest.fixture
def splits():
    source = fakes.color_source(per_class=4)
    places = np.arange(len(source))
    return Splits(source, places[:6], places[6:9], places[9:], places[:0])


@pytest.mark.thorough
def test_features_are_stored_for_all_splits_and_not_augmented(network, config, splits):
    augmented = dataclasses.replace(config, augment="flip,color:0.5", augment_views=3)
    assert count_missing(network, splits, config) == 12
    features = compute_features(network, splits, augmented, kerastl.Progress())
    assert features.shape == (6, 8)
    assert count_missing(network, splits, config) == 0
    plain = compute_features(network, splits, config, kerastl.Progress())
    np.testing.assert_array_equal(features, plain)


def test_size_and_latency(network):
    assert count_bytes(network) == 4 * network.model.count_params()
    alone, in_batch = measure_milliseconds(network, 1, 8)
    assert min(alone, in_batch) > 0


def test_block_of_another_network_is_reset(network, config):
    own = dataclasses.replace(config, unfreeze_from=network.blocks[0])
    assert adapt_config(own, network) == (own, [])
    reset, (note,) = adapt_config(dataclasses.replace(config, unfreeze_from="conv5"), network)
    assert reset.unfreeze_from == ""
    assert note == "unfreeze_from=conv5 is not part of TinyNet, whose top block is used instead"
