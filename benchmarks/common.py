"""What the benchmarks share: the plain pipeline, the data's flags, the machine's name."""

import argparse
import os
import pathlib
import platform
import statistics
import sys

import kerastl
from kerastl import environment

environment.prepare(kerastl.Progress(sys.stderr))

# Only now, since Keras takes its backend when it is imported.
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from kerastl.data.images import decode_and_resize  # noqa: E402
from kerastl.data.splits import Splits  # noqa: E402

_SHARED = pathlib.Path(__file__).parents[2] / "shared"


def add_tfds_dir(parser: argparse.ArgumentParser) -> None:
    """Adds where CIFAR-10 is."""
    parser.add_argument("--tfds_dir", default=str(_SHARED / "tfds"))


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """Adds where CIFAR-10 and MobileNetV2's weights are."""
    add_tfds_dir(parser)
    parser.add_argument(
        "--weights",
        default=str(_SHARED / "weights/mobilenetv2_imagenet_notop.weights.h5"),
        help="imagenet, or a weights file of MobileNetV2 without its classifier",
    )


def plain_dataset(
    splits: Splits, indices: np.ndarray, config: kerastl.Config, *, shuffled: bool
) -> tf.data.Dataset:
    """Reads a split as a good user of `tf.data` would."""
    files = tf.constant([splits.source.load(index) for index in indices.tolist()])
    labels = splits.source.labels[indices]

    def load(content: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return decode_and_resize(content, image_size=config.image_size, rule=config.resize), label

    dataset = tf.data.Dataset.from_tensor_slices((files, labels))
    if shuffled:
        dataset = dataset.shuffle(len(indices), seed=config.seed)
    dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(config.batch_size).prefetch(tf.data.AUTOTUNE)


def plain_classifier(config: kerastl.Config, num_classes: int) -> tuple[keras.Model, keras.Model]:
    """Builds a classifier on a frozen MobileNetV2 as a good user of Keras would.

    Returns:
        The backbone and the classifier, from pixels to logits.
    """
    backbone = keras.applications.MobileNetV2(
        include_top=False,
        weights=config.weights,
        input_shape=(config.image_size, config.image_size, 3),
    )
    backbone.trainable = False
    images = keras.Input((config.image_size, config.image_size, 3))
    features = backbone(keras.layers.Rescaling(1 / 127.5, offset=-1)(images))
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return backbone, keras.Model(images, keras.layers.Dense(num_classes)(pooled))


def spread(values: list[float]) -> str:
    """Formats measurements as their median, lowest and highest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    spread = f" ({low:.3g}-{high:.3g})" if len(values) > 1 else ""
    return f"{middle:.3g}{spread}"


def machine() -> str:
    """Names the processor, the GPUs and the versions."""
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    parts = (
        f"{_cpu_name()}, {os.cpu_count()} cores",
        *gpus,
        f"TensorFlow {tf.__version__}",
        f"Keras {keras.__version__}",
        f"kerastl {kerastl.__version__}",
    )
    return ", ".join(parts)


def _cpu_name() -> str:
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
