"""Brings TensorFlow up as a run does, and makes every test start from the same seed."""

import os
import pathlib
import tempfile

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
# No test reads or fills the feature store of the person who runs it.
_CACHE_HOME = tempfile.TemporaryDirectory(prefix="kerastl-tests-")
os.environ["XDG_CACHE_HOME"] = _CACHE_HOME.name

from kerastl import environment
from kerastl.progress import Progress

environment.prepare(Progress())

import keras
import pytest

import fakes

SHARED = pathlib.Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture
def tiny_net(monkeypatch):
    """Makes the tiny network known as backbone "TinyNet"."""
    return fakes.install_tiny_net(monkeypatch)


@pytest.fixture
def use_source(monkeypatch):
    """Makes `--dataset=digits` give another source."""

    def use(source):
        monkeypatch.setattr("kerastl.data.sources.read_digits", lambda: source)
        return source

    return use


@pytest.fixture(scope="session")
def shared_dir():
    """The developers' shared data, which a user's checkout does not have."""
    if not SHARED.is_dir():
        pytest.skip("needs the developers' shared data beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def colour_run(tmp_path_factory):
    """One run on colours with everything on: dropout, two phases, an export. Only read it."""
    folder = tmp_path_factory.mktemp("colour_run")
    config = fakes.tiny_config(
        folder,
        dropout=0.2,
        finetune_epochs=2,
        finetune_learning_rate=0.005,
        export_dir=str(folder / "exports"),
    )
    return fakes.finish_run(config, fakes.colour_source())
