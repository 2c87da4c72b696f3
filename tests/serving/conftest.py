import contextlib

import pytest
import tensorflow as tf

from kerastl.progress import Progress
from kerastl.serving import http, models
from kerastl.serving.http import Limits, running
from kerastl.serving.place import bind, find_place
from serving_client import Blocker, Client

_LOADED = {}


@contextlib.contextmanager
def serve(export, *, name="colours", progress=None, **limits):
    with bind("127.0.0.1", 0) as listener:
        place = find_place(str(export), name)
        with running(place, listener, Limits(**limits), progress or Progress()) as serving:
            yield Client(serving)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """Loads the version that most servers serve once, and lets them stop at once."""
    monkeypatch.setattr(http, "_SECONDS_OF_GRACE", 0.01)
    loaded = models.load_model
    monkeypatch.setattr(models, "load_model", lambda path, **about: _loaded(loaded, path, **about))


def _loaded(load_model, path, **about):
    key = (str(path), about["name"])
    if "colour_run" not in str(path):
        return load_model(path, **about)
    if key not in _LOADED:
        _LOADED[key] = load_model(path, **about)
    return _LOADED[key]


@pytest.fixture
def start(colour_run):
    """Starts a server of one's own, until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(export=colour_run.config.export_dir, **options):
            return stack.enter_context(serve(export, **options))

        yield start


@pytest.fixture
def serving(colour_run):
    """Gives what a block starts a server with, and stops it at its end."""
    return lambda: serve(colour_run.config.export_dir)


@pytest.fixture(scope="session")
def client(colour_run):
    """A server that all tests share."""
    with serve(colour_run.config.export_dir) as client:
        yield client


@pytest.fixture(scope="session")
def files(colour_run):
    """A PNG file of each colour."""
    images = [tf.io.decode_bmp(colour_run.source.load(index)) for index in (3, 23, 43)]
    return [tf.io.encode_png(image).numpy() for image in images]


@pytest.fixture
def blocker():
    blocker = Blocker()
    yield blocker
    blocker.release.set()
