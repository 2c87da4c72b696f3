import pytest

from kerastl.training.cost import seconds_per_image, seconds_to_read
from tiny_networks import open_tiny


@pytest.fixture
def network(tiny_net):
    return open_tiny(tiny_net)


def test_more_below_a_boundary_takes_longer(network):
    times = [seconds_per_image(network, boundary) for boundary in network.boundaries]
    assert times == sorted(times)
    assert times[0] < times[-1]


def test_reading_takes_a_call_and_its_bytes():
    assert seconds_to_read(10**9) - seconds_to_read(0) == pytest.approx(1.0)
    assert seconds_to_read(0) > 0
