"""Draws accuracy against time: transfer learning as it is done elsewhere, and kerastl's recipe.

All sides get the same weights, images and splits. The others are the recipe that people copy (see
`recipe.py`), 10 epochs of a head and 3 from a middle block at 96 px; the same with batch norm
frozen; fastai's `fine_tune` with its defaults, rebuilt in Keras; and BiT's rule for small sets.
kerastl gets a quarter, a half and the whole of the time that the copied recipe took just before.

    python benchmarks/accuracy.py --markdown=docs/benchmarks/results.md

measures what is not among its outcomes yet, and writes the table. A quick look takes `--seeds=0
--examples_per_class=20 --head_epochs=1 --finetune_epochs=1 --sides copied kerastl
--outcomes=quick.jsonl`. With `--sides kerastl --seconds=575` only kerastl runs, in shares of that
time. On a machine that is busy, pin it to one core and add `--cpu_clock`: then budgets are seconds
of the processor.
"""

import argparse
import contextlib
import dataclasses
import functools
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine, plain_dataset  # isort: skip
import keras
import numpy as np
import tensorflow as tf
from pages import Outcomes, default_outcomes, publish
from recipe import run_recipe

import kerastl
from kerastl import environment
from kerastl.data.opening import open_source
from kerastl.data.splits import Splits, make_splits

_SHARES = (0.25, 0.5, 1.0)
# fastai's names of its groups: two halves of the body and the head. Its rates are spread between
# a hundredth of the head's and the head's.
_RATE_MULTIPLIERS = (0.01, 0.1, 1.0)
# https://arxiv.org/abs/1912.11370, HyperRule for fewer than 20,000 images.
_BIT_STEPS, _BIT_RATE, _BIT_SIZE, _BIT_BATCH = 500, 0.003, 128, 512

Step = Callable[[tf.Tensor, tf.Tensor], None]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Test accuracy, and the time from the start to it, with what other processes take."""

    accuracy: float
    seconds: float
    cpu_seconds: float


@dataclasses.dataclass
class Clock:
    """Time since it was made."""

    began: float = dataclasses.field(default_factory=time.monotonic)
    cpu: float = dataclasses.field(default_factory=lambda: sum(os.times()[:4]))

    def stop(self, accuracy: float) -> Outcome:
        """Gives the outcome of what has run since."""
        return Outcome(accuracy, time.monotonic() - self.began, sum(os.times()[:4]) - self.cpu)


def main() -> None:
    """Runs the sides that are not known yet, for each seed, and writes the table."""
    arguments = _parse()
    outcomes = Outcomes(arguments.outcomes)
    for seed in arguments.seeds:
        for name, run in _sides(arguments, seed, outcomes):
            place = {"side": name, "seed": seed}
            if not outcomes.has(place):
                outcomes.add(place | dataclasses.asdict(run()), machine())
    print(*_table(outcomes.rows), "", *outcomes.machines(), sep="\n")


def _sides(
    arguments: argparse.Namespace, seed: int, outcomes: Outcomes
) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """Yields the sides that are asked for, the copied recipe first, whose time is kerastl's."""
    for side in [side for side in _OTHERS if side in arguments.sides]:
        name, run = _OTHERS[side]
        yield name, functools.partial(run, arguments, seed)
    clock = "cpu_seconds" if arguments.cpu_clock else "seconds"
    copied = [row[clock] for row in outcomes.rows if row["side"] == _OTHERS["copied"][0]]
    seconds = arguments.seconds or (copied and statistics.mean(copied))
    for share in arguments.shares if "kerastl" in arguments.sides and seconds else ():
        run = functools.partial(run_kerastl, arguments, seed, share * seconds)
        yield f"kerastl, {share:g} of the time", run


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    yield "| side | seeds | test accuracy: median (lowest-highest) | seconds | CPU seconds |"
    yield "| :-- | :-- | --: | --: | --: |"
    for side in dict.fromkeys(row["side"] for row in rows):
        own = sorted((row for row in rows if row["side"] == side), key=lambda row: row["seed"])
        seeds = ", ".join(str(row["seed"]) for row in own)
        scores, *times = (
            [row[name] for row in own] for name in ("accuracy", "seconds", "cpu_seconds")
        )
        middle = f"{statistics.median(scores):.4f}"
        if len(scores) > 1:
            middle += f" ({min(scores):.4f}-{max(scores):.4f})"
        took = " | ".join(f"{statistics.median(seconds):.0f}" for seconds in times)
        yield f"| {side} | {seeds} | {middle} | {took} |"


def run_copied(arguments: argparse.Namespace, seed: int, *, freezes_norm: bool = False) -> Outcome:
    """Runs the copied recipe, which scores its head on the test images too."""
    clock = Clock()
    return clock.stop(run_recipe(arguments, seed, freezes_norm=freezes_norm).finetuned)


def run_kerastl(arguments: argparse.Namespace, seed: int, seconds: float) -> Outcome:
    """Runs the default with a budget, with an empty feature store."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        config = kerastl.Config(
            **_data(arguments),
            backbone="MobileNetV2",
            weights=arguments.weights,
            budget=f"{seconds:.0f}s",
            run_dir=f"{folder}/run",
            cache_dir=f"{folder}/features",
            seed=seed,
        )
        stream = sys.stderr if arguments.verbose else None
        with _clock(arguments):
            result = kerastl.run(config, progress=kerastl.Progress(stream))
        return clock.stop(result.metrics["test"]["accuracy"])


@contextlib.contextmanager
def _clock(arguments: argparse.Namespace) -> Iterator[None]:
    """Lets the processor's time be the clock in the block, if that is wanted."""
    with contextlib.ExitStack() as stack:
        for name in ("monotonic", "perf_counter") if arguments.cpu_clock else ():
            stack.enter_context(mock.patch.object(time, name, time.process_time))
        yield


def run_fastai(arguments: argparse.Namespace, seed: int) -> Outcome:
    """Does what `vision_learner(...).fine_tune(EPOCHS)` does, except for its random changes.

    An epoch of the head with one-cycle at 0.002, then all layers from 0.001 down. Batch norm
    learns in both, as it does there.
    """
    clock = Clock()
    with _opened(arguments, seed, size=97, batch_size=64) as (splits, datasets):
        backbone, classifier = _fastai_classifier(arguments, len(splits.source.class_names))
        norms = [
            layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)
        ]
        body = backbone.layers
        head = [layer for layer in classifier.layers if layer is not backbone]
        steps = len(datasets[0])
        first = _adam_step(classifier, [(norms + head, _one_cycle(0.002, steps, 0.99, 25))])
        _train(first, datasets[0], steps)
        half = next(at for at, layer in enumerate(body) if layer.name.startswith("block_6_"))
        groups = zip((body[:half], body[half:], head), _RATE_MULTIPLIERS, strict=True)
        count = steps * arguments.fastai_epochs
        second = _adam_step(
            classifier,
            [(layers, _one_cycle(0.001 * times, count, 0.3, 5)) for layers, times in groups],
        )
        _train(second, datasets[0].repeat(arguments.fastai_epochs), count)
        return clock.stop(_accuracy(classifier, datasets[1]))


def run_bit(arguments: argparse.Namespace, seed: int) -> Outcome:
    """Follows BiT's rule: 500 steps of 512 images at 128 px, all layers, SGD at 0.003.

    Batch norm stays frozen, for which BiT's networks have none. Images are mirrored at random; they
    are not cropped, as what is enlarged from 32 px gains nothing by it.
    """
    clock = Clock()
    scale = arguments.bit_batch / _BIT_BATCH
    with _opened(arguments, seed, size=_BIT_SIZE, batch_size=arguments.bit_batch) as opened:
        splits, (train, test) = opened
        backbone, images = _scaled_backbone(arguments, _BIT_SIZE)
        pooled = keras.layers.GlobalAveragePooling2D()(backbone(images[1], training=False))
        head = keras.layers.Dense(len(splits.source.class_names), kernel_initializer="zeros")
        classifier = keras.Model(images[0], head(pooled))
        for layer in backbone.layers:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
        ends = [_BIT_STEPS * share // 5 for share in (2, 3, 4)]
        optimizer = keras.optimizers.SGD(_BIT_RATE * scale, momentum=0.9)

        def rate(step: int) -> float:
            falls = sum(step >= end for end in ends)
            return _BIT_RATE * scale * min(1.0, (step + 1) / ends[0] * 2) * 0.1**falls

        function = _step_of(classifier, [(optimizer, classifier.trainable_variables)])
        batches = train.repeat()
        for step, (pixels, labels) in enumerate(batches.take(_BIT_STEPS)):
            optimizer.learning_rate.assign(rate(step))
            function(tf.image.random_flip_left_right(pixels), labels)
        return clock.stop(_accuracy(classifier, test))


_OTHERS = {
    "copied": ("copied recipe", run_copied),
    "frozen_norm": (
        "copied recipe, batch norm frozen",
        functools.partial(run_copied, freezes_norm=True),
    ),
    "fastai": ("fastai's fine_tune", run_fastai),
    "bit": ("BiT's rule", run_bit),
}


def _fastai_classifier(
    arguments: argparse.Namespace, num_classes: int
) -> tuple[keras.Model, keras.Model]:
    """Builds fastai's head: mean and maximum, then two dense layers with norms and dropout."""
    layers = keras.layers
    backbone, (images, scaled) = _scaled_backbone(arguments, 97)
    features = backbone(scaled)
    outputs = layers.Concatenate()(
        [layers.GlobalMaxPooling2D()(features), layers.GlobalAveragePooling2D()(features)]
    )
    outputs = layers.Dropout(0.25)(layers.BatchNormalization(momentum=0.9)(outputs))
    outputs = layers.Dense(512, activation="relu", use_bias=False)(outputs)
    outputs = layers.Dropout(0.5)(layers.BatchNormalization(momentum=0.9)(outputs))
    outputs = layers.Dense(num_classes, use_bias=False)(outputs)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # As in PyTorch.
    return backbone, keras.Model(images, outputs)


def _scaled_backbone(
    arguments: argparse.Namespace, size: int
) -> tuple[keras.Model, tuple[keras.KerasTensor, keras.KerasTensor]]:
    backbone = keras.applications.MobileNetV2(
        include_top=False, weights=arguments.weights, input_shape=(size, size, 3)
    )
    images = keras.Input((size, size, 3))
    return backbone, (images, keras.layers.Rescaling(1 / 127.5, offset=-1)(images))


def _adam_step(
    classifier: keras.Model,
    groups: Sequence[tuple[Sequence[keras.Layer], keras.optimizers.schedules.LearningRateSchedule]],
) -> Step:
    pairs = []
    for layers, schedule in groups:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01, beta_2=0.99, epsilon=1e-5)
        pairs.append((optimizer, [w for layer in layers for w in layer.trainable_variables]))
    return _step_of(classifier, pairs)


def _step_of(
    classifier: keras.Model,
    groups: Sequence[tuple[keras.optimizers.Optimizer, Sequence[keras.Variable]]],
) -> Step:
    for optimizer, variables in groups:
        optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(pixels: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = classifier(pixels, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        values = [[variable.value for variable in variables] for _, variables in groups]
        for (optimizer, variables), gradients in zip(
            groups, tape.gradient(loss, values), strict=True
        ):
            optimizer.apply(gradients, variables)

    return step


class _OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises along half a cosine from a part of the peak, and falls along another to nearly 0."""

    def __init__(self, peak: float, steps: int, rising: float, start: float) -> None:
        self.peak, self.steps, self.rising, self.start = peak, steps, rising, start

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        done = keras.ops.cast(step, "float32") / self.steps
        cos = keras.ops.cos
        low, end = self.peak / self.start, self.peak / 1e5
        rise = low + (self.peak - low) * (1 - cos(np.pi * done / self.rising)) / 2
        left = (done - self.rising) / (1 - self.rising)
        fall = end + (self.peak - end) * (1 + cos(np.pi * left)) / 2
        return keras.ops.where(done < self.rising, rise, fall)


def _one_cycle(peak: float, steps: int, rising: float, start: float) -> _OneCycle:
    return _OneCycle(peak, steps, rising, start)


def _train(step: Step, batches: tf.data.Dataset, count: int) -> None:
    for pixels, labels in batches.take(count):
        step(pixels, labels)


def _accuracy(classifier: keras.Model, batches: tf.data.Dataset) -> float:
    scores = [
        (np.argmax(classifier.predict_on_batch(pixels), axis=1) == labels).astype(float)
        for pixels, labels in batches.as_numpy_iterator()
    ]
    return float(np.mean(np.concatenate(scores)))


@contextlib.contextmanager
def _opened(
    arguments: argparse.Namespace, seed: int, *, size: int, batch_size: int
) -> Iterator[tuple[Splits, tuple[tf.data.Dataset, tf.data.Dataset]]]:
    """Opens the training and the test images."""
    config = kerastl.Config(
        **_data(arguments), run_dir="unused", image_size=size, batch_size=batch_size, seed=seed
    )
    with environment.ready("float32", seed, kerastl.Progress()):
        splits = make_splits(open_source(config, kerastl.Progress()), config)
        train = plain_dataset(splits, splits.train, config, shuffled=True)
        yield splits, (train, plain_dataset(splits, splits.test, config, shuffled=False))


def _data(arguments: argparse.Namespace) -> dict[str, object]:
    names = ("tfds_dir", "examples_per_class")
    return {"dataset": "tfds:cifar10"} | {name: getattr(arguments, name) for name in names}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_flags(parser)
    sides = [*_OTHERS, "kerastl"]
    parser.add_argument("--sides", nargs="+", default=sides, choices=sides)
    parser.add_argument(
        "--seeds", default=[0, 1, 2], type=lambda text: [int(seed) for seed in text.split(",")]
    )
    parser.add_argument("--seconds", default=0.0, type=float, help="0: what the copied recipe took")
    parser.add_argument("--shares", nargs="+", default=[*_SHARES], type=float, help="of the time")
    parser.add_argument("--cpu_clock", action="store_true", help="budgets in CPU seconds")
    parser.add_argument("--outcomes", type=pathlib.Path, default=default_outcomes(__file__))
    parser.add_argument("--verbose", action="store_true", help="what the runs of kerastl report")
    parser.add_argument("--examples_per_class", default=0, type=int, help="0: all")
    parser.add_argument("--head_epochs", default=10, type=int)
    parser.add_argument("--finetune_epochs", default=3, type=int)
    parser.add_argument("--fastai_epochs", default=1, type=int)
    parser.add_argument("--bit_batch", default=_BIT_BATCH, type=int)
    return parser.parse_args()


if __name__ == "__main__":
    publish(main, __file__)
