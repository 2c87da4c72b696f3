"""Makes the weights that `--weights=bundled` stands for, from nothing but drawn pictures.

    pip install .
    python tools/pretrain_bundled.py --out=kerastl/model/bundled.weights.h5

MobileNetV2 with a width of 0.35 learns to tell drawn shapes and letters apart, half of each batch
each, and to say what it has seen: a thumbnail, where the ink is, its color and the ground's. The
classes alone give features that know little of color and place, which photographs need. No
photograph, data set or digit takes part. One process draws while another trains; every batch
depends on the seed and its number alone.

What was seen, on two cores, is in docs/how_to/networks.md.
"""

import argparse
import logging
import multiprocessing
import os
import queue as queues
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

# NumPy's small products are no faster on two threads, and TensorFlow needs the other core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from drawings import SHAPE_LOOKS, SIDE, THUMBNAIL, Families, Pictures, astuple, draw
from fields import build_shapes

_ALPHA = 0.35
_BATCH = 128
_LEARNING_RATE = 2.5e-3
_WEIGHT_DECAY = 0.03
_WARMUP_STEPS = 200
# Keras's 0.999 would hardly have left its start when a run this short ends.
_NORM_MOMENTUM = 0.97
# Of the share of the training over which pictures are bent more and more: letters that are bent
# from the start are not learned at all.
_RISING = 1 / 3
# Of the classes, the thumbnail, the mask and the two colors.
_LOSS_WEIGHTS = (1.0, 3.0, 1.0, 1.0)
_REPORT_STEPS = 500
# Batches that are drawn ahead.
_AHEAD = 16
_SECONDS_BETWEEN_LOOKS = 10


def main() -> None:
    """Trains, reports on held-out pictures as it goes, and writes the file each time."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    arguments = _parse()
    keras.utils.set_random_seed(arguments.seed)
    tf.config.experimental.enable_op_determinism()
    families = Families(arguments.seed)
    # Forked before TensorFlow starts threads of its own.
    drawn = _draw_in_process(families, arguments.seed, arguments.steps)
    trainer = Trainer(families.num_classes, arguments.steps)
    judge = Judge(families, arguments.seed)
    losses = []
    started = time.monotonic()
    for step, pictures in enumerate(drawn, 1):
        losses.append(trainer.step(astuple(pictures)).numpy())
        if step % _REPORT_STEPS == 0 or step == arguments.steps:
            write(trainer.network, arguments.out)
            logging.info(
                "step %d of %d, %.0f s: loss of classes, thumbnail, mask, colors %s; %s",
                step,
                arguments.steps,
                time.monotonic() - started,
                " ".join(f"{value:.3f}" for value in np.mean(losses, axis=0)),
                judge(trainer),
            )
            losses = []


class FusedNorm(keras.layers.BatchNormalization):
    """Batch norm as one operation of TensorFlow, with which a step takes half the time."""

    def call(self, inputs: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        """Normalizes by the batch and moves the statistics towards it, or as Keras does."""
        if not training:
            return super().call(inputs, training=False, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * _NORM_MOMENTUM + value * (1 - _NORM_MOMENTUM))
        return outputs


class Trainer:
    """Trains the network, and four outputs on its pooled features that are left behind."""

    def __init__(self, num_classes: int, steps: int) -> None:
        self.network = keras.models.clone_model(_build_network(), clone_function=_with_fused_norm)
        images = keras.Input((SIDE, SIDE, 3))
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
        pooled = keras.layers.GlobalAveragePooling2D()(self.network(scaled))
        outputs = [
            keras.layers.Dense(num_classes)(pooled),
            *(
                keras.layers.Reshape(shape)(keras.layers.Dense(int(np.prod(shape)))(pooled))
                for shape in ((THUMBNAIL, THUMBNAIL, 3), (THUMBNAIL, THUMBNAIL), (6,))
            ),
        ]
        self.model = keras.Model(images, [pooled, *outputs])
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - _WARMUP_STEPS, warmup_target=_LEARNING_RATE, warmup_steps=_WARMUP_STEPS
        )
        self._optimizer = keras.optimizers.AdamW(
            rate, weight_decay=_WEIGHT_DECAY, global_clipnorm=1.0
        )
        self._optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self._optimizer.build(self.model.trainable_variables)

    @tf.function
    def step(self, pictures: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Takes one step; gives the four losses, float32 (4,)."""
        images, labels, thumbnails, masks, colors = pictures
        with tf.GradientTape() as tape:
            _, logits, thumbnail, mask, color = self.model(images, training=True)
            losses = (
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits),
                (thumbnail - thumbnails) ** 2,
                tf.nn.sigmoid_cross_entropy_with_logits(masks, mask),
                (color - colors) ** 2,
            )
            means = tf.stack([tf.reduce_mean(loss) for loss in losses])
            loss = tf.reduce_sum(means * _LOSS_WEIGHTS)
        variables = self.model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return means

    @tf.function
    def look(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Gives pooled features and logits of the classes, as the finished network does."""
        pooled, logits, *_ = self.model(images, training=False)
        return pooled, logits


class Judge:
    """Asks the network about pictures that it has not seen, and about shapes that it has not."""

    def __init__(self, families: Families, seed: int) -> None:
        rng = np.random.default_rng((seed, 2))
        self._num_letters = families.letters.num_classes
        self._known = families.draw(2000, rng)
        unseen = build_shapes(seed + 1, of_a_kind=10)
        self._train, self._test = (
            draw(unseen, count, rng, looks=SHAPE_LOOKS, textures=families.textures)
            for count in (400, 1200)
        )

    def __call__(self, trainer: Trainer) -> str:
        """Says how many of each it told."""
        _, logits = trainer.look(self._known.images)
        is_right = np.argmax(logits, axis=1) == self._known.labels
        letters, shapes = np.split(is_right, 2)
        train, test = (
            trainer.look(pictures.images)[0].numpy() for pictures in (self._train, self._test)
        )
        scaler = StandardScaler().fit(train)
        probe = RidgeClassifier(alpha=1000).fit(scaler.transform(train), self._train.labels)
        unseen = probe.score(scaler.transform(test), self._test.labels)
        return (
            f"new pictures of letters {letters.mean():.3f}, of shapes {shapes.mean():.3f}; "
            f"40 new shapes by a probe on 10 pictures each {unseen:.3f}"
        )


def write(network: keras.Model, path: str) -> None:
    """Writes the weights as float16, which halves the file."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float16")
    half = _build_network()
    keras.config.set_dtype_policy(policy)
    half.set_weights(network.get_weights())
    half.save_weights(path)


def _build_network() -> keras.Model:
    return keras.applications.MobileNetV2(
        alpha=_ALPHA, include_top=False, weights=None, input_shape=(SIDE, SIDE, 3)
    )


def _with_fused_norm(layer: keras.layers.Layer) -> keras.layers.Layer:
    is_norm = isinstance(layer, keras.layers.BatchNormalization)
    return (FusedNorm if is_norm else type(layer)).from_config(layer.get_config())


def _draw_in_process(families: Families, seed: int, steps: int) -> Iterator[Pictures]:
    context = multiprocessing.get_context("fork")
    queue = context.Queue(_AHEAD)
    process = context.Process(target=_draw_all, args=(queue, families, seed, steps), daemon=True)
    process.start()
    return (_next(queue, process) for _ in range(steps))


def _next(queue: multiprocessing.Queue, process: BaseProcess) -> Pictures:
    while True:
        try:
            return queue.get(timeout=_SECONDS_BETWEEN_LOOKS)
        except queues.Empty:
            if not process.is_alive():
                raise RuntimeError("the process that draws has ended") from None


def _draw_all(queue: multiprocessing.Queue, families: Families, seed: int, steps: int) -> None:
    for step in range(steps):
        strength = min(1.0, 0.2 + 0.8 * step / (_RISING * steps))
        queue.put(families.draw(_BATCH, np.random.default_rng((seed, 0, step)), strength=strength))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", required=True, help="the file to write, .weights.h5")
    parser.add_argument("--steps", default=11_000, type=int)
    parser.add_argument("--seed", default=0, type=int)
    arguments = parser.parse_args()
    # The first file is written after minutes.
    if not arguments.out.endswith(".weights.h5"):
        parser.error(f"--out={arguments.out}: does not end in .weights.h5")
    if not os.path.isdir(os.path.dirname(arguments.out) or "."):
        parser.error(f"--out={arguments.out}: its folder is not there")
    if arguments.steps <= _WARMUP_STEPS:
        parser.error(f"--steps={arguments.steps}: is no more than the {_WARMUP_STEPS} of warm-up")
    return arguments


if __name__ == "__main__":
    main()
