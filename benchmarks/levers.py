"""Measures what raises the accuracy in the same time: each lever alone, and the best together.

A lever is a change of how the upper part of MobileNetV2 is fine-tuned on what its lower part makes
of the images, which is computed once and counts too. Every variant gets the same CPU seconds: as
many steps as fit. They are compared on images that are held out of the training images; the test
images are not read. The other set has no photos but drawn letters and shapes.

    python benchmarks/levers.py --seeds=0,1,2 --seconds=300

prints a Markdown table, a row as soon as it is known. A quick look takes `--seeds=0 --seconds=10
--images=300 --levers base,shift --sets drawn`.
"""

import argparse
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine  # isort: skip
import keras
import numpy as np
import tensorflow as tf
from drawn import draw_pictures
from pages import publish

import kerastl
from kerastl import environment
from kerastl.data.opening import open_source
from kerastl.data.splits import make_splits
from kerastl.model.folding import fold
from kerastl.model.network import Network, open_network
from kerastl.settings import Phase
from kerastl.training.fit import StoredImages
from kerastl.training.schedule import LearningRate
from kerastl.training.solved_head import RegressionPath

_PASS_BATCH = 16
_TIMED_STEPS = 4
_HEAD_STRENGTH = 3.0


@dataclasses.dataclass(frozen=True)
class Levers:
    """How to fine-tune.

    Attributes:
        size: Side of the input in pixels.
        block: First block that trains.
        mirror: Whether every image is seen mirrored too, in turn.
        rate: Peak of AdamW's rate, after an epoch of warm-up.
        batch_size: Images of a step.
        shift: Most cells by which what is stored is shifted.
        cutmix: Share of the steps in which a rectangle is that of another image.
        mixup: Whether images are mixed, by at most a half and most often by little.
        smoothing: Share of the label that all classes get.
        dropout: Of the pooled features.
        frozen_depthwise: Whether the depthwise kernels stay as they are.
    """

    size: int = 97
    block: str = "block_6"
    mirror: bool = True
    rate: float = 5e-4
    batch_size: int = 64
    shift: int = 0
    cutmix: float = 0.0
    mixup: bool = False
    smoothing: float = 0.0
    dropout: float = 0.0
    frozen_depthwise: bool = False


VARIANTS = {
    "base": Levers(),
    "no mirror": Levers(mirror=False),
    "129 px": Levers(size=129),
    "161 px": Levers(size=161),
    "block_3": Levers(block="block_3"),
    "block_10": Levers(block="block_10"),
    "rate 1e-3": Levers(rate=1e-3),
    "batch 32": Levers(batch_size=32),
    "shift": Levers(shift=1),
    "cutmix": Levers(cutmix=0.5),
    "mixup": Levers(mixup=True),
    "smoothing": Levers(smoothing=0.1),
    "dropout": Levers(dropout=0.3),
    "frozen depthwise": Levers(frozen_depthwise=True),
    "together": Levers(size=129, shift=1),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Pictures, uint8 (images, side, side, 3), and their classes."""

    pictures: np.ndarray
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> "Images":
        """Selects some of them."""
        return Images(self.pictures[indices], self.labels[indices])


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Epochs, and held-out accuracy: of the head, fine-tuned, and averaged with mirrored copies."""

    epochs: float
    head: float
    plain: float
    averaged: float


def main() -> None:
    """Measures and prints a row for each lever and set."""
    arguments = _parse()
    print(
        f"{machine()}.\n\n| set | lever | epochs | head | fine-tuned | mirrored copies averaged |\n"
        "| :-- | :-- | --: | --: | --: | --: |",
        flush=True,
    )
    for name in arguments.sets:
        everything = _SETS[name](arguments)
        for lever in arguments.levers:
            outcomes = []
            for seed in arguments.seeds:
                with environment.ready("float32", seed, kerastl.Progress()):
                    train, held_out = _split(everything, arguments.images, seed)
                    outcomes.append(measure(VARIANTS[lever], train, held_out, arguments, seed))
            means = np.mean([dataclasses.astuple(outcome) for outcome in outcomes], axis=0)
            scores = " | ".join(f"{score:.4f}" for score in means[1:])
            print(f"| {name} | {lever} | {means[0]:.1f} | {scores} |", flush=True)
    print(
        f"\n{arguments.images} images to learn from (drawn: 796 at most), mean of "
        f"{len(arguments.seeds)} seeds, {arguments.seconds:g} CPU seconds each for the stored "
        "features and the steps."
    )


def measure(
    levers: Levers, train: Images, held_out: Images, arguments: argparse.Namespace, seed: int
) -> Outcome:
    """Fine-tunes for the time that there is, from a solved head."""
    started = time.process_time()
    num_classes = int(train.labels.max()) + 1
    config = kerastl.Config(
        run_dir="unused",
        dataset="tfds:cifar10",
        backbone="MobileNetV2",
        weights=arguments.weights,
        image_size=levers.size,
        dropout=levers.dropout,
    )
    network = open_network(config, num_classes=num_classes)
    phase = Phase(
        name="finetune",
        epochs=1,
        learning_rate=levers.rate,
        warmup_epochs=1.0,
        unfreeze_from=levers.block,
    )
    plan = network.plan(phase)
    network.set_trainable(plan)
    if levers.frozen_depthwise:
        for layer in plan.trainable:
            layer.trainable = not isinstance(layer, keras.layers.DepthwiseConv2D)
    lower = _lower(network, plan.boundary.tensor)
    views = [_compute(lower, train, levers.size, mirrored) for mirrored in (False, True)]
    # What is held out is mirrored at the end: that time is not the training's.
    left = arguments.seconds - (time.process_time() - started) * (1 if levers.mirror else 0.5)
    held = [_compute(lower, held_out, levers.size, mirrored) for mirrored in (False, True)]
    if not levers.mirror:
        views = views[:1]
    _solve_head(network, views[0][1], train.labels)
    head = _score(network.upper(network.pooled), [held[0][1]], held_out.labels)
    epochs = _fine_tune(plan.upper, [maps for maps, _ in views], train.labels, levers, left, seed)
    maps = [maps for maps, _ in held]
    plain, averaged = (_score(plan.upper, some, held_out.labels) for some in (maps[:1], maps))
    return Outcome(epochs, head, plain, averaged)


def _fine_tune(
    upper: keras.Model,
    views: list[np.ndarray],
    labels: np.ndarray,
    levers: Levers,
    seconds: float,
    seed: int,
) -> float:
    """Takes as many steps as fit into CPU seconds; returns how many epochs they are."""
    rng = np.random.default_rng(seed)
    batches = _batches(views, labels, levers, rng)
    weights = upper.get_weights()
    warmup = -(-len(labels) // levers.batch_size)
    step = _build_step(upper, warmup, _TIMED_STEPS, levers.rate)
    step(*next(batches))
    began = time.process_time()
    for _ in range(_TIMED_STEPS):
        step(*next(batches))
    per_step = (time.process_time() - began) / _TIMED_STEPS
    upper.set_weights(weights)
    count = max(warmup, int(seconds / per_step))
    step = _build_step(upper, warmup, count, levers.rate)
    for _ in range(count):
        step(*next(batches))
    return count * levers.batch_size / len(labels)


def _build_step(
    upper: keras.Model, warmup: int, count: int, rate: float
) -> Callable[[tf.Tensor, tf.Tensor], None]:
    schedule = LearningRate(peak=rate, warmup_steps=warmup, total_steps=count, falls=True)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(upper.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(inputs: tf.Tensor, targets: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = upper(inputs, training=True)
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses)
        variables = upper.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        optimizer.apply(gradients, variables)

    return lambda inputs, targets: step(tf.constant(inputs), tf.constant(targets))


def _batches(
    views: list[np.ndarray], labels: np.ndarray, levers: Levers, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields changed inputs and soft labels without end."""
    targets = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
    targets = targets * (1 - levers.smoothing) + levers.smoothing / targets.shape[1]
    for epoch in range(10**9):
        order = rng.permutation(len(labels))
        for start in range(0, len(order), levers.batch_size):
            chosen = order[start : start + levers.batch_size]
            in_turn = (chosen + epoch) % len(views)
            inputs = np.stack([views[view][i] for view, i in zip(in_turn, chosen, strict=True)])
            yield _change(inputs.astype(np.float32), targets[chosen], levers, rng)


def _change(
    inputs: np.ndarray, targets: np.ndarray, levers: Levers, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Shifts and mixes what is stored of some images, and mixes their labels."""
    count, side = len(inputs), inputs.shape[1]
    others = rng.permutation(count)
    if levers.shift:
        margin = (levers.shift, levers.shift)
        padded = np.pad(inputs, ((0, 0), margin, margin, (0, 0)), mode="edge")
        corners = rng.integers(0, 2 * levers.shift + 1, (count, 2))
        crops = zip(padded, corners, strict=True)
        inputs = np.stack([one[y : y + side, x : x + side] for one, (y, x) in crops])
    if levers.mixup:
        share = rng.beta(0.2, 0.2, (count, 1)).astype(np.float32)
        share = np.minimum(share, 1 - share)
        inputs = inputs + (inputs[others] - inputs) * share[..., None, None]
        targets = targets + (targets[others] - targets) * share
    if rng.random() < levers.cutmix:
        hole = round(side * rng.random() ** 0.5)
        y, x = rng.integers(0, side - hole + 1, 2)
        mixed = inputs.copy()
        mixed[:, y : y + hole, x : x + hole] = inputs[others, y : y + hole, x : x + hole]
        inputs, targets = (
            mixed,
            targets + (targets[others] - targets) * np.float32(hole / side) ** 2,
        )
    return inputs, targets


def _lower(network: Network, boundary: keras.KerasTensor) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    pooled = network.pooled.tensor
    return fold(keras.Model(network.inputs, [boundary, pooled]))


def _compute(
    lower: Callable[[tf.Tensor], list[tf.Tensor]], images: Images, size: int, mirrored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Computes what is stored at the boundary, float16, and the pooled features."""
    maps, pooled = [], []
    for start in range(0, len(images.labels), _PASS_BATCH):
        pictures = images.pictures[start : start + _PASS_BATCH]
        pixels = tf.image.resize(pictures[:, :, ::-1] if mirrored else pictures, (size, size))
        outputs = lower(pixels)
        maps.append(outputs[0].numpy().astype(np.float16))
        pooled.append(outputs[1].numpy())
    return np.concatenate(maps), np.concatenate(pooled)


def _solve_head(network: Network, features: np.ndarray, labels: np.ndarray) -> None:
    stored = StoredImages(features, labels, np.arange(len(labels)), None)
    path = RegressionPath(stored, num_classes=int(labels.max()) + 1)
    network.calls[-1].layer.set_weights(list(path.fit(_HEAD_STRENGTH)))


def _score(upper: keras.Model, views: list[np.ndarray], labels: np.ndarray) -> float:
    """Scores the mean of the probabilities of some views."""
    logits = [upper.predict(view.astype(np.float32), verbose=0) for view in views]
    means = np.mean([tf.nn.softmax(each).numpy() for each in logits], axis=0)
    return float(np.mean(means.argmax(axis=1) == labels))


def _split(everything: Images, count: int, seed: int) -> tuple[Images, Images]:
    """Holds 2,000 images out, or a fifth if there are few, and takes `count` of the others."""
    order = np.random.default_rng(seed).permutation(len(everything.labels))
    held_out = min(2000, len(order) // 5)
    return everything.take(order[held_out:][:count]), everything.take(order[:held_out])


def _photos(arguments: argparse.Namespace) -> Images:
    config = kerastl.Config(run_dir="unused", dataset="tfds:cifar10", tfds_dir=arguments.tfds_dir)
    splits = make_splits(open_source(config, kerastl.Progress()), config)
    indices = np.sort(np.concatenate([splits.train, splits.validation]))
    files = [splits.source.load(index) for index in indices.tolist()]
    pictures = [tf.io.decode_image(content, channels=3).numpy() for content in files]
    return Images(np.stack(pictures), splits.source.labels[indices])


@functools.cache
def _drawn() -> Images:
    ((pictures, labels),) = draw_pictures(796 * 5 // 4)
    return Images(pictures, labels)


_SETS: dict[str, Callable[[argparse.Namespace], Images]] = {
    "cifar10": _photos,
    "drawn": lambda _: _drawn(),
}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_flags(parser)
    parser.add_argument(
        "--seeds", default=[0, 1, 2], type=lambda text: [int(seed) for seed in text.split(",")]
    )
    parser.add_argument("--seconds", default=300.0, type=float, help="CPU seconds of a variant")
    parser.add_argument("--images", default=8000, type=int, help="to learn from, at most")
    parser.add_argument(
        "--levers", default=[*VARIANTS], type=lambda text: text.split(","), help="some of them"
    )
    parser.add_argument("--sets", nargs="+", default=[*_SETS], choices=[*_SETS])
    return parser.parse_args()


if __name__ == "__main__":
    publish(main, __file__)
