"""Says what the bundled weights are worth with few labels, beside what needs no network.

On handwritten digits and on CIFAR-10, with 10, 30 and 100 labels a class: kerastl with the bundled
weights, a head alone and two phases; the same network from scratch for as many epochs; logistic
regression and a support vector machine with an RBF kernel on the pixels. All get the same images to
learn from, to choose by and to be tested on. What is to be chosen (the epoch, the rate of training
from scratch, the penalty of the other two) is chosen on the validation images.

    python benchmarks/bundled.py --draws=5

prints a Markdown table, a row as soon as it is known. A quick look takes `--draws=1 --labels 10
--datasets digits`.
"""

import argparse
import dataclasses
import statistics
import tempfile
from collections.abc import Sequence

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_tfds_dir, machine  # isort: skip
import numpy as np
from pages import publish
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

import kerastl
from kerastl.data.images import decode_and_resize
from kerastl.data.opening import open_source
from kerastl.data.splits import Splits, make_splits

# Labels a class -> epochs of the head and of fine-tuning. The fewer the labels, the more epochs.
_EPOCHS = {10: (20, 5), 30: (10, 5), 100: (6, 3)}
_SHARED = {
    "weights": "bundled",
    "batch_size": 32,
    "optimizer": "adamw",
    "head_learning_rate": 0.003,
    "finetune_learning_rate": 0.0005,
    "unfreeze_from": "block_13",
    "warmup_epochs": 1,
}
_OF_DATASETS = {
    "digits": {"dataset": "digits", "test_fraction": 0.5},
    "cifar10": {"dataset": "tfds:cifar10", "validation_fraction": 0.03},
}
# Side of the images as they are, in pixels.
_SIDES = {"digits": 8, "cifar10": 32}
_RATES = (3e-4, 1e-3, 3e-3)
_PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)
_NAMES = (
    "head on bundled",
    "two phases on bundled",
    "the network from scratch",
    "logistic regression on pixels",
    "RBF SVM on pixels",
)


def main() -> None:
    """Measures and prints a row for each data set and number of labels."""
    arguments = _parse()
    print(f"{machine()}.\n")
    print(
        f"| data set | labels a class | {' | '.join(_NAMES)} |\n| :-- {'| --: ' * 6}|", flush=True
    )
    with tempfile.TemporaryDirectory() as folder:
        for dataset in arguments.datasets:
            for labels in arguments.labels:
                rows = measure(arguments, dataset, labels, folder)
                cells = " | ".join(_spread(values) for values in zip(*rows, strict=True))
                print(f"| {dataset} | {labels} | {cells} |", flush=True)
    print(
        f"\nTest accuracy in percent, mean and standard deviation of {arguments.draws} draws of "
        "the splits, each side with the same images."
    )


def measure(
    arguments: argparse.Namespace, dataset: str, labels: int, folder: str
) -> list[tuple[float, ...]]:
    """Gives the test accuracies of every draw, in the order of the table's columns."""
    configs = [_config(arguments, dataset, labels, folder, seed) for seed in range(arguments.draws)]
    scratch = from_scratch(configs)
    return [
        (*bundled(config), accuracy, *on_pixels(config, _SIDES[dataset]))
        for config, accuracy in zip(configs, scratch, strict=True)
    ]


def bundled(config: kerastl.Config) -> tuple[float, float]:
    """Scores a head on frozen features, and both phases."""
    head = dataclasses.replace(config, finetune_epochs=0)
    return _run(head)["test"], _run(config)["test"]


def from_scratch(configs: Sequence[kerastl.Config]) -> list[float]:
    """Scores each draw, at the rate that does best on the first one's validation images."""
    trials = [_run(_scratch(configs[0], rate)) for rate in _RATES]
    best = max(range(len(_RATES)), key=lambda index: trials[index]["validation"])
    others = [_run(_scratch(config, _RATES[best])) for config in configs[1:]]
    return [scores["test"] for scores in (trials[best], *others)]


def on_pixels(config: kerastl.Config, side: int) -> tuple[float, float]:
    """Scores logistic regression and a support vector machine on pixels in 0..1."""
    splits = make_splits(open_source(config, kerastl.Progress()), config)
    learners = (
        [LogisticRegression(C=penalty, max_iter=2000) for penalty in _PENALTIES],
        [SVC(C=penalty) for penalty in _PENALTIES],
    )
    train, validation, test = (
        (_pixels(splits, indices, side), splits.source.labels[indices])
        for indices in (splits.train, splits.validation, splits.test)
    )
    bests = (
        max((learner.fit(*train) for learner in choices), key=lambda each: each.score(*validation))
        for choices in learners
    )
    first, second = (float(best.score(*test)) for best in bests)
    return first, second


def _config(
    arguments: argparse.Namespace, dataset: str, labels: int, folder: str, seed: int
) -> kerastl.Config:
    head_epochs, finetune_epochs = _EPOCHS[labels]
    return kerastl.Config(
        run_dir=f"{folder}/run",
        cache_dir=f"{folder}/cache",
        tfds_dir=arguments.tfds_dir,
        examples_per_class=labels,
        head_epochs=head_epochs,
        finetune_epochs=finetune_epochs,
        seed=seed,
        overwrite=True,
        **_SHARED | _OF_DATASETS[dataset],
    )


def _scratch(config: kerastl.Config, rate: float) -> kerastl.Config:
    return dataclasses.replace(
        config,
        weights="none",
        head_epochs=0,
        finetune_epochs=config.head_epochs + config.finetune_epochs,
        finetune_learning_rate=rate,
        unfreeze_from="",
    )


def _run(config: kerastl.Config) -> dict[str, float]:
    """Gives the accuracy on the validation and the test images."""
    metrics = kerastl.run(config, progress=kerastl.Progress()).metrics
    return {split: float(metrics[split]["accuracy"]) for split in ("validation", "test")}


def _pixels(splits: Splits, indices: np.ndarray, side: int) -> np.ndarray:
    images = [
        decode_and_resize(splits.source.load(index), image_size=side, rule="crop")
        for index in indices.tolist()
    ]
    return np.stack(images).reshape(len(images), -1) / 255


def _spread(values: Sequence[float]) -> str:
    percent = [100 * value for value in values]
    deviation = f" ± {statistics.stdev(percent):.1f}" if len(percent) > 1 else ""
    return f"{statistics.mean(percent):.1f}{deviation}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_tfds_dir(parser)
    parser.add_argument("--draws", default=5, type=int, choices=range(1, 100), metavar="COUNT")
    parser.add_argument("--labels", default=list(_EPOCHS), type=int, nargs="+", choices=_EPOCHS)
    parser.add_argument("--datasets", default=list(_SIDES), nargs="+", choices=_SIDES)
    return parser.parse_args()


if __name__ == "__main__":
    publish(main, __file__)
