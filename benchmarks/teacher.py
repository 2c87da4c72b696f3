"""Compares a network at a small size with one that also learns the answers of a larger size.

MobileNetV2 is fine-tuned at a large size, and then, from the same ImageNet weights, at a small one:
by labels alone, and with the first as its teacher. All images are CIFAR-10's training images: some
train, a tenth as many choose the epochs, and others score. Its test images are not read.

    python benchmarks/teacher.py
    python benchmarks/teacher.py --epochs=12 --weights_of_teacher 0.9
"""

import argparse
import io
import pathlib
import sys
import tempfile
import time
from typing import Any, NamedTuple

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine  # isort: skip
import numpy as np
from pages import publish
from PIL import Image

import kerastl
from kerastl.data.opening import open_source
from kerastl.data.splits import make_splits

_FLAGS: dict[str, Any] = {
    "dataset": "python",
    "backbone": "MobileNetV2",
    "head": "solved",
    "optimizer": "adamw",
    "finetune_learning_rate": 0.0005,
    "warmup_epochs": 1.0,
    "unfreeze_from": "block_6",
    "augment": "mirror",
    "best_by": "last",
}


class Row(NamedTuple):
    """A run of the table."""

    name: str
    size: int
    accuracy: float
    low: float
    high: float
    loss: float
    seconds: float


def main() -> None:
    """Trains the teacher and the others, and prints the table."""
    given = _parse()
    source, rows = _read_images(given), []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plans: list[tuple[str, int, dict[str, Any]]] = [
            ("teacher", given.teacher_size, {}),
            ("labels alone", given.size, {}),
            *(
                (
                    f"teacher, weight {weight:g}",
                    given.size,
                    {"teacher": str(folder / "run0"), "teacher_weight": weight},
                )
                for weight in given.weights_of_teacher
            ),
        ]
        for number, (learns, size, changes) in enumerate(plans):
            began = time.process_time()
            config = kerastl.Config(
                **_FLAGS | changes,
                run_dir=str(folder / f"run{number}"),
                cache_dir=str(folder / "cache"),
                weights=given.weights,
                image_size=size,
                finetune_epochs=given.epochs,
                test_fraction=given.scored / len(source),
                validation_fraction=0.1 * given.images / len(source),
                near_duplicates="report",
            )
            result = kerastl.run(config, source=source, progress=kerastl.Progress())
            scores = result.metrics["test"]
            parts = ("accuracy", "accuracy_low", "accuracy_high", "loss")
            values = (scores[part] for part in parts)
            rows.append(Row(learns, size, *values, time.process_time() - began))
            sys.stderr.write(f"{rows[-1]}\n")
    print(_HEADER + "".join(map(_line, rows)))
    minutes = sum(row.seconds for row in rows) / 60
    print(f"{minutes:.1f} minutes of CPU time, {machine()}.")


def _read_images(given: argparse.Namespace) -> kerastl.Source:
    config = kerastl.Config(run_dir="unused", dataset="tfds:cifar10", tfds_dir=given.tfds_dir)
    splits = make_splits(open_source(config, kerastl.Progress()), config)
    every = np.sort(np.concatenate([splits.train, splits.validation]))
    chosen = np.random.default_rng(0).permutation(every)
    chosen = chosen[: round(1.1 * given.images) + given.scored]
    files = (splits.source.load(index) for index in chosen.tolist())
    return kerastl.Source.from_arrays(
        [np.asarray(Image.open(io.BytesIO(file))) for file in files],
        splits.source.labels[chosen],
        class_names=splits.source.class_names,
        name="CIFAR-10's training images",
    )


def _line(row: Row) -> str:
    interval = f"{row.low:.3f} to {row.high:.3f}"
    return (
        f"| {row.name} | {row.size} px | {row.accuracy:.4f} | {interval} | {row.loss:.3f} | "
        f"{row.seconds:.0f} |\n"
    )


_HEADER = """\
| learns from | size | accuracy | 95 % interval | loss | CPU s |
| :-- | --: | --: | --: | --: | --: |
"""


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--teacher_size", default=97, type=int, help="side of its input")
    parser.add_argument("--size", default=65, type=int, help="side of the others' input")
    parser.add_argument("--images", default=1000, type=int, help="training images")
    parser.add_argument("--scored", default=1000, type=int, help="images that score")
    parser.add_argument("--epochs", default=4, type=int)
    parser.add_argument("--weights_of_teacher", default=[0.5, 0.9], type=float, nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    publish(main, __file__)
