import pytest

import fakes
from kerastl.model.build import build_classifier
from kerastl.model.network import Network
from kerastl.training.cost import seconds_per_image, seconds_to_read


@pytest.fixture
def network(tiny_net):
    shape = (fakes.IMAGE_SIZE, fakes.IMAGE_SIZE, 3)
    backbone = fakes.tiny_net(include_top=False, weights=None, input_shape=shape, name="backbone")
    classifier = build_classifier(backbone, scaling=None, num_classes=3, dropout=0.0)
    return Network.of(classifier, tiny_net)


def test_more_below_a_boundary_takes_longer(network):
    times = [seconds_per_image(network, boundary) for boundary in network.boundaries]
    assert times == sorted(times)
    assert times[0] < times[-1]


def test_reading_takes_a_call_and_its_bytes():
    assert seconds_to_read(10**9) - seconds_to_read(0) == pytest.approx(1.0)
    assert seconds_to_read(0) > 0
