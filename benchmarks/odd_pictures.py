"""Plants pictures of another kind in one class, and counts those that are found, beside cleanlab.

Drawings and digits among photos of CIFAR-10, drawings and photos among digits, and nothing, to see
what is listed then; three seeds choose the images:

    python benchmarks/odd_pictures.py --peers=peers/bin/python

needs what `findings.py` needs.
"""

import argparse
import io
import json
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import NamedTuple

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine  # isort: skip
import drawn
import keras
import numpy as np
from pages import publish
from PIL import Image

import kerastl
from kerastl.data.finding import find_source
from kerastl.data.images import decode_and_resize
from kerastl.model.network import open_network
from kerastl.model.style import build_style
from kerastl.selection.odd_groups import find_odd_groups
from kerastl.selection.odd_pictures import rank_odd_pictures

_PEERS = pathlib.Path(__file__).with_name("findings_peers.py")
_SIDE, _BATCH = 96, 100
_PER_CLASS, _CLASS, _SEEDS = 100, 7, (0, 1, 2)
# What is planted among what.
_PAIRS = (
    *(("photos", "nothing"), ("photos", "drawings"), ("photos", "digits")),
    *(("digits", "nothing"), ("digits", "drawings"), ("digits", "photos")),
)


class Looked(NamedTuple):
    """Images as a network sees them: their last features, how they look, and their classes."""

    features: np.ndarray
    styles: np.ndarray
    labels: np.ndarray


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--planted", default=30, type=int)
    parser.add_argument("--peers", default="", help="a Python that has cleanlab")
    arguments = parser.parse_args()
    config = kerastl.Config(
        dataset="tfds:cifar10",
        tfds_dir=arguments.tfds_dir,
        run_dir="x",
        backbone="MobileNetV2",
        weights=arguments.weights,
        image_size=_SIDE,
    )
    network = open_network(config, num_classes=2)
    models = [network.lower(network.pooled), build_style(network)]
    sources = {
        "photos": find_source(config, memory=None, progress=kerastl.Progress()),
        "digits": find_source(
            kerastl.Config(dataset="digits", run_dir="x"), memory=None, progress=kerastl.Progress()
        ),
    }
    print(f"{machine()}\n\n| among | planted | seed | found by | listed | right | of |")
    print("| :-- | :-- | --: | :-- | --: | --: | --: |")
    for seed in _SEEDS:
        rng = np.random.default_rng(seed)
        looked = {name: look(*choose(source, rng), models) for name, source in sources.items()}
        looked["drawings"] = look(*draw(arguments.planted, seed), models)
        for among, planted in _PAIRS:
            base = looked[among]
            count = 0 if planted == "nothing" else arguments.planted
            other = looked.get(planted, base)
            chosen = rng.choice(len(other.labels), count, replace=False)
            given = Looked(
                np.concatenate([base.features, other.features[chosen]]),
                np.concatenate([base.styles, other.styles[chosen]]),
                np.concatenate([base.labels, np.full(count, _CLASS)]),
            )
            for tool, found in find(given, arguments.peers):
                right = sum(index >= len(base.labels) for index in found)
                cells = (among, planted, seed, tool, len(found), right, count)
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


def choose(source: kerastl.Source, rng: np.random.Generator) -> tuple[list[bytes], np.ndarray]:
    """Chooses training images, as many of each class."""
    train = np.flatnonzero(source.given_splits == "train")
    train = train if len(train) else np.arange(len(source.labels))
    chosen = np.concatenate(
        [
            rng.choice(train[source.labels[train] == label], _PER_CLASS, replace=False)
            for label in range(len(source.class_names))
        ]
    )
    return [source.load(int(index)) for index in chosen], source.labels[chosen]


def draw(count: int, seed: int) -> tuple[list[bytes], np.ndarray]:
    """Draws pictures of 16 kinds."""
    # Other letters and shapes than those of the other benchmarks.
    drawn._SEED = 100 + seed
    ((pictures, kinds),) = drawn.draw_pictures(2 * count)
    files = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "png")
        files.append(file.getvalue())
    return files, kinds


def look(files: list[bytes], labels: np.ndarray, models: list[keras.Model]) -> Looked:
    """Computes what a network sees."""
    parts: list[list[np.ndarray]] = [[] for _ in models]
    for start in range(0, len(files), _BATCH):
        images = np.stack(
            [
                decode_and_resize(file, image_size=_SIDE, rule="crop")
                for file in files[start : start + _BATCH]
            ]
        )
        for part, model in zip(parts, models, strict=True):
            part.append(model(images, training=False).numpy())
    return Looked(*map(np.concatenate, parts), labels)


def find(given: Looked, python: str) -> Iterator[tuple[str, list[int]]]:
    """Yields what each finds: the positions of images."""
    yield "kerastl, pictures", rank_odd_pictures(given.styles)[0].tolist()
    splits = SimpleNamespace(source=SimpleNamespace(labels=given.labels))
    groups = find_odd_groups(given.features, splits, np.arange(len(given.labels)), seed=0)
    yield "kerastl, groups", [index for group in groups for index in group.indices.tolist()]
    if python:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "images.npz"
            np.savez(file, features=given.features, labels=given.labels)
            command = [python, str(_PEERS), str(file)]
            finished = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        found = json.loads(finished.stdout)
        yield "cleanlab", found["outliers"][: found["num_outliers"]]
        yield "cleanlab, first 30", found["outliers"][:30]


if __name__ == "__main__":
    publish(main, __file__)
