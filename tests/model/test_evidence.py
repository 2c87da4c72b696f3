import keras
import numpy as np
import pytest

from kerastl.model.build import build_classifier
from kerastl.model.building.applications import build_backbone
from kerastl.model.evidence import find_feature_map, locate_evidence
from kerastl.model.network import Network
from kerastl.model.sources.applications import BACKBONES
from tiny_networks import open_tiny

CLASSES = 4


def check_network(network, size):
    """Compares the maps of random images with their logits; returns the maps."""
    rng = np.random.default_rng(0)
    head = network.model.get_layer("logits")
    head.kernel.assign(rng.normal(size=head.kernel.shape))
    head.bias.assign(rng.normal(size=head.bias.shape))
    images = rng.uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    features = keras.Model(network.inputs, find_feature_map(network))(images, training=False)
    logits = network.model(images, training=False).numpy() - head.bias.numpy()
    for label in range(head.units):
        maps = locate_evidence(features.numpy(), head.kernel.numpy(), np.full(2, label))
        # The logit without what is the same for all images, and for all classes.
        expected = logits[:, label] - logits.mean(axis=1)
        np.testing.assert_allclose(maps.mean(axis=(1, 2)), expected, atol=1e-3, rtol=1e-3)
    return maps


def test_mean_of_a_map_is_the_logit_it_explains(tiny_net):
    assert check_network(open_tiny(tiny_net), 16).shape == (2, 4, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_has_a_map_that_is_exact(name):
    row = BACKBONES[name]
    size = max(64, row.minimum_size)
    backbone = build_backbone(row, weights="none", image_size=size)
    classifier = build_classifier(backbone, scaling=row.scaling, num_classes=CLASSES, dropout=0.1)
    check_network(Network.of(classifier, row), size)


def test_evidence_is_where_the_channel_of_the_class_is():
    features = np.zeros((2, 3, 3, 2), np.float32)
    features[0, 0, 1, 0] = features[1, 2, 2, 1] = 1
    # Adding the same to every class changes nothing.
    kernel = np.array([[2.0, -1.0, 0.0], [0.0, 1.0, -1.0]]) + 5
    maps = locate_evidence(features, kernel, np.array([0, 1]))
    assert [np.unravel_index(one.argmax(), one.shape) for one in maps] == [(0, 1), (2, 2)]
    np.testing.assert_allclose(maps.max(axis=(1, 2)), [5 / 3, 1], rtol=1e-6)
    assert (np.sort(maps, axis=None)[:-2] == 0).all()
