"""Compares transfer learning as people copy it with kerastl, on equal terms.

The copied recipe is the one of guides and tutorials: a frozen backbone called with
`training=False`, a head trained at a constant rate, then the upper layers made trainable,
batch norm among them, compiled again and trained on. Both sides get the same weights, images,
epochs, batch size and peak rates. What differs is what each makes of them: kerastl keeps batch
norm frozen, warms the second rate up, lets both rates fall and keeps the epoch that was best on
the validation images; the recipe has constant rates and ends where it ends.

    python benchmarks/recipe.py --seeds=0,1,2

prints a Markdown table. A quick look takes `--seeds=0 --examples_per_class=10 --head_epochs=1
--finetune_epochs=1`.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Sequence

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine, plain_dataset  # isort: skip
import keras
import numpy as np
from pages import publish

import kerastl
from kerastl import environment
from kerastl.data.opening import open_source
from kerastl.data.splits import make_splits

_BLOCK = "block_6"
_SETTINGS = {
    "dataset": "tfds:cifar10",
    "backbone": "MobileNetV2",
    "image_size": 96,
    "batch_size": 64,
    "head_learning_rate": 0.01,
    "finetune_learning_rate": 0.002,
    "unfreeze_from": _BLOCK,
    "momentum": 0.9,
}
# Flags that are settings of both sides.
_FLAGS = ("tfds_dir", "weights", "examples_per_class", "head_epochs", "finetune_epochs")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one side reached.

    Attributes:
        head: Test accuracy after the head phase.
        finetuned: Test accuracy after fine-tuning.
        movement: Largest change of any batch-norm statistic, in the statistic's own unit.
        seconds: Time of both phases, with reading, evaluation and, for kerastl, its records.
    """

    head: float
    finetuned: float
    movement: float
    seconds: float


def main() -> None:
    """Runs both sides for each seed and prints the table."""
    arguments = _parse()
    print(f"{machine()}.\n")
    print(
        "| seed | recipe: head | recipe: fine-tuned | recipe: statistics moved by "
        "| kerastl: head | kerastl: fine-tuned | kerastl: statistics moved by "
        "| seconds, recipe | seconds, kerastl |\n"
        "| --: | --: | --: | --: | --: | --: | --: | --: | --: |",
        flush=True,
    )
    pairs = []
    for seed in arguments.seeds:
        pairs.append((run_recipe(arguments, seed), run_kerastl(arguments, seed)))
        print(_row(str(seed), *pairs[-1]), flush=True)
    if len(pairs) > 1:
        print(_row("mean", *(_mean(side) for side in zip(*pairs, strict=True))))
    print(f"\n{_terms(arguments)}")


def run_recipe(arguments: argparse.Namespace, seed: int, *, freezes_norm: bool = False) -> Outcome:
    """Trains as the well-known transfer-learning guide of Keras does, with SGD.

    With `freezes_norm`, the layers of batch norm stay frozen too, which the guide only means to do.
    """
    started = time.monotonic()
    config = _config(arguments, seed)
    with environment.ready("float32", seed, kerastl.Progress()):
        splits = make_splits(open_source(config, kerastl.Progress()), config)
        train, validation, test = (
            plain_dataset(splits, indices, config, shuffled=indices is splits.train)
            for indices in (splits.train, splits.validation, splits.test)
        )

        backbone = keras.applications.MobileNetV2(
            include_top=False,
            weights=arguments.weights,
            input_shape=(config.image_size, config.image_size, 3),
        )
        before = _statistics(backbone)
        backbone.trainable = False
        images = keras.Input((config.image_size, config.image_size, 3))
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
        # Meant to hold batch norm in inference mode, also when the backbone is unfrozen.
        features = backbone(scaled, training=False)
        pooled = keras.layers.GlobalAveragePooling2D()(features)
        logits = keras.layers.Dense(len(splits.source.class_names))(pooled)
        model = keras.Model(images, logits)

        quietly = {"verbose": 0, "shuffle": False}  # The dataset shuffles.
        _compile(model, config.head_learning_rate)
        model.fit(train, epochs=config.head_epochs, validation_data=validation, **quietly)
        head = model.evaluate(test, verbose=0, return_dict=True)["accuracy"]

        backbone.trainable = True
        first = next(
            index
            for index, layer in enumerate(backbone.layers)
            if layer.name.startswith(f"{_BLOCK}_")
        )
        for index, layer in enumerate(backbone.layers):
            is_norm = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = index >= first and not (is_norm and freezes_norm)
        _compile(model, config.finetune_learning_rate)
        model.fit(train, epochs=config.finetune_epochs, validation_data=validation, **quietly)
        finetuned = model.evaluate(test, verbose=0, return_dict=True)["accuracy"]
    return Outcome(head, finetuned, _largest_change(before, backbone), time.monotonic() - started)


def run_kerastl(arguments: argparse.Namespace, seed: int) -> Outcome:
    """Trains with `kerastl.run`: both phases, and once more the head alone to score it."""
    silent = kerastl.Progress()
    with tempfile.TemporaryDirectory() as folder:
        # Timed first and with an empty feature store: it finds nothing that was computed before.
        config = _config(arguments, seed, run_dir=f"{folder}/both", cache_dir=f"{folder}/features")
        started = time.monotonic()
        both = kerastl.run(config, progress=silent)
        seconds = time.monotonic() - started
        head = kerastl.run(
            dataclasses.replace(config, finetune_epochs=0, run_dir=f"{folder}/head"),
            progress=silent,
        )
    pretrained = keras.applications.MobileNetV2(
        include_top=False,
        weights=arguments.weights,
        input_shape=(config.image_size, config.image_size, 3),
    )
    return Outcome(
        head.metrics["test"]["accuracy"],
        both.metrics["test"]["accuracy"],
        _largest_change(_statistics(pretrained), both.model.get_layer("backbone")),
        seconds,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_flags(parser)
    parser.add_argument(
        "--seeds", default=[0, 1, 2], type=lambda text: [int(seed) for seed in text.split(",")]
    )
    parser.add_argument("--examples_per_class", default=0, type=int, help="0: all")
    parser.add_argument("--head_epochs", default=10, type=int)
    parser.add_argument("--finetune_epochs", default=3, type=int)
    return parser.parse_args()


def _config(
    arguments: argparse.Namespace, seed: int, *, run_dir: str = "unused", cache_dir: str = ""
) -> kerastl.Config:
    places = {"run_dir": run_dir, "cache_dir": cache_dir}
    given = {name: getattr(arguments, name) for name in _FLAGS}
    return kerastl.Config(**given | _SETTINGS | {"seed": seed} | places)


def _compile(model: keras.Model, learning_rate: float) -> None:
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=_SETTINGS["momentum"]),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def _statistics(backbone: keras.Model) -> list[np.ndarray]:
    return [
        np.array(keras.ops.convert_to_numpy(statistic))
        for layer in backbone.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for statistic in (layer.moving_mean, layer.moving_variance)
    ]


def _largest_change(before: Sequence[np.ndarray], backbone: keras.Model) -> float:
    pairs = zip(before, _statistics(backbone), strict=True)
    return max(float(np.abs(after - old).max()) for old, after in pairs)


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(*np.mean([dataclasses.astuple(outcome) for outcome in outcomes], axis=0))


def _row(name: str, recipe: Outcome, ours: Outcome) -> str:
    sides = " | ".join(
        f"{side.head:.4f} | {side.finetuned:.4f} | {side.movement:.3g}" for side in (recipe, ours)
    )
    return f"| {name} | {sides} | {recipe.seconds:.0f} | {ours.seconds:.0f} |"


def _terms(arguments: argparse.Namespace) -> str:
    config = _config(arguments, 0)
    splits = make_splits(open_source(config, kerastl.Progress()), config)
    return (
        f"Test accuracy on {len(splits.test):,} images of {config.dataset}, "
        f"{len(splits.train):,} to train on and {len(splits.validation):,} to choose by; "
        f"{config.backbone} at {config.image_size} px, batch {config.batch_size}, "
        f"epochs of the head: {config.head_epochs} at {config.head_learning_rate:g}, then from "
        f"{_BLOCK}: {config.finetune_epochs} at {config.finetune_learning_rate:g}, SGD with "
        f"momentum {config.momentum:g}. Statistics: largest change of a moving mean or variance."
    )


if __name__ == "__main__":
    publish(main, __file__)
