import keras
import numpy as np

from kerastl.model.build import build_classifier
from kerastl.model.network import Network
from kerastl.model.style import build_style
from tiny_networks import open_tiny


def test_style_is_mean_and_deviation_of_a_low_layer(tiny_net):
    network = open_tiny(tiny_net)
    style = build_style(network)
    images = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)
    values = style(images, training=False).numpy()
    channels = values.shape[1] // 2
    third = network.find(None) / 3
    boundary = next(one for one in network.boundaries if one.position >= third - 1)
    features = keras.Model(network.inputs, boundary.tensor)(images, training=False).numpy()
    features = features.reshape(3, -1, features.shape[-1])
    assert features.shape[-1] == channels
    assert boundary.position < network.pooled.position
    np.testing.assert_allclose(values[:, :channels], features.mean(axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(values[:, channels:], features.std(axis=1), rtol=1e-3, atol=1e-3)


def test_tokens_are_places_too(tiny_net):
    network = flat_network(tiny_net, keras.layers.Reshape((-1, 3)))
    assert build_style(network).output.shape == (None, 6)


def test_a_network_that_has_no_places_has_no_style(tiny_net):
    assert build_style(flat_network(tiny_net, keras.layers.Flatten())) is None


def flat_network(row, layer):
    inputs = keras.Input((4, 4, 3))
    values = layer(inputs)
    for _ in range(6):
        values = keras.layers.Activation("relu")(values)
    backbone = keras.Model(inputs, values, name="backbone")
    classifier = build_classifier(backbone, scaling=row.scaling, num_classes=2, dropout=0.0)
    return Network.of(classifier, row)
