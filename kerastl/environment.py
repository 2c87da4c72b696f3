"""Starts TensorFlow and Keras in a known state, regardless of the shell and home folder."""

import atexit
import contextlib
import gc
import importlib
import json
import logging
import os
import pathlib
import platform
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from importlib import metadata

from kerastl import native_messages, paths
from kerastl.cluster import ALONE, Cluster
from kerastl.errors import KerastlError, first_line
from kerastl.native_messages import is_held_back, open_streams, unnamed_file
from kerastl.native_stream import printing_to
from kerastl.progress import Progress

_BACKEND = "tensorflow"
_KERAS_JSON = "keras.json"
_FILTERS = threading.RLock()
# Held by a run, a search or an export: Keras's settings and the seed are those of the process.
_IN_USE = threading.RLock()
# The process that has started TensorFlow; one that is split off from it lacks its threads.
_STARTED_IN: set[int] = set()
# Keras imports them where they are installed, for galleries of pictures and for its wrappers.
_UNUSED = ("matplotlib", "sklearn")
# Where charts are shown.
_CHARTS_BACKEND = "MPLBACKEND"
# Set where the process belongs to kerastl alone.
OWN_PROCESS = threading.Event()
# With these Keras cuts training and evaluation short.
_LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")
# TensorFlow uses oneDNN by itself only on processors with AVX-512 for neural networks. With AVX2,
# a training step of MobileNetV2 from block_6 at 97 px took 7.4 ms of the processor for an image
# without it, and 5.1 with it.
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_X86 = ("x86_64", "amd64")
# What Keras accepts in keras.json.
_CHOICES = {
    "floatx": ("float16", "bfloat16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def prepare(progress: Progress) -> None:
    """Imports TensorFlow and Keras 3 on it, quietly, for GPUs as kerastl uses them.

    Their memory is taken as needed, and float32 products keep 24 bits. With the 11 bits of
    TensorFloat-32, TensorFlow's default, two ways through one MobileNetV2 differed by 0.024 of
    probability.

    Call it before any module that imports Keras. A second call does nothing.

    Raises:
        KerastlError: If Keras is already imported on another backend, its configuration file
            cannot be used, or this process was split off from one that has TensorFlow running.
    """
    _settle_folders()
    _force_backend(progress)
    _check_keras_json()
    with _hidden(*(_UNUSED if OWN_PROCESS.is_set() else ())):
        _bring_up(("tensorflow", "keras"), progress)


def prepare_tensorflow(progress: Progress) -> None:
    """Imports only TensorFlow, as `prepare` does, where Keras is not needed.

    TensorFlow imports Keras if it is installed and works without it; skipping Keras saves a third
    of the time and a seventh of the memory of an import.
    """
    _settle_folders()
    with _hidden("keras"):
        _bring_up(("tensorflow",), progress)


def own_process() -> None:
    """Leaves out what only other programs could miss; call it where kerastl is the program.

    Keras comes up without packages that nothing here needs of it, which is a quarter of the time,
    and at the end Python does not search TensorFlow's objects for circles, which takes a second.
    """
    OWN_PROCESS.set()
    # Charts need none, and commands of a notebook have the notebook's, which may not be installed
    # where kerastl is: matplotlib then raises an error.
    os.environ.pop(_CHARTS_BACKEND, None)
    atexit.register(gc.freeze)
    if sys.warnoptions:
        _ignore_libraries()


def _ignore_libraries() -> None:
    # With `-W error`, PYTHONWARNINGS or such a filter, libraries would end a run for what only
    # they can mend.
    warnings.filterwarnings("ignore", module=r"(?!kerastl\b)")


@contextlib.contextmanager
def _lenient() -> Iterator[None]:
    """Has no warning of a library end the block, if the filters make errors of warnings."""
    if not any(action == "error" for action, *_ in warnings.filters):
        yield
        return
    with warnings.catch_warnings():
        _ignore_libraries()
        yield


@contextlib.contextmanager
def ready(
    precision: str,
    seed: int,
    progress: Progress,
    *,
    devices: str = "1",
    cluster: Cluster = ALONE,
) -> Iterator[None]:
    """Does what `prepare` does, and holds Keras's global settings to a run's for the block.

    Waits for the block of another thread to end.

    Args:
        precision: One of the choices of the flag.
        seed: Seed for Python, NumPy and TensorFlow.
        progress: Reports what is ignored of the shell's settings.
        devices: How many of this machine train, see `replicas.open_replicas`.
        cluster: The machines that train together.
    """
    with _IN_USE:
        prepare(progress)
        # Keras is only now on the right backend.
        from kerastl import device, keras_settings, replicas  # noqa: PLC0415

        # First, as other machines have to be known before TensorFlow computes anything.
        chosen = replicas.open_replicas(devices, cluster, progress)
        with (
            _lenient(),
            native_messages.sieving(),
            replicas.using(chosen),
            replicas.lost_errors(chosen.num_workers),
            keras_settings.settings(precision, seed),
            device.memory_errors(),
        ):
            yield


def keras_home() -> pathlib.Path:
    """Returns the directory of Keras's settings and downloads, by Keras's own rules."""
    given = os.environ.get("KERAS_HOME")
    if given is not None:
        return pathlib.Path(os.path.expanduser(given))
    home = os.path.expanduser("~")
    # Where the home folder cannot be written, as for a service's user.
    return pathlib.Path(home if os.access(home, os.W_OK) else "/tmp") / ".keras"


def _settle_folders() -> None:
    """Sets an absolute home folder for libraries where the shell has none.

    Most make a folder named `~` in the working directory otherwise, and some end with an error.

    Raises:
        KerastlError: If the working directory was removed, which libraries and records ask for.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise KerastlError(
            "working directory: it was removed. Change to one that exists, as with cd ~."
        ) from error
    if not os.path.isabs(os.environ.get("HOME", "")):
        os.environ["HOME"] = paths.home() or "/"
    # Nobody misses the cache that it warns of where the home folder cannot be written.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _force_backend(progress: Progress) -> None:
    keras = sys.modules.get("keras")
    if keras is not None:
        if keras.backend.backend() != _BACKEND:
            raise KerastlError(
                f"KERAS_BACKEND={keras.backend.backend()!r}: Keras is already imported on this "
                "backend and kerastl runs on TensorFlow. Start a fresh Python with "
                "KERAS_BACKEND=tensorflow."
            )
        return
    given = os.environ.get("KERAS_BACKEND", _BACKEND)
    if given != _BACKEND:
        progress.line(f"KERAS_BACKEND={given!r} is ignored: kerastl runs on TensorFlow.")
    os.environ["KERAS_BACKEND"] = _BACKEND
    for name in _LIMITS:
        if os.environ.pop(name, None) is not None:
            progress.line(f"{name} is ignored: a run counts every step and image.")


def _bring_up(modules: tuple[str, ...], progress: Progress) -> None:
    if _STARTED_IN - {os.getpid()}:
        raise KerastlError(
            "multiprocessing: TensorFlow was started before this process was split off, in which "
            'it would wait for ever. Start processes with multiprocessing.get_context("spawn").'
        )
    open_streams()
    # With this switch set TensorFlow imports the tf_keras package, which nothing here uses.
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    # A user cannot act on native libraries' notes; real failures raise an error too.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if platform.machine().lower() in _X86:
        os.environ.setdefault(_ONEDNN, "1")
    is_up = os.getpid() in _STARTED_IN and all(module in sys.modules for module in modules)
    with contextlib.nullcontext() if is_up else quiet():
        with _named_temporary_folder(), _unchanged_keras_home():
            for module in modules:
                try:
                    importlib.import_module(module)
                except Exception as error:
                    # Libraries whose versions do not fit raise errors of every kind.
                    raise cannot_import(module, error) from error
        from kerastl import device  # noqa: PLC0415  it imports TensorFlow

        # The first search for devices also writes to stderr, if no GPU driver is installed.
        device.has_gpu()
    device.check_usual()
    _STARTED_IN.add(os.getpid())
    device.set_up_gpus(progress)
    device.set_up_threads()


def cannot_import(module: str, error: Exception) -> KerastlError:
    """Builds the error for a library that cannot be imported, with the likely remedy.

    Args:
        module: Its name, as it is imported.
        error: What the import raised.
    """
    path = getattr(error, "path", None)
    package = module.partition(".")[0]
    if path and pathlib.Path(path).parent == pathlib.Path.cwd():
        advice = f"Rename {path}: Python takes it for the library of that name"
    else:
        names = metadata.packages_distributions().get(package, [package])
        advice = f"Install it again: pip install --force-reinstall {names[0]}"
    return KerastlError(
        f"{package}: cannot be imported ({type(error).__name__}: {first_line(error)}). {advice}."
    )


@contextlib.contextmanager
def _named_temporary_folder() -> Iterator[None]:
    """Names a temporary folder for the block, which Python has not looked for before.

    It would write a file to find one, or raise an error where there is none. TensorFlow wants its
    name when it is imported, and uses it only in tests of its own.
    """
    before = tempfile.tempdir
    tempfile.tempdir = before or os.environ.get("TMPDIR", "/tmp")
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def _unchanged_keras_home() -> Iterator[None]:
    """Removes what Keras writes to its directory when it is imported, where it was not there."""
    home = keras_home()
    made = [path for path in (home / _KERAS_JSON, home) if not os.path.lexists(path)]
    try:
        yield
    finally:
        for path in made:
            with contextlib.suppress(OSError):  # It was not made, or holds something else.
                path.rmdir() if path.is_dir() else path.unlink()


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Makes modules impossible to import in the block, unless they are already imported."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _check_keras_json() -> None:
    if "keras" in sys.modules:
        return
    path = keras_home() / _KERAS_JSON
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return  # Keras uses its defaults.
    except ValueError as error:
        raise KerastlError(f"{path}: is not JSON ({error}). Fix or remove it.") from error
    given = content if isinstance(content, dict) else dict.fromkeys(_CHOICES)
    epsilon = given.get("epsilon", 0.1)
    if not isinstance(epsilon, float):
        raise KerastlError(
            f"{path}: epsilon={epsilon!r} is not a number with a decimal point. "
            "Fix or remove the file."
        )
    for name, choices in _CHOICES.items():
        value = given.get(name, choices[0])
        if value not in choices:
            raise KerastlError(
                f"{path}: {name}={value!r} is not one of {', '.join(choices)}. "
                "Fix or remove the file."
            )


@contextlib.contextmanager
def ignored_warnings(category: type[Warning] = Warning, message: str = "") -> Iterator[None]:
    """Hides warnings in the block, which one thread at a time can enter.

    Python's filters belong to the whole process: two threads that change them at the same time
    would restore each other's.

    Args:
        category: Which warnings.
        message: Regular expression for their beginning.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message, category)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what libraries write to stderr in the block; shows it if the block fails."""
    if is_held_back():
        # Then it is shown, too, if the process dies.
        with ignored_warnings():
            yield
        return
    _flush()
    # Another thread would take our file for what it is to put back.
    with _FILTERS, unnamed_file() as held, printing_to(held.fileno()):
        stderr_copy = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            with ignored_warnings():
                yield
        except Exception:
            _flush()
            held.seek(0)
            os.write(stderr_copy, held.read())
            raise
        finally:
            os.dup2(stderr_copy, 2)
            os.close(stderr_copy)


@contextlib.contextmanager
def unlogged(level: int) -> Iterator[None]:
    """Drops what libraries log in the block up to a level, by whichever logger."""
    before = logging.root.manager.disable
    logging.disable(max(level, before))
    try:
        yield
    finally:
        logging.disable(before)


def _flush() -> None:
    # A service may have none.
    if sys.stderr:
        sys.stderr.flush()
