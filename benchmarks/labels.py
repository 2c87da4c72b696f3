"""Changes a part of the training labels and looks how many of them `--label_issues` finds.

    python benchmarks/labels.py --seeds=0,1,2

prints a Markdown table: of the labels that were changed, the share among the first images that
`label_issues.csv` lists, as many of them as a tenth of the training images.
"""

import argparse
import csv
import dataclasses
import tempfile

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine  # isort: skip
import numpy as np
from pages import publish

import kerastl
from kerastl.data.finding import find_source

_CHANGED = 0.05
_LOOKED_AT = 0.1


def main() -> None:
    """Runs every seed and prints a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--seeds", default="0,1,2", help="comma list")
    arguments = parser.parse_args()
    print(f"{machine()}.\n")
    print("| seed | changed labels | listed | first tenth finds | of those looked at are changed |")
    print("| --: | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as folder:
        for seed in map(int, arguments.seeds.split(",")):
            print(_row(folder, arguments, seed), flush=True)


def _row(folder: str, arguments: argparse.Namespace, seed: int) -> str:
    values = {
        "run_dir": f"{folder}/{seed}",
        "cache_dir": f"{folder}/cache",
        "tfds_dir": arguments.tfds_dir,
        "backbone": "MobileNetV2",
        "weights": arguments.weights,
        "image_size": 96,
        "head_epochs": 1,
        "seed": seed,
        "label_issues": True,
    }
    config = kerastl.Config(dataset="tfds:cifar10", **values)
    source = find_source(config, memory=None, progress=kerastl.Progress())
    rng = np.random.default_rng(seed)
    changed = (source.given_splits == "train") & (rng.random(len(source)) < _CHANGED)
    shift = rng.integers(1, len(source.class_names), len(source))
    labels = np.where(changed, (source.labels + shift) % len(source.class_names), source.labels)
    result = kerastl.run(
        kerastl.Config(dataset="python", **values),
        source=dataclasses.replace(source, labels=labels),
        progress=kerastl.Progress(),
    )
    with (result.run_dir / "splits.csv").open(encoding="utf-8", newline="") as file:
        trained = {row["example"] for row in csv.DictReader(file) if row["split"] == "train"}
    with (result.run_dir / "label_issues.csv").open(encoding="utf-8", newline="") as file:
        listed = [row["example"] for row in csv.DictReader(file)]
    wrong = {source.examples[index] for index in np.flatnonzero(changed)} & trained
    first = listed[: round(_LOOKED_AT * len(trained))]
    found = len(wrong.intersection(first))
    return (
        f"| {seed} | {len(wrong)} of {len(trained)} | {len(listed)} | {found / len(wrong):.1%} "
        f"| {found / len(first):.1%} |"
    )


if __name__ == "__main__":
    publish(main, __file__)
