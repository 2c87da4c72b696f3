"""Trains the tiny network on several virtual processors, and in several processes."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from command_line import REPOSITORY
from kerastl import environment, replicas
from kerastl.cluster import Cluster
from kerastl.commands.guard import guard
from kerastl.data.builtin import BUILT_IN
from kerastl.progress import Progress
from kerastl.settings import TrainingSettings
from kerastl.training.fit import train_phase
from tiny_networks import make_phase

# `conftest` brings TensorFlow up.
_CODE = "import sys, conftest, joint_training; joint_training.main(*sys.argv[1:])"
_RUN = "import sys, conftest, joint_training; joint_training.main_run(*sys.argv[1:])"
_WEIGHTS = "w.weights.h5"
# Name -> phase, images in the last batch of its epochs, settings.
PHASES = {
    "head": ("head", 3, {}),
    "finetune": ("finetune", 3, {"weight_decay": 0.1}),
    "adamw": ("finetune", 3, {"optimizer": "adamw", "weight_decay": 0.1}),
    "scratch": ("scratch", 5, {}),
}


def train_on(folder, count, names):
    """Trains phases on virtual processors of a fresh process; returns rows and weights of each."""
    command = [sys.executable, "-c", _CODE, folder, count, *names]
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    subprocess.run(
        [*map(str, command)],
        env=os.environ | {"PYTHONPATH": paths},
        check=True,
        timeout=1200,
    )
    return {name: dict(np.load(folder / f"{name}-{count}.npz")) for name in names}


def _train(folder, count, name):
    phase, last, settings = PHASES[name]
    with pytest.MonkeyPatch.context() as patches:
        made = make_phase(fakes.install_tiny_net(patches), name=phase, epochs=2, last=last)
        for layer in made.classifier.get_layer("backbone").layers:
            if hasattr(layer, "rate"):
                layer.rate = 0.0  # Each device draws its own numbers.
        rows = []
        with replicas.using(replicas.open_replicas(str(count), Cluster(), Progress())):
            assert replicas.current().count == count
            train_phase(
                made.plan,
                made.data,
                TrainingSettings(batch_size=8, **settings),
                progress=Progress(),
                on_epoch=lambda row, _: rows.append([row.loss, row.accuracy, row.val_loss]),
            )
        weights = {
            f"w{place}": one.value.numpy() for place, one in enumerate(made.classifier.weights)
        }
        np.savez(folder / f"{name}-{count}.npz", rows=np.array(rows), **weights)


def main(folder, count, *names):
    """Trains each named phase, and writes what it ends with to the folder."""
    divide_processor(int(count))
    tf.config.experimental.enable_op_determinism()
    for name in names:
        _train(pathlib.Path(folder), int(count), name)


def divide_processor(count):
    """Makes several virtual processors of one."""
    processor, *_ = tf.config.list_physical_devices("CPU")
    virtual = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(processor, virtual)


def start(folder, count, last=None, **settings):
    """Starts runs of the tiny network that train together, the first one first.

    `last` are other settings, of the last one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _WEIGHTS).exists():
        fakes.write_tiny_weights(folder / _WEIGHTS)
    hosts = ",".join(f"127.0.0.1:{free_port()}" for _ in range(count))
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    started = []
    for worker in range(count):
        given = settings | ({"workers": hosts, "worker": worker} if count > 1 else {})
        # Only the first one has such a place.
        given |= {"run_dir": str(folder / "nowhere")} if worker else {}
        given |= last if last and worker == count - 1 else {}
        command = [sys.executable, "-c", _RUN, str(folder), json.dumps(given)]
        environment = os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
        with (folder / f"out{worker}").open("w") as output:
            started.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
    return started


def free_port():
    """Finds a port that nobody listens on now."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def main_run(folder, given):
    """Runs as one of the processes of `start`; a user's error ends it as a command."""
    folder, given = pathlib.Path(folder), json.loads(given)
    places = {"weights": str(folder / _WEIGHTS), "cache_dir": str(folder / "cache")}
    config = fakes.tiny_config(folder, **places | given)
    divide_processor(int(config.devices))
    environment.OWN_PROCESS.set()
    sys.exit(guard(lambda output: _run(folder, config, output)))


def _run(folder, config, output):
    with pytest.MonkeyPatch.context() as patches:
        # Each device draws its own numbers.
        patches.setattr(keras.layers, "Dropout", lambda _, name: keras.layers.Identity(name=name))
        fakes.install_tiny_net(patches)
        patches.setitem(BUILT_IN, "digits", lambda: fakes.color_source(per_class=21))
        result = kerastl.run(config, progress=output)
    if result:
        weights = [one.value.numpy() for one in result.model.weights]
        np.savez(folder / "ends.npz", *weights)
