import contextlib
import functools

import pytest
import tensorflow as tf

from kerastl.progress import Progress
from kerastl.serving import versions
from kerastl.serving.export_path import find_export
from kerastl.serving.listener import open_listeners
from kerastl.serving.options import Limits, Timeouts
from kerastl.serving.platforms import ANYWHERE
from kerastl.serving.server import running
from serving_client import Blocker, Client

_LOADED = {}


@contextlib.contextmanager
def serve(
    export,
    *,
    name="colors",
    progress=None,
    timeouts=None,
    host="127.0.0.1",
    platform=ANYWHERE,
    **limits,
):
    """Serves during the block, and stops at once after it."""
    timeouts = Timeouts(**{"grace": 0.01} | (timeouts or {}))
    with (
        open_listeners(host, 0) as listeners,
        running(
            find_export(export, name),
            listeners,
            limits=Limits(**limits),
            platform=platform,
            timeouts=timeouts,
            progress=progress or Progress(),
        ) as server,
    ):
        yield Client(server)


@pytest.fixture(autouse=True)
def _load_once(monkeypatch):
    """Loads the version that most servers serve only once."""
    load = functools.partial(_loaded, versions.load_version)
    monkeypatch.setattr(versions, "load_version", load)


def _loaded(load, path, **about):
    key = (str(path), about["name"])
    if "color_run" not in str(path):
        return load(path, **about)
    if key not in _LOADED:
        _LOADED[key] = load(path, **about)
    return _LOADED[key]


@pytest.fixture
def start(color_run):
    """Starts a server, until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(export=color_run.config.export_dir, **options):
            return stack.enter_context(serve(export, **options))

        yield start


@pytest.fixture
def serving(color_run):
    """Starts a server for a block."""
    return lambda **options: serve(color_run.config.export_dir, **options)


@pytest.fixture(scope="session")
def client(color_run):
    """A server that all tests share."""
    with serve(color_run.config.export_dir) as client:
        yield client


@pytest.fixture(scope="session")
def files(color_run):
    """A PNG file of each color."""
    images = [tf.io.decode_bmp(color_run.source.load(index)) for index in (3, 23, 43)]
    return [tf.io.encode_png(image).numpy() for image in images]


@pytest.fixture(scope="session")
def ask(color_run):
    """Asks a signature of the export directly."""
    loaded = tf.saved_model.load(str(color_run.result.export_path))

    def ask(name, **inputs):
        # The functions live no longer than `loaded`.
        outputs = loaded.signatures[name](**inputs)
        return {key: value.numpy() for key, value in outputs.items()}

    return ask


@pytest.fixture
def blocker():
    blocker = Blocker()
    yield blocker
    blocker.release.set()
