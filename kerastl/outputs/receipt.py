"""Describes what computed a result: versions of packages, and the device."""

import importlib.metadata
import pathlib
import platform
from typing import Any

import keras
import tensorflow as tf

from kerastl.resources import usable_cores, usable_memory
from kerastl.version import VERSION

_PACKAGES = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "scikit-learn", "scipy")


def describe_machine() -> dict[str, Any]:
    """Returns the part of `receipt.json` that is the same for every run in this process."""
    ours = {"kerastl": VERSION, "python": platform.python_version()}
    return {
        "versions": ours | {name: version_of(name) for name in _PACKAGES},
        "device": device_names(),
        "cpu_cores": usable_cores(),
        "memory_bytes": usable_memory(),
    }


def version_of(package: str) -> str:
    """Returns the version of an installed package."""
    # TensorFlow is also distributed under other names.
    imported: dict[str, str] = {"tensorflow": tf.__version__, "keras": keras.version()}
    return imported.get(package) or importlib.metadata.version(package)


def device_names() -> list[str]:
    """Names what computes: the GPUs, or without one the processor."""
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return gpus or [_cpu_name()]


def _cpu_name() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []  # Only Linux has it.
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
