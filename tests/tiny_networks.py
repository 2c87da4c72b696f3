"""The tiny network, opened, and a phase of it on random images."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl.model.build import build_classifier
from kerastl.model.network import Network
from kerastl.settings import Phase
from kerastl.training.evaluate import evaluate
from kerastl.training.fit import PhaseData

SHAPE = (fakes.IMAGE_SIZE, fakes.IMAGE_SIZE, 3)
# In each epoch of `make_phase`, of this many images each.
STEPS, BATCH_SIZE = 5, 8


def open_tiny(row, *, seed=0, num_classes=3):
    """Opens the network with random weights that follow a seed."""
    keras.utils.set_random_seed(seed)
    backbone = fakes.tiny_net(include_top=False, weights=None, input_shape=SHAPE, name="backbone")
    classifier = build_classifier(
        backbone, scaling=row.scaling, num_classes=num_classes, dropout=0.0
    )
    return Network.of(classifier, row)


def place(network, layer_name):
    """Finds the boundary at a layer's output."""
    return next(
        boundary
        for boundary in network.boundaries
        if boundary.position and network.name_of(boundary) == layer_name
    )


def make_phase(
    row, *, rate=0.01, epochs=3, name="head", poisoned=None, validated=0.0, stored=False, last=8
):
    """Makes what a phase is trained by: plan and data, with the classifier and its images.

    Args:
        poisoned: Step whose first image is not a number.
        validated: The value of all pixels of the validation images.
        stored: Whether the data are features instead of images.
        last: Images in the last batch of each epoch.
    """
    network = open_tiny(row, num_classes=2)
    plan = network.plan(
        Phase(
            name=name,
            epochs=epochs,
            learning_rate=rate,
            warmup_epochs=0,
            unfreeze_from=None if name == "head" else "all",
        )
    )
    network.set_trainable(plan)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (epochs * STEPS * BATCH_SIZE, *SHAPE)).astype("float32")
    if poisoned is not None:
        images[poisoned * BATCH_SIZE] = np.nan
    labels = np.arange(len(images)) % 2
    batches = fakes.batches(images, labels, BATCH_SIZE)
    if stored:
        batches = batches.map(lambda images, labels: (plan.lower(images), labels))
    if last < BATCH_SIZE:

        def cut(step, *batch):
            size = tf.where(step % STEPS == STEPS - 1, last, BATCH_SIZE)
            return tuple(each[:size] for each in batch)

        batches = batches.enumerate().map(lambda step, batch: cut(step, *batch))
    shown = np.full_like(images[:BATCH_SIZE], validated)
    validation = fakes.batches(shown, labels[:BATCH_SIZE], BATCH_SIZE)
    data = PhaseData(
        train=batches.skip,
        num_train=STEPS * BATCH_SIZE,
        class_names=("one", "two"),
        lower=None if stored else plan.lower,
        validate=lambda: evaluate(network.model, validation, labels[:BATCH_SIZE]),
        read_stored=lambda: pytest.fail("no phase here is solved"),
    )
    return SimpleNamespace(plan=plan, data=data, classifier=network.model)
