"""Compares the recipe with what can be fitted to the same features, where labels are few.

Of photographs (CIFAR-10's training images; its test images are not read) and of drawn letters and
shapes, some images of each class are labeled, and up to 1,000 others test what is made of them.
The recipe gets the labeled images and a size, and holds out a tenth of them, at least one a class,
to choose by. Logistic regression, a support vector machine with an RBF kernel and the nearest mean
get all of them, as the pooled features of the same network at the same size; cross-validation
chooses their settings.

    python benchmarks/few_labels.py --markdown=docs/benchmarks/few_labels.md

draws five times and writes the table. What is in the file of outcomes is not measured again. A
quick look takes `--draws=1 --labels=2 --sets drawn --outcomes=quick.jsonl`.
"""

import argparse
import functools
import io
import itertools
import pathlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine  # isort: skip
import numpy as np
from drawn import draw_pictures
from pages import Outcomes, default_outcomes, publish
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import kerastl
from kerastl import environment
from kerastl.data.opening import open_source
from kerastl.data.pipeline import evaluation_dataset
from kerastl.data.splits import make_splits
from kerastl.model.folding import fold_one
from kerastl.model.network import open_network

_LABELS = (2, 5, 10, 25)
_MOST_TESTED = 1000
_DRAWN = 2000
_FOLDS = 5
_RECIPE = "recipe"
# Name -> an estimator for standardized features, and the settings that it is tried with. Those of
# gamma are divided by the number of channels.
_OTHERS: dict[str, tuple[BaseEstimator, dict[str, Sequence[float | None]]]] = {
    "logistic regression": (
        LogisticRegression(tol=1e-3, max_iter=300),
        {"C": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]},
    ),
    "RBF SVM": (SVC(), {"C": [0.3, 1, 3, 10, 30], "gamma": [0.1, 0.3, 1, 3]}),
    "nearest mean": (NearestCentroid(), {"shrink_threshold": [None, 0.1, 0.3, 1]}),
}
# Contents of image files, and the class of each.
_Files = tuple[list[bytes], np.ndarray]


def main() -> None:
    """Measures what is not known yet, and writes the table."""
    given = _parse()
    outcomes = Outcomes(given.outcomes)
    for seed, labels, name in itertools.product(range(given.draws), given.labels, given.sets):
        place = {"set": name, "labels": labels, "seed": seed}
        if not outcomes.has(place):
            outcome = measure(_SETS[name](given.tfds_dir), labels, seed, given)
            outcomes.add(place | outcome, machine())
    print(_table(outcomes.rows), "", *outcomes.machines(), sep="\n")


def measure(files: _Files, labels: int, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Gives the accuracy of each side, and the phase that the recipe's model comes from."""
    with tempfile.TemporaryDirectory() as folder:
        _write(files, labels, seed, pathlib.Path(folder))
        config = kerastl.Config(
            dataset=f"folder:{folder}/images",
            run_dir=f"{folder}/run",
            cache_dir=f"{folder}/cache",
            backbone="MobileNetV2",
            weights=given.weights,
            image_size=given.size,
            seed=seed,
            near_duplicates="report",
        )
        others = _fit_others(config)
        began = time.process_time()
        result = kerastl.run(config, progress=kerastl.Progress())
    return {
        _RECIPE: result.metrics["test"]["accuracy"],
        **others,
        "phase": result.metrics["best"]["phase"],
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def _fit_others(config: kerastl.Config) -> dict[str, float]:
    """Scores what is fitted to the pooled features of all labeled images."""
    with environment.ready("float32", config.seed, kerastl.Progress()):
        splits = make_splits(open_source(config, kerastl.Progress()), config)
        network = open_network(config, num_classes=len(splits.source.class_names))
        function = fold_one(network.lower(network.pooled))
        labeled = np.concatenate([splits.train, splits.validation])
        inputs, tested = (
            np.concatenate(
                [
                    function(images).numpy()
                    for images, _ in evaluation_dataset(
                        splits.source, indices, config, batch_size=config.batch_size
                    )
                ]
            )
            for indices in (labeled, splits.test)
        )
    targets, answers = (splits.source.labels[indices] for indices in (labeled, splits.test))
    # More threads than free cores wait for each other.
    with threadpool_limits(1):
        return {
            name: float(_cross_validated(name, inputs, targets, config.seed).score(tested, answers))
            for name in _OTHERS
        }


def _cross_validated(name: str, inputs: np.ndarray, targets: np.ndarray, seed: int) -> GridSearchCV:
    """Fits with the settings that have the highest cross-validated accuracy."""
    estimator, settings = _OTHERS[name]
    settings = dict(settings)
    if "gamma" in settings:
        settings["gamma"] = [value / inputs.shape[1] for value in settings["gamma"]]
    step = type(estimator).__name__.lower()
    count = min(_FOLDS, int(np.bincount(targets).max()))
    return GridSearchCV(
        make_pipeline(StandardScaler(), estimator),
        {f"{step}__{setting}": values for setting, values in settings.items()},
        cv=StratifiedKFold(count, shuffle=True, random_state=seed),
    ).fit(inputs, targets)


def _write(files: _Files, labels: int, seed: int, folder: pathlib.Path) -> None:
    """Writes so many images of each class as training images, and others as test images."""
    contents, classes = files
    order = np.random.default_rng(seed).permutation(len(classes))
    place = np.empty(len(classes), int)
    for label in range(int(classes.max()) + 1):
        of_class = order[classes[order] == label]
        place[of_class] = np.arange(len(of_class))
    tested = order[place[order] >= labels][:_MOST_TESTED]
    for split, indices in (("train", np.flatnonzero(place < labels)), ("test", tested)):
        for index in indices.tolist():
            path = folder / f"images/{split}/{classes[index]:02}/{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[index])


@functools.cache
def _photos(tfds_dir: str) -> _Files:
    config = kerastl.Config(run_dir="unused", dataset="tfds:cifar10", tfds_dir=tfds_dir)
    splits = make_splits(open_source(config, kerastl.Progress()), config)
    indices = np.sort(np.concatenate([splits.train, splits.validation]))
    return [splits.source.load(index) for index in indices.tolist()], splits.source.labels[indices]


@functools.cache
def _drawn(_: str) -> _Files:
    ((pictures, labels),) = draw_pictures(_DRAWN)
    return [_encode(picture) for picture in pictures], labels


def _encode(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


_SETS = {"cifar10": _photos, "drawn": _drawn}
_TITLES = {"cifar10": "CIFAR-10", "drawn": "letters and shapes, 16 classes"}


def _table(outcomes: Sequence[dict[str, Any]]) -> str:
    sides = [_RECIPE, *_OTHERS]
    lines = [
        f"| images | labels per class | draws | {' | '.join(sides)} | fine-tuned |",
        f"| :-- | --: | --: | {'--: | ' * len(sides)}--: |",
    ]
    for name, labels in sorted({(outcome["set"], outcome["labels"]) for outcome in outcomes}):
        rows = [row for row in outcomes if (row["set"], row["labels"]) == (name, labels)]
        cells = " | ".join(_spread([row[side] for row in rows]) for side in sides)
        tuned = sum(row["phase"] != "head" for row in rows)
        lines.append(f"| {_TITLES[name]} | {labels} | {len(rows)} | {cells} | {tuned} |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    percent = [100 * value for value in values]
    deviation = f" ± {statistics.stdev(percent):.1f}" if len(percent) > 1 else ""
    return f"{statistics.mean(percent):.1f}{deviation}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--size", default=97, type=int, help="side of the network's input")
    parser.add_argument("--draws", default=5, type=int, choices=range(1, 100), metavar="COUNT")
    parser.add_argument("--labels", default=[*_LABELS], type=int, nargs="+", help="of each class")
    parser.add_argument("--sets", default=[*_SETS], nargs="+", choices=_SETS)
    parser.add_argument("--outcomes", type=pathlib.Path, default=default_outcomes(__file__))
    return parser.parse_args()


if __name__ == "__main__":
    publish(main, __file__)
