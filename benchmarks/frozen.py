"""Times a frozen backbone computed in every epoch against one computed once, in one run.

The plain side is Keras as a good user writes it: a frozen backbone inside the model, batch norm
frozen too, a `tf.data` pipeline that decodes in parallel and prefetches, `fit`. Both sides get
the same images, weights, batch, epochs and rates, and take turns.

    python benchmarks/frozen.py --repeats=3

prints Markdown tables. `--memory` measures peak memory at 10,000 and 100,000 images instead, and
`--passes` one pass of the frozen part beside `model.predict`.
"""

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine, plain_classifier, plain_dataset, spread  # isort: skip
import keras
import numpy as np
import tensorflow as tf
from pages import publish
from sklearn import datasets

import kerastl
from kerastl import environment
from kerastl.data.opening import open_source
from kerastl.data.splits import Splits, make_splits
from kerastl.model.build import scale_pixels
from kerastl.model.building.applications import build_backbone
from kerastl.model.network import Network
from kerastl.model.sources.applications import BACKBONES
from kerastl.training.frozen import FrozenPart


@dataclasses.dataclass(frozen=True)
class Timing:
    """One side of a comparison.

    Attributes:
        phases: Seconds of training, compiling and computing features included.
        seconds: Seconds from start to end, with building, evaluation and records.
        accuracy: Test accuracy.
    """

    phases: float
    seconds: float
    accuracy: float


def main() -> None:
    """Runs what the flags ask for and prints tables."""
    arguments = _parse()
    print(f"{machine()}; median (lowest-highest).\n")
    if arguments.memory:
        _print_memory()
        return
    if arguments.passes:
        _compare_passes(arguments)
        return
    print(
        "| what | plain: training, s | kerastl: training, s | times faster "
        "| plain: all, s | kerastl: all, s | times faster | accuracy, plain and kerastl |\n"
        "| :-- | --: | --: | --: | --: | --: | --: | --: |",
        flush=True,
    )
    head = _config(arguments, finetune_epochs=0)
    _compare(f"head, {head.head_epochs} epochs", head, arguments, with_second_run=True)
    for block in ("block_13", "block_6"):
        config = _config(arguments, unfreeze_from=block, finetune_epochs=3)
        _compare(f"head and 3 epochs from {block}", config, arguments)
    _compare_commands(arguments)


def run_plain(config: kerastl.Config) -> Timing:
    """Trains with Keras alone and evaluates on the test images."""
    started = time.monotonic()
    with environment.ready("float32", config.seed, kerastl.Progress()):
        splits = make_splits(open_source(config, kerastl.Progress()), config)
        train, validation, test = (
            plain_dataset(splits, indices, config, shuffled=indices is splits.train)
            for indices in (splits.train, splits.validation, splits.test)
        )
        backbone, model = plain_classifier(config, len(splits.source.class_names))
        training = time.monotonic()
        rate, epochs = config.head_learning_rate, config.head_epochs
        _fit(model, train, validation, config, rate=rate, epochs=epochs)
        if config.finetune_epochs:
            backbone.trainable = True
            below = True
            for layer in backbone.layers:
                below = below and not layer.name.startswith(f"{config.unfreeze_from}_")
                if below or isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
            rate, epochs = config.finetune_learning_rate, config.finetune_epochs
            _fit(model, train, validation, config, rate=rate, epochs=epochs)
        phases = time.monotonic() - training
        accuracy = model.evaluate(test, verbose=0, return_dict=True)["accuracy"]
    return Timing(phases, time.monotonic() - started, accuracy)


def run_kerastl(config: kerastl.Config) -> Timing:
    """Trains with `kerastl.run`, which evaluates and records too."""
    started = time.monotonic()
    result = kerastl.run(config, progress=kerastl.Progress())
    seconds = time.monotonic() - started
    receipt = json.loads((result.run_dir / "receipt.json").read_text("utf-8"))["seconds"]
    phases = sum(value for name, value in receipt.items() if name != "all")
    return Timing(phases, seconds, result.metrics["test"]["accuracy"])


def _fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    config: kerastl.Config,
    *,
    rate: float,
    epochs: int,
) -> None:
    steps = epochs * len(train)
    # Without a warm-up fine-tuning from block_6 ends at the accuracy of guessing.
    warmup = round(config.warmup_epochs * len(train)) if rate < config.head_learning_rate else 0
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else rate,
        steps - warmup,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(train, epochs=epochs, validation_data=validation, shuffle=False, verbose=0)


def _compare(
    what: str,
    config: kerastl.Config,
    arguments: argparse.Namespace,
    *,
    with_second_run: bool = False,
) -> None:
    plain, first, second = [], [], []
    for _ in range(arguments.repeats):
        plain.append(run_plain(config))
        with tempfile.TemporaryDirectory() as folder:
            fresh = dataclasses.replace(config, run_dir=f"{folder}/a", cache_dir=f"{folder}/cache")
            first.append(run_kerastl(fresh))
            if with_second_run:
                second.append(run_kerastl(dataclasses.replace(fresh, run_dir=f"{folder}/b")))
    _print_row(what, plain, first)
    if second:
        _print_row(f"{what}, second run", plain, second)


def _print_row(what: str, plain: list[Timing], ours: list[Timing]) -> None:
    cells = []
    for part in ("phases", "seconds"):
        pairs = [(getattr(a, part), getattr(b, part)) for a, b in zip(plain, ours, strict=True)]
        cells += [spread([a for a, _ in pairs]), spread([b for _, b in pairs])]
        cells.append(spread([a / b for a, b in pairs]))
    accuracies = f"{plain[0].accuracy:.4f}, {ours[0].accuracy:.4f}"
    print(f"| {what} | {' | '.join(cells)} | {accuracies} |", flush=True)


def _compare_commands(arguments: argparse.Namespace) -> None:
    """Times whole commands: the full run, then another head rate and no fine-tuning."""
    first, second = [], []
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            flags = [
                *_config(arguments, unfreeze_from="block_6", finetune_epochs=3).to_flags(),
                f"--cache_dir={folder}/cache",
            ]
            again = ["--head_learning_rate=0.02", "--finetune_epochs=0", f"--run_dir={folder}/b"]
            first.append(_time_command([*flags, f"--run_dir={folder}/a"]))
            second.append(_time_command([*flags, *again]))
    ratios = [a / b for a, b in zip(first, second, strict=True)]
    print(
        "\n| command | s |\n| :-- | --: |\n"
        f"| 10 + 3 epochs, nothing stored | {spread(first)} |\n"
        f"| the same, another head rate, no fine-tuning | {spread(second)} |\n"
        f"| ratio | {spread(ratios)} |"
    )


def _time_command(flags: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "kerastl.main", *flags], check=True, stdout=subprocess.DEVNULL
    )
    return time.monotonic() - started


def _compare_passes(arguments: argparse.Namespace) -> None:
    """Times one pass, features on disk included, beside `predict` on the same frozen part."""
    print("| frozen part | images | predict, images/s | kerastl, images/s | times faster |")
    print("| :-- | --: | --: | --: | --: |")
    for name, image_size, count in (("MobileNetV2", 96, 6000), ("ResNet50", 224, 2560)):
        plain, ours = [], []
        for _ in range(arguments.repeats):
            config = _config(arguments, backbone=name, image_size=image_size)
            plain.append(count / _time_predict(config, count))
            ours.append(count / _time_pass(config, count))
        ratios = [b / a for a, b in zip(plain, ours, strict=True)]
        print(
            f"| {name} at {image_size} px | {count} | {spread(plain)} | {spread(ours)} "
            f"| {spread(ratios)} |",
            flush=True,
        )


def _time_predict(config: kerastl.Config, count: int) -> float:
    with environment.ready("float32", config.seed, kerastl.Progress()):
        splits = _first_images(config, count)
        model = keras.Model(*_frozen_part(config))
        dataset = plain_dataset(splits, splits.train, config, shuffled=False)
        started = time.monotonic()
        model.predict(dataset, verbose=0)
        return time.monotonic() - started


def _time_pass(config: kerastl.Config, count: int) -> float:
    with (
        environment.ready("float32", config.seed, kerastl.Progress()),
        tempfile.TemporaryDirectory() as folder,
    ):
        splits = _first_images(config, count)
        network = Network.of(keras.Model(*_frozen_part(config)), BACKBONES[config.backbone])
        stored = dataclasses.replace(config, cache_dir=folder)
        boundary = network.boundaries[-1]
        started = time.monotonic()
        silent = kerastl.Progress()
        with FrozenPart.open(
            network, [boundary], splits, model=stored, store=stored, progress=silent
        ) as frozen:
            frozen.compute(silent)
        return time.monotonic() - started


def _first_images(config: kerastl.Config, count: int) -> Splits:
    source = open_source(config, kerastl.Progress())
    indices = np.arange(count)
    return Splits(source, train=indices, validation=indices[:0], test=indices[:0], unused=indices)


def _frozen_part(config: kerastl.Config) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    size = config.image_size
    backbone = build_backbone(BACKBONES[config.backbone], weights="none", image_size=size)
    backbone.trainable = False
    images = keras.Input((size, size, 3))
    features = backbone(scale_pixels(images, BACKBONES[config.backbone].scaling))
    return images, keras.layers.GlobalAveragePooling2D()(features)


def _print_memory() -> None:
    """Runs a head phase at two sizes in processes of their own and compares their peaks."""
    print("| images | peak memory, MB |\n| --: | --: |")
    peaks = []
    for count in (10_000, 100_000):
        finished = subprocess.run(
            [sys.executable, __file__, f"--memory_of={count}"],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(int(finished.stdout.split()[-1]))
        print(f"| {count} | {peaks[-1]} |", flush=True)
    print(f"\nDifference: {peaks[1] - peaks[0]} MB.")


def run_for_memory(count: int) -> None:
    """Trains a head on `count` images that differ by a pixel; prints the peak in MB."""
    with tempfile.TemporaryDirectory() as folder:
        weights = f"{folder}/random.weights.h5"
        keras.applications.MobileNetV2(
            include_top=False, weights=None, input_shape=(32, 32, 3)
        ).save_weights(weights)
        kerastl.run(
            kerastl.Config(
                dataset="python",
                run_dir=f"{folder}/run",
                cache_dir=f"{folder}/cache",
                backbone="MobileNetV2",
                weights=weights,
                image_size=32,
                head_epochs=2,
            ),
            source=_many_digits(count),
            progress=kerastl.Progress(),
        )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def _many_digits(count: int) -> kerastl.Source:
    digits = datasets.load_digits()
    grays = np.round(digits.images * (255 / 16)).astype(np.uint8)

    class Repeated(Sequence):
        """The digits again and again; three pixels carry the number, so no two are alike."""

        def __len__(self) -> int:
            return count

        def __getitem__(self, index: int) -> np.ndarray:
            if not 0 <= index < count:
                raise IndexError(index)
            pixels = grays[index % len(grays)].copy()
            pixels[0, :3] = index % 256, index // 256 % 256, index // 65536
            return pixels

    labels = digits.target[np.arange(count) % len(grays)]
    return kerastl.Source.from_arrays(Repeated(), labels)


def _config(arguments: argparse.Namespace, **changes: object) -> kerastl.Config:
    values = {
        "dataset": "tfds:cifar10",
        "run_dir": "unused",
        "tfds_dir": arguments.tfds_dir,
        "backbone": "MobileNetV2",
        "weights": arguments.weights,
        "image_size": 96,
        "head_epochs": 10,
        "finetune_learning_rate": 0.002,
        "examples_per_class": arguments.examples_per_class,
    }
    return kerastl.Config(**(values | changes))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--examples_per_class", type=int, default=0, help="for a quick look")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--passes", action="store_true")
    parser.add_argument("--memory_of", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    if (asked := _parse().memory_of) is not None:
        run_for_memory(asked)
    else:
        publish(main, __file__)
