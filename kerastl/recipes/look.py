"""A look at some training images: how long they take, and whether a mirror keeps their class.

A mirror makes other characters of letters and digits, and changes the class of few photographs.
"""

import time

import numpy as np
import tensorflow as tf
from threadpoolctl import threadpool_limits

from kerastl.data.folds import make_folds
from kerastl.data.pipeline import evaluation_dataset
from kerastl.data.reading import reading_errors
from kerastl.data.splits import Splits
from kerastl.model.folding import fold_one
from kerastl.model.network import Network
from kerastl.recipes.choices import Look
from kerastl.recipes.speed import Stopwatch
from kerastl.settings import ImageSettings
from kerastl.training.fit import StoredImages
from kerastl.training.solved_head import RegressionPath

_MOST_IMAGES, _BATCH_SIZE = 512, 32
# Folds, and a penalty in the middle of those that a solved head chooses from.
_FOLDS, _STRENGTH = 5, 10.0


def look(network: Network, splits: Splits, images: ImageSettings, *, seconds: float) -> Look:
    """Times and inspects as many training images as fit in some seconds."""
    plain, mirrored, each = _compute(network, splits, images, seconds=seconds)
    sample = splits.train[: len(plain)]
    labels, groups = splits.source.labels[sample], splits.clusters[sample]
    sides = [StoredImages(side, labels, groups, None) for side in (plain, mirrored)]
    right, num_fitted, began = [0, 0], 0, time.perf_counter()
    # More threads than free cores wait for each other, up to a hundred times as long.
    with threadpool_limits(1):
        for inner, outer in make_folds(labels, groups, count=_FOLDS, seed=0):
            path = RegressionPath(sides[0].take(inner), num_classes=len(splits.source.class_names))
            layer = path.fit(_STRENGTH)
            num_fitted += len(inner)
            for place, side in enumerate(sides):
                named = layer.logits(side.inputs[outer]).argmax(axis=1)
                right[place] += int((named == labels[outer]).sum())
    fit_seconds = (time.perf_counter() - began) / max(1, num_fitted)
    return Look(len(sample), each, fit_seconds, *right)


def _compute(
    network: Network, splits: Splits, images: ImageSettings, *, seconds: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Computes the features of images and of their mirror images, and the seconds of an image."""
    function = fold_one(network.lower(network.pooled))
    # At least two batches, since the first one prepares the others and is not timed.
    count = min(len(splits.train), _MOST_IMAGES)
    sample = np.resize(splits.train, max(count, 2 * _BATCH_SIZE))
    dataset = evaluation_dataset(splits.source, sample, images, batch_size=_BATCH_SIZE)
    plain, mirrored = [], []
    began, watch = time.perf_counter(), Stopwatch()
    with reading_errors():
        for batch, _ in dataset:
            plain.append(function(batch).numpy())
            watch.stop(len(batch))
            mirrored.append(function(tf.reverse(batch, [2])).numpy())
            if time.perf_counter() - began > seconds and watch.has_timed:
                break
            watch.start()
    return np.concatenate(plain)[:count], np.concatenate(mirrored)[:count], watch.seconds
