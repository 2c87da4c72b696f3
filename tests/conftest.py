"""Brings TensorFlow up as a run does, and makes every test start from the same seed."""

import os
import pathlib
import signal
import tempfile

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
# A shell starts what runs in the background deaf to Ctrl-C, and the commands of tests inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# No test reads or fills the feature store of the person who runs it.
_CACHE_HOME = tempfile.TemporaryDirectory(prefix="kerastl-tests-")
os.environ["XDG_CACHE_HOME"] = _CACHE_HOME.name

from kerastl import environment
from kerastl.progress import Progress

environment.prepare(Progress())

import keras
import pytest
import tensorflow as tf

import fakes
from kerastl.data.builtin import BUILT_IN

_SET_SEED = tf.random.set_seed
SHARED = pathlib.Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def _seeded(monkeypatch):
    # TensorFlow's own seed stays as it is: nothing in kerastl draws from it, and to set it drops
    # all functions that it has made ready, which take a second to make ready again.
    monkeypatch.setattr(tf.random, "set_seed", lambda seed: None)
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _own_process_ends():
    """A command that a test calls here takes the process for its own; the next test does not."""
    yield
    environment.OWN_PROCESS.clear()


@pytest.fixture
def tensorflow_seed(monkeypatch, _seeded):
    """Sets TensorFlow's own seed, and lets the test set it."""
    monkeypatch.setattr(tf.random, "set_seed", _SET_SEED)
    tf.random.set_seed(0)


@pytest.fixture
def tiny_net(monkeypatch):
    """Makes the tiny network known as backbone "TinyNet"."""
    return fakes.install_tiny_net(monkeypatch)


@pytest.fixture
def use_source(monkeypatch):
    """Makes `--dataset=digits` give another source."""

    def use(source):
        monkeypatch.setitem(BUILT_IN, "digits", lambda: source)
        return source

    return use


@pytest.fixture
def in_this_process(monkeypatch):
    """Opens exports without a fresh process, which other tests start, to be faster."""
    fakes.open_in_this_process(monkeypatch)


def pytest_collection_modifyitems(items):
    """Puts what needs the shared run first: one process makes it while the other goes on."""
    items.sort(key=lambda item: "color_run" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def shared_dir():
    """The developers' shared data, which a user's checkout does not have."""
    if not SHARED.is_dir():
        pytest.skip("needs the developers' shared data beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def common_folder(tmp_path_factory):
    """A folder that the processes of pytest-xdist share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def color_run(common_folder):
    """One run on colors with everything on: dropout, two phases, an export. Only read it."""
    folder = common_folder / "color_run"
    with pytest.MonkeyPatch.context() as monkeypatch:
        fakes.open_in_this_process(monkeypatch)
        return fakes.finish_run_once(
            folder,
            fakes.color_source(),
            dropout=0.2,
            finetune_epochs=2,
            finetune_learning_rate=0.005,
            export_dir=str(folder / "exports"),
        )
