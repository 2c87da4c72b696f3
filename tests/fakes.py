"""A backbone of a few layers and images of one color, so that whole runs take seconds."""

import dataclasses
import fcntl
import io
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerastl
from kerastl.data.builtin import BUILT_IN
from kerastl.data.source import Source
from kerastl.model.backbones import SYMMETRIC, Blocks
from kerastl.model.sources.applications import BACKBONES, Application
from kerastl.outputs import exporting, parity, samples
from kerastl.training.evaluation import Evaluation

COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}
IMAGE_SIZE = 16


def tiny_net(*, include_top, weights, input_shape, name=None):
    """Stem with batch norm, a dropout, a residual block, a top convolution."""
    assert not include_top
    assert weights is None
    images = keras.Input(input_shape)
    stem = keras.layers.Conv2D(6, 3, strides=2, padding="same", name="stem")(images)
    stem = keras.layers.BatchNormalization(name="stem_bn")(stem)
    stem = keras.layers.Dropout(0.5, name="stem_drop")(stem)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="block1_conv")(stem)
    x = keras.layers.Add(name="block1_add")([stem, x])
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="block2_conv")(x)
    x = keras.layers.BatchNormalization(name="block2_bn")(x)
    x = keras.layers.ReLU(name="block2_relu")(x)
    return keras.Model(images, x, name=name)


def install_tiny_net(monkeypatch):
    """Adds the tiny network to `keras.applications` and to the table, as "TinyNet"."""
    blocks = Blocks(((r"^(stem|block\d)", lambda match: match[1]),))
    row = Application(
        name="TinyNet",
        module="mobilenet_v2",
        scaling=SYMMETRIC,
        blocks=blocks,
        minimum_size=8,
    )
    monkeypatch.setattr(keras.applications, "TinyNet", tiny_net, raising=False)
    monkeypatch.setitem(BACKBONES, "TinyNet", row)
    return row


class ThisProcess(parity.FreshProcess):
    def predict(self, model):
        samples.predict_samples(model, self.samples)

    def _start(self):
        pass

    def _end(self):
        pass


def open_in_this_process(monkeypatch):
    """Opens exports without a fresh process, which takes seconds to start."""
    monkeypatch.setattr(exporting, "FreshProcess", ThisProcess)


def write_tiny_weights(path, *, image_size=IMAGE_SIZE, seed=0):
    """Saves weights for the tiny network; returns the path as text."""
    keras.utils.set_random_seed(seed)
    network = tiny_net(
        include_top=False, weights=None, input_shape=(image_size, image_size, 3), name="backbone"
    )
    network.save_weights(path)
    return str(path)


def batches(inputs, labels, batch_size):
    """Gives arrays in batches, as a dataset whose iterator ends at once when nobody holds it.

    With its thread that tunes, which sleeps for up to a minute, a later test may wait for it.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(batch_size)
    return dataset.with_options(options)


def answers(labels, predicted=None, *, num_classes=2, losses=None):
    """What a model says that is sure of each image; right by default."""
    labels = np.array(labels)
    probabilities = np.eye(num_classes, dtype=np.float32)
    chosen = probabilities[labels if predicted is None else np.array(predicted)]
    return Evaluation(labels, chosen, np.zeros(len(labels)) if losses is None else losses)


def color_source(*, per_class=20, noise=20.0, width=24, height=16, seed=0, colors=None):
    """PNG images of one color each with noise; `noise=None` gives noise without any color."""
    rng = np.random.default_rng(seed)
    colors = COLORS if colors is None else colors
    images, labels = [], []
    for label, color in enumerate(colors.values()):
        for _ in range(per_class):
            shape = (height, width, 3)
            pixels = (
                rng.uniform(0, 255, shape) if noise is None else rng.normal(color, noise, shape)
            )
            images.append(np.clip(pixels, 0, 255).astype(np.uint8))
            labels.append(label)
    source = Source.from_arrays(images, labels, class_names=tuple(colors), name="colors")
    # As the audit finds them.
    return dataclasses.replace(source, sides=np.tile([height, width], (len(source), 1)))


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run of the tiny network: what it was asked, what it read, printed and gave back."""

    config: kerastl.Config
    source: Source
    printed: str
    result: kerastl.Result


def tiny_config(folder, **changes):
    """A config for "TinyNet" below `folder`, which also holds its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "tiny.weights.h5"
    values = {
        "run_dir": str(folder / "run"),
        "dataset": "digits",
        "backbone": "TinyNet",
        "weights": str(weights),
        "image_size": IMAGE_SIZE,
        "batch_size": 8,
        "head_epochs": 4,
        "head_learning_rate": 0.05,
        "test_fraction": 0.2,
    } | changes
    if values["weights"] == str(weights):
        write_tiny_weights(weights)
    return kerastl.Config(**values)


def finish_run(config, source):
    """Runs "TinyNet" on a source instead of the digits."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        install_tiny_net(monkeypatch)
        monkeypatch.setitem(BUILT_IN, "digits", lambda: source)
        printed = io.StringIO()
        result = kerastl.run(config, progress=kerastl.Progress(printed))
    return FinishedRun(config, source, printed.getvalue(), result)


def finish_run_once(folder, source, **changes):
    """Runs in the first of the processes that ask for it, which share `folder`."""
    with open(f"{folder}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = folder / "finished.pickle"
        if not place.exists():
            run = finish_run(tiny_config(folder, **changes), source)
            without_model = dataclasses.replace(run.result, model=None)
            place.write_bytes(pickle.dumps((run.config, run.printed, without_model)))
            return run
    config, printed, result = pickle.loads(place.read_bytes())
    model = keras.saving.load_model(result.run_dir / "model.keras")
    return FinishedRun(config, source, printed, dataclasses.replace(result, model=model))
