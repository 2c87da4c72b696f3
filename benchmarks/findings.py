"""Plants faults in training images of CIFAR-10, and says which of them are found, beside peers.

A red border around every image of one class, 5 % of the labels changed, turned and mirrored copies
of images, and a folder of drawn pictures among the photos of a class. cleanlab and cleanvision look
at the same images; they need an environment of their own, as kerastl does not depend on them:

    python -m venv peers && peers/bin/pip install cleanlab cleanvision datasets
    python benchmarks/findings.py --peers=peers/bin/python

`--markdown=docs/benchmarks/findings.md` writes the table of the docs.
"""

import argparse
import csv
import dataclasses
import json
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine, plain_classifier  # isort: skip
import numpy as np
import tensorflow as tf
from drawn import draw_pictures
from pages import publish
from PIL import Image

import kerastl
from kerastl.data.finding import find_source
from kerastl.data.images import decode_and_resize
from kerastl.selection import odd_groups, odd_pictures

_SIDE = 96
# The class with the border, and that with the folder of drawn pictures.
_BORDERED, _LITTERED = 3, 7
_WRONG, _COPIED, _DRAWN = 0.05, 0.05, 0.03
_PEERS = pathlib.Path(__file__).with_name("findings_peers.py")
_RED = (200, 30, 30)


@dataclasses.dataclass(frozen=True)
class Planted:
    """The images of a folder, and what is wrong with them.

    Attributes:
        paths: The images, relative to the folder.
        wrong: Those whose label was changed.
        pairs: Those that are a turned copy, with their original.
        drawn: Those that are off-topic.
    """

    paths: tuple[str, ...]
    wrong: frozenset[str]
    pairs: frozenset[frozenset[str]]
    drawn: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Row:
    """What one tool finds of one fault: the shares that are right and that are found."""

    fault: str
    planted: int
    tool: str
    listed: int
    right: int

    def cells(self) -> str:
        """Formats the row."""
        precision = f"{self.right / self.listed:.0%}" if self.listed else "-"
        recall = f"{self.right / self.planted:.0%}"
        cells = (self.fault, self.planted, self.tool, self.listed, precision, recall)
        return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Plants, looks and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--images", default=100, type=int, help="photos of each class")
    parser.add_argument("--peers", default="", help="a Python that has cleanlab and cleanvision")
    parser.add_argument("--seed", default=0, type=int)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        planted = plant(folder / "photos", arguments)
        started = time.monotonic()
        rows = list(look(folder, planted, arguments))
        took = {"kerastl, training included": time.monotonic() - started}
        versions: dict[str, str] = {}
        if problem := _why_no_peers(arguments.peers):
            print(problem)
        else:
            found = ask_peers(folder, planted, arguments)
            rows += score_peers(folder, planted, found)
            took |= found["seconds"]
            versions = found["versions"]
    print("\n".join(_describe(rows, took, versions)))


def _why_no_peers(python: str) -> str:
    advice = "Give --peers=PYTHON of an environment that has them."
    if not python:
        return f"cleanlab and cleanvision are left out. {advice}"
    test = [python, "-c", "import cleanlab, cleanvision, datasets"]
    if subprocess.run(test, capture_output=True, check=False).returncode:
        return f"cleanlab or cleanvision is not installed for {python}. {advice}"
    return ""


def plant(folder: pathlib.Path, arguments: argparse.Namespace) -> Planted:
    """Writes photos of the shared training images, and faults among them."""
    config = kerastl.Config(dataset="tfds:cifar10", tfds_dir=arguments.tfds_dir, run_dir="x")
    source = find_source(config, memory=None, progress=kerastl.Progress())
    rng = np.random.default_rng(arguments.seed)
    train = np.flatnonzero(source.given_splits == "train")
    num_classes = len(source.class_names)
    chosen = np.concatenate(
        [train[source.labels[train] == label][: arguments.images] for label in range(num_classes)]
    )
    labels = source.labels[chosen]
    is_wrong = rng.random(len(chosen)) < _WRONG
    given = np.where(is_wrong, (labels + rng.integers(1, num_classes, len(labels))) % 10, labels)
    is_copied = rng.random(len(chosen)) < _COPIED
    paths, wrong, pairs = [], set(), set()
    for index, label, changed, copied in zip(chosen, given, is_wrong, is_copied, strict=True):
        pixels = tf.io.decode_image(source.load(int(index)), channels=3).numpy()
        border = label == _BORDERED
        path = _save(pixels, folder, f"class {label}/{index}.png", has_border=border)
        paths.append(path)
        wrong |= {path} if changed else set()
        if copied:
            turned = np.rot90(pixels, rng.integers(1, 4))
            turned = turned[:, ::-1] if rng.integers(2) else turned
            other = _save(turned, folder, f"class {label}/{index} turned.png", has_border=border)
            paths.append(other)
            wrong |= {other} if changed else set()
            pairs.add(frozenset((path, other)))
    ((pictures, _),) = draw_pictures(round(_DRAWN * len(chosen)))
    drawn = [
        _save(picture, folder, f"class {_LITTERED}/old/{number}.png", has_border=False)
        for number, picture in enumerate(pictures)
    ]
    return Planted((*paths, *drawn), frozenset(wrong), frozenset(pairs), frozenset(drawn))


def _save(pixels: np.ndarray, folder: pathlib.Path, name: str, *, has_border: bool) -> str:
    if has_border:
        pixels = pixels.copy()
        pixels[[0, -1]] = pixels[:, [0, -1]] = _RED
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)
    return name


def look(folder: pathlib.Path, planted: Planted, arguments: argparse.Namespace) -> Iterator[Row]:
    """Trains on the folder, and reads what the run has found."""
    run = kerastl.run(
        kerastl.Config(
            dataset=f"folder:{folder / 'photos'}",
            run_dir=str(folder / "run"),
            cache_dir=str(folder / "cache"),
            backbone="MobileNetV2",
            weights=arguments.weights,
            image_size=_SIDE,
            head_epochs=1,
            label_issues=True,
        ),
        progress=kerastl.Progress(),
    ).run_dir
    facts = {(row["fact"], row["class_name"]) for row in _read(run, "misleading.csv")}
    right = len(facts & {("border", f"class {_BORDERED}")})
    yield Row("border in one class", 1, "kerastl", len(facts), right)
    looked_at = _looked_at(run)
    listed = [row["example"] for row in _read(run, "label_issues.csv")]
    yield from _score_labels(planted, looked_at, listed, "kerastl")
    audit = _read(run, "audit.csv")
    pairs = {frozenset((row["file"], row["other"])) for row in audit if "same image" in row["kind"]}
    yield Row(
        "turned copies", len(planted.pairs), "kerastl", len(pairs), len(pairs & planted.pairs)
    )
    kinds = (odd_groups.KIND, odd_pictures.KIND)
    listed = [row["file"] for row in audit if row["kind"] in kinds]
    yield _score_drawn(planted.drawn & looked_at, listed, "kerastl")


def _score_labels(
    planted: Planted, looked_at: set[str], listed: Iterable[str], tool: str
) -> Iterator[Row]:
    # What is off-topic has no right label.
    found = [example for example in listed if example not in planted.drawn]
    wrong = planted.wrong & looked_at
    for name, some in ((tool, found), (f"{tool}, first {len(wrong)}", found[: len(wrong)])):
        yield Row("5 % wrong labels", len(wrong), name, len(some), len(wrong.intersection(some)))


def _score_drawn(drawn: AbstractSet[str], listed: list[str], tool: str) -> Row:
    return Row("off-topic folder", len(drawn), tool, len(listed), len(drawn.intersection(listed)))


def ask_peers(
    folder: pathlib.Path, planted: Planted, arguments: argparse.Namespace
) -> dict[str, object]:
    """Computes features of the training images, and has the peers look at them and at the files."""
    paths = [str(folder / "photos" / path) for path in planted.paths]
    images = np.stack(
        [
            decode_and_resize(pathlib.Path(path).read_bytes(), image_size=_SIDE, rule="crop")
            for path in paths
        ]
    )
    config = kerastl.Config(
        dataset="digits", run_dir="x", weights=arguments.weights, image_size=_SIDE
    )
    backbone, _ = plain_classifier(config, 10)
    features = backbone.predict(images / 127.5 - 1, verbose=0).mean(axis=(1, 2))
    labels = [int(pathlib.PurePath(path).parts[0].split()[1]) for path in planted.paths]
    given = folder / "images.npz"
    np.savez(given, features=features, labels=labels, paths=paths)
    command = [arguments.peers, str(_PEERS), str(given)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, object] = json.loads(finished.stdout)
    return found


def score_peers(folder: pathlib.Path, planted: Planted, found: dict) -> Iterator[Row]:
    """Scores what the peers have found as the run's."""
    yield Row("border in one class", 1, "cleanlab, cleanvision: no check of borders", 0, 0)
    looked_at = _looked_at(folder / "run")
    listed = [planted.paths[number] for number in found["labels"]]
    yield from _score_labels(
        planted, looked_at, [one for one in listed if one in looked_at], "cleanlab"
    )
    sets = [[planted.paths[number] for number in one] for one in found["pairs"]]
    pairs = {frozenset((one[0], other)) for one in sets for other in one[1:]}
    yield Row(
        "turned copies", len(planted.pairs), "cleanvision", len(pairs), len(pairs & planted.pairs)
    )
    ranked = [planted.paths[number] for number in found["outliers"]]
    yield _score_drawn(planted.drawn, ranked[: found["num_outliers"]], "cleanlab")
    some = ranked[: len(planted.drawn)]
    yield _score_drawn(planted.drawn, some, f"cleanlab, first {len(some)}")


def _describe(
    rows: Iterable[Row], took: dict[str, float], versions: dict[str, str]
) -> Iterator[str]:
    peers = "".join(f", {name} {version}" for name, version in versions.items())
    yield f"{machine()}{peers}.\n"
    yield "| fault | planted | found by | listed | precision | recall |"
    yield "| :-- | --: | :-- | --: | --: | --: |"
    yield from (row.cells() for row in sorted(rows, key=lambda row: row.fault))
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in took.items())
    yield f"\nTime: {seconds}."


def _looked_at(run: pathlib.Path) -> set[str]:
    """Returns the images that kerastl looks at for labels and groups: all but the test images."""
    return {row["example"] for row in _read(run, "splits.csv") if row["split"] != "test"}


def _read(run: pathlib.Path, name: str) -> list[dict[str, str]]:
    if not (run / name).exists():
        return []
    with (run / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    publish(main, __file__)
