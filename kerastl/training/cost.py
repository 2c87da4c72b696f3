"""Estimates whether reading stored features is faster than computing them."""

from kerastl.device import has_gpu
from kerastl.model.boundaries import Boundary
from kerastl.model.network import Network

# The estimate is from the network and not from a clock, whose noise would decide in which order
# numbers are added up. Measured on two cores: MobileNetV2 at 96 px computes 35 and ResNet50 at
# 224 px 90 thousand million multiply-adds a second; a row takes 10 to 20 microseconds to read, and
# 1 to 2 GB a second.
_CPU_MULTIPLY_ADDS_PER_SECOND = 50e9
# A tenth of what an accelerator's float32 promises.
_GPU_MULTIPLY_ADDS_PER_SECOND = 2e12
_SECONDS_PER_READ = 20e-6
# Decoding a small image and resizing it.
_SECONDS_PER_FILE = 50e-6
_SECONDS_PER_PIXEL = 10e-9
BYTES_PER_SECOND = 1e9


def seconds_per_image(network: Network, boundary: Boundary) -> float:
    """Estimates the time to decode an image and to compute up to a boundary."""
    image_size: int = network.inputs.shape[1]
    decoding = _SECONDS_PER_FILE + _SECONDS_PER_PIXEL * image_size**2
    rate = _GPU_MULTIPLY_ADDS_PER_SECOND if has_gpu() else _CPU_MULTIPLY_ADDS_PER_SECOND
    return decoding + network.count_multiply_adds(boundary) / rate


def seconds_to_read(num_bytes: int) -> float:
    """Estimates the time to read one row of the store."""
    return _SECONDS_PER_READ + num_bytes / BYTES_PER_SECOND
