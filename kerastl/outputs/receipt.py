"""Describes what a result came from: settings, images, code, versions and the machine."""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerastl import replicas
from kerastl.data.fixes import count_in_test
from kerastl.data.splits import Splits
from kerastl.data.splits_file import read_earlier
from kerastl.device import count_threads
from kerastl.outputs.directories import WORKING_DIRECTORY
from kerastl.resources import usable_cores, usable_memory
from kerastl.version import VERSION

# An extra that decides what a run computes.
_NETWORKS = "keras-hub"
# A name at the beginning of a requirement that no extra is for.
_REQUIREMENT = re.compile(r"([\w.-]+)(?!.*;.*\bextra\b)")
# Environment variables by which TensorFlow and its libraries compute otherwise. Terraform's begin
# with TF_ too, and may hold passwords.
_VARIABLES = (
    *("TF_ENABLE_", "TF_NUM_", "TF_CUDNN_", "TF_DETERMINISTIC_", "TF_XLA_", "TF_GPU_", "TF_FORCE_"),
    *("KERAS_", "XLA_", "ONEDNN_", "DNNL_", "OMP_", "MKL_", "OPENBLAS_", "CUDA_", "NVIDIA_TF32_"),
)
# Instructions of a processor by which sums are made in another order.
_INSTRUCTIONS = re.compile(r"\b(?:avx|fma|amx|sse4|asimd|sve|bf16|i8mm)\w*")
_HASH_SEED = "PYTHONHASHSEED"
_GPU_DRIVER = pathlib.Path("/proc/driver/nvidia/version")
_CPUS = pathlib.Path("/proc/cpuinfo")
# What differs between two runs that are otherwise equal.
_TIMES = (
    "times, in history.csv, receipt.json, tensorboard/ and inside .keras files",
    "the speed that is recorded for each export",
)


def describe_run(
    settings: Mapping[str, Any], splits: Splits, reasons: Sequence[str], changed: Sequence[str]
) -> dict[str, Any]:
    """Returns the part of `receipt.json` about the settings and images of a run.

    Args:
        settings: Result of `Config.explain`.
        splits: The images.
        reasons: Those of a recipe for its choices.
        changed: What of the machine changed while the run was cut off.
    """
    fixes = {}
    if fixed := splits.source.fixed:
        path = settings["splits_from"]["value"]
        earlier = read_earlier(path) if path else {}
        fixes["fixes"] = fixed.counts() | count_in_test(splits, fixed, earlier)
    teacher = {}
    if splits.teacher:
        run, fingerprint = settings["teacher"]["value"], splits.teacher.fingerprint
        teacher = {"teacher": {"run": run, "fingerprint": fingerprint}}
    chosen = ["what the recipe chose, by measured times; flags.txt repeats it"] if reasons else []
    return {
        "flags": settings,
        WORKING_DIRECTORY: os.getcwd(),
        **fixes,
        **teacher,
        "splits": splits.fingerprints(),
        "not_deterministic": [*chosen, *changed, *_TIMES],
    }


def describe_machine() -> dict[str, Any]:
    """Returns the part of `receipt.json` on what computes, and with what."""
    team = replicas.current()
    ours = {"kerastl": VERSION, "python": platform.python_version()}
    return {
        "versions": ours | dict(_versions()),
        "code": code_fingerprint(),
        "system": platform.platform(),
        "device": device_names(),
        "drivers": _drivers(),
        "instructions": _INSTRUCTIONS.findall(_of_processor("flags", "Features")),
        "cpu_cores": usable_cores(),
        "memory_bytes": usable_memory(),
        "threads": count_threads(),
        "replicas": {"machines": team.num_workers, "devices_of_each": len(team.devices)},
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(_VARIABLES) or name == _HASH_SEED
        },
    }


def _versions() -> Iterator[tuple[str, str]]:
    for name in required_packages():
        # A distribution of another name may bring what is imported.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, version_of(name)


@functools.cache
def required_packages() -> tuple[str, ...]:
    """Names the packages that kerastl requires; in a checkout, those that are imported."""
    try:
        lines = importlib.metadata.requires("kerastl") or []
    except importlib.metadata.PackageNotFoundError:
        of_module = importlib.metadata.packages_distributions()
        names = {name for module in of_module.keys() & sys.modules for name in of_module[module]}
        return tuple(sorted(names, key=str.lower))
    used = (_NETWORKS,) if _NETWORKS.replace("-", "_") in sys.modules else ()
    return (*(found[1] for line in lines if (found := _REQUIREMENT.match(line))), *used)


@functools.cache
def code_fingerprint() -> str:
    """Hashes the files of this package, as they are installed, with their names."""
    package, digest = pathlib.Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            name = path.relative_to(package).as_posix()
            digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


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


def _drivers() -> dict[str, str]:
    """Names the driver of the GPUs, and the libraries that TensorFlow was built with for them."""
    if not tf.config.list_physical_devices("GPU"):
        return {}
    built: dict[str, Any] = tf.sysconfig.get_build_info()
    known: dict[str, str] = {
        name: str(built[name]) for name in ("cuda_version", "cudnn_version") if name in built
    }
    with contextlib.suppress(OSError):
        known["nvidia"] = _GPU_DRIVER.read_text("utf-8").splitlines()[0]
    return known


def _cpu_name() -> str:
    return _of_processor("model name") or platform.processor() or platform.machine()


def _of_processor(*names: str) -> str:
    """Returns the name of the first processor; empty where the system does not give it."""
    try:
        lines = _CPUS.read_text("utf-8").splitlines()
    except OSError:
        lines = []  # Only Linux has it.
    values = (line.partition(":")[2].strip() for line in lines if line.startswith(names))
    return next(values, "")
