"""Times reading image files: decoding and resizing, and the way from a folder to the first batch.

The plain side is `keras.utils.image_dataset_from_directory`, with the same size, crop and batch.
Both sides read the same files and take turns; what the first look at the files takes, which the
plain side does not have, is a row of its own. Epochs with random changes are compared in processor
time, which is steadier where others share the cores: the first, which decodes, and a later one.

    python benchmarks/input.py --repeats=3

prints Markdown tables. It writes about 1 GB of images to the temporary directory.
"""

import argparse
import dataclasses
import functools
import pathlib
import tempfile
import time
from collections.abc import Callable

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import machine, spread  # isort: skip
import keras
import numpy as np
import tensorflow as tf
from pages import publish
from PIL import Image

import kerastl
from kerastl.data.audit import audit
from kerastl.data.augment import build_augmenter
from kerastl.data.finding import find_source
from kerastl.data.opening import open_source
from kerastl.data.pipeline import evaluation_dataset, training_dataset
from kerastl.data.splits import make_splits

_CLASSES = 10
_IMAGE_SIZE = 224


def main() -> None:
    """Writes the images, times both sides, and prints tables."""
    arguments = _parse()
    print(f"{machine()}; median (lowest-highest).\n")
    print(
        "| JPEGs | to | image_dataset_from_directory, images/s | kerastl, images/s | times faster "
        "| first look, images/s |\n| :-- | --: | --: | --: | --: | --: |"
    )
    for count, size in ((arguments.photos, (1024, 768)), (arguments.photos // 20, (4000, 3000))):
        with tempfile.TemporaryDirectory() as folder:
            _compare_decoding(pathlib.Path(folder), count, size, arguments.repeats)
    print(
        "\n| JPEGs, flipped and cropped at random | image_dataset_from_directory, CPU ms/image "
        "| kerastl, first epoch | later | times less |\n| :-- | --: | --: | --: | --: |"
    )
    with tempfile.TemporaryDirectory() as folder:
        _compare_epochs(pathlib.Path(folder), arguments.photos, arguments.repeats)
    print(
        "\n| small files | listed and hashed, s | looked at, s | to the first batch, s | files/s |"
    )
    print("| --: | --: | --: | --: | --: |")
    for count in (arguments.small_files // 10, arguments.small_files):
        with tempfile.TemporaryDirectory() as folder:
            _time_small_files(pathlib.Path(folder), count)


def _compare_decoding(
    folder: pathlib.Path, count: int, size: tuple[int, int], repeats: int
) -> None:
    _write(folder / "data", count, functools.partial(_photo, size=size), ".jpg", quality=90)
    config = _config(folder, image_size=_IMAGE_SIZE)
    started = time.monotonic()
    source = open_source(config, kerastl.Progress())
    looked = time.monotonic() - started
    plain, ours = [], []
    for _ in range(repeats):
        plain.append(count / _seconds(lambda: _read_plain(folder / "data")))
        ours.append(
            count
            / _seconds(
                lambda: evaluation_dataset(
                    source, np.arange(count), config, batch_size=config.batch_size
                )
            )
        )
    ratios = [b / a for a, b in zip(plain, ours, strict=True)]
    print(
        f"| {count} of {size[0]} x {size[1]} | {_IMAGE_SIZE} px | {spread(plain)} | {spread(ours)} "
        f"| {spread(ratios)} | {count / looked:.0f} |",
        flush=True,
    )


def _compare_epochs(folder: pathlib.Path, count: int, repeats: int) -> None:
    _write(folder / "data", count, functools.partial(_photo, size=(1024, 768)), ".jpg", quality=90)
    config = dataclasses.replace(_config(folder, image_size=_IMAGE_SIZE), augment="flip,crop")
    source = open_source(config, kerastl.Progress())
    augmenter = build_augmenter(config.augmentations, seed=0)

    def plain() -> tf.data.Dataset:
        changed = _read_plain(folder / "data").unbatch().enumerate()
        threads = tf.data.AUTOTUNE
        return changed.map(lambda n, item: augmenter(item[0], n + 1, n), threads).batch(64)

    def ours(epoch: int) -> tf.data.Dataset:
        return training_dataset(
            source, np.arange(count), config, batch_size=64, epochs=range(epoch, epoch + 1)
        )

    first = _milliseconds(lambda: ours(0), count)
    theirs, later = [], []
    for repeat in range(repeats):
        theirs.append(_milliseconds(plain, count))
        later.append(_milliseconds(functools.partial(ours, repeat + 1), count))
    ratios = [b / a for a, b in zip(later, theirs, strict=True)]
    print(
        f"| {count} of 1024 x 768 | {spread(theirs)} | {first:.2f} | {spread(later)} "
        f"| {spread(ratios)} |",
        flush=True,
    )


def _milliseconds(make_dataset: Callable[[], tf.data.Dataset], count: int) -> float:
    """Measures the processor time of an image in one pass."""
    started = time.process_time()
    for _ in make_dataset():
        pass
    return (time.process_time() - started) / count * 1000


def _read_plain(folder: pathlib.Path) -> tf.data.Dataset:
    return keras.utils.image_dataset_from_directory(
        folder,
        image_size=(_IMAGE_SIZE, _IMAGE_SIZE),
        crop_to_aspect_ratio=True,
        batch_size=64,
        shuffle=False,
        verbose=False,
    )


def _seconds(make_dataset: Callable[[], object]) -> float:
    """Times one pass, with making the dataset, since a user waits for that too."""
    started = time.monotonic()
    for _ in make_dataset():
        pass
    return time.monotonic() - started


def _time_small_files(folder: pathlib.Path, count: int) -> None:
    _write(folder / "data", count, _thumbnail, ".png")
    config = _config(folder, image_size=32)
    started = time.monotonic()
    source = find_source(config, memory=config.memory_path, progress=kerastl.Progress())
    listed = time.monotonic() - started
    source = audit(source, config, memory=config.memory_path, progress=kerastl.Progress())
    looked = time.monotonic() - started - listed
    splits = make_splits(source, config)
    next(
        iter(
            training_dataset(
                source, splits.train, config, batch_size=config.batch_size, epochs=range(1)
            )
        )
    )
    seconds = time.monotonic() - started
    print(
        f"| {count} | {listed:.1f} | {looked:.1f} | {seconds:.1f} | {count / seconds:.0f} |",
        flush=True,
    )


def _config(folder: pathlib.Path, *, image_size: int) -> kerastl.Config:
    return kerastl.Config(
        dataset=f"folder:{folder / 'data'}",
        run_dir="unused",
        cache_dir=str(folder / "cache"),
        image_size=image_size,
    )


def _write(
    folder: pathlib.Path,
    count: int,
    draw: Callable[[np.random.Generator], Image.Image],
    ending: str,
    **options: int,
) -> None:
    rng = np.random.default_rng(0)
    for label in range(_CLASSES):
        (folder / str(label)).mkdir(parents=True)
    for number in range(count):
        draw(rng).save(folder / str(number % _CLASSES) / f"{number:06d}{ending}", **options)


def _photo(rng: np.random.Generator, *, size: tuple[int, int]) -> Image.Image:
    """Shapes of all sizes and the noise of a sensor: about 2 bits a pixel, as a photograph."""
    small = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.int16)
    noise = rng.integers(-9, 10, (size[1] // 2, size[0] // 2, 1), dtype=np.int16)
    pixels = pixels + np.kron(noise, np.ones((2, 2, 1), np.int16))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _thumbnail(rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--photos", type=int, default=4000)
    parser.add_argument("--small_files", type=int, default=100_000)
    return parser.parse_args()


if __name__ == "__main__":
    publish(main, __file__)
