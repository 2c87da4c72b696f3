"""Brings TensorFlow and Keras up in one known state, whatever the shell and home folder say."""

import contextlib
import importlib
import json
import os
import pathlib
import sys
import tempfile
import warnings
from collections.abc import Iterator

from kerastl.errors import KerastlError
from kerastl.progress import Progress

_BACKEND = "tensorflow"
# With these Keras cuts training and evaluation short.
_LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")


def prepare(progress: Progress) -> None:
    """Imports TensorFlow and Keras 3 on it, quietly, for GPUs as kerastl uses them.

    Their memory is taken as needed, and float32 products keep 24 bits. With the 11 bits of
    TensorFloat-32, TensorFlow's default, two ways through one MobileNetV2 differed by 0.024 of
    probability.

    Call it before any module that imports Keras. A second call does nothing new.

    Raises:
        KerastlError: If Keras is already imported on another backend, or its
            configuration file cannot be used.
    """
    _force_backend(progress)
    _check_keras_json()
    _bring_up(("tensorflow", "keras"), progress)


def prepare_tensorflow(progress: Progress) -> None:
    """Imports TensorFlow alone, as `prepare` does, for what has no use for Keras.

    TensorFlow imports Keras where it finds it, and goes without where not. That takes a third of
    the time and a seventh of the memory of an import.
    """
    with _without_keras():
        _bring_up(("tensorflow",), progress)


@contextlib.contextmanager
def settings(precision: str, seed: int) -> Iterator[None]:
    """Holds Keras's global settings to what a run needs, and puts them back after it.

    Channels come last and floats have 32 bits whatever `keras.json` says; random numbers
    follow `seed`, and TensorFlow uses its deterministic kernels. The latter stay on: TensorFlow
    has no public way to turn them off again.

    Args:
        precision: One of the choices of the flag; "auto" takes what the device is good at.
        seed: Seed for Python, NumPy and TensorFlow.
    """
    import keras  # noqa: PLC0415  only after `prepare` has chosen the backend
    import tensorflow as tf  # noqa: PLC0415

    before = (
        keras.config.image_data_format(),
        keras.config.floatx(),
        keras.config.dtype_policy(),
    )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(_policy(precision))
    logger_level = tf.get_logger().level
    # Among others it warns of every model that is compiled, which a run has to do.
    tf.get_logger().setLevel("ERROR")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        keras.config.set_image_data_format(before[0])
        keras.config.set_floatx(before[1])
        keras.config.set_dtype_policy(before[2])
        tf.get_logger().setLevel(logger_level)


def keras_home() -> pathlib.Path:
    """Finds where Keras keeps its settings and downloads, as Keras itself does."""
    asked = os.environ.get("KERAS_HOME")
    if asked is not None:
        return pathlib.Path(asked).expanduser()
    home = os.path.expanduser("~")
    # Where the home folder cannot be written, as for a service's user.
    return pathlib.Path(home if os.access(home, os.W_OK) else "/tmp") / ".keras"


def has_gpu() -> bool:
    """Says whether TensorFlow sees a GPU."""
    import tensorflow as tf  # noqa: PLC0415  only after `prepare`

    return bool(tf.config.list_physical_devices("GPU"))


def _policy(precision: str) -> str:
    import tensorflow as tf  # noqa: PLC0415  only after `prepare`

    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "float32"
    # Tensor cores take bfloat16 from compute capability 8.0 and float16 from 7.0,
    # https://docs.nvidia.com/cuda/cuda-c-programming-guide/#compute-capabilities
    capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability")
    if capability is None or capability < (7, 0):
        return "float32"
    return "mixed_bfloat16" if capability >= (8, 0) else "mixed_float16"


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
    asked = os.environ.get("KERAS_BACKEND", _BACKEND)
    if asked != _BACKEND:
        progress.line(f"KERAS_BACKEND={asked!r} is ignored: kerastl runs on TensorFlow.")
    os.environ["KERAS_BACKEND"] = _BACKEND
    for name in _LIMITS:
        if os.environ.pop(name, None) is not None:
            progress.line(f"{name} is ignored: a run counts every step and image.")


def _bring_up(modules: tuple[str, ...], progress: Progress) -> None:
    # With this switch set TensorFlow looks for the tf_keras package, which nothing here uses.
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    # Native libraries' notes are nothing that a user can act on; what fails raises an error too.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.nullcontext() if "tensorflow" in sys.modules else quiet():
        for module in modules:
            importlib.import_module(module)
        # The first look for devices writes too, where there is no driver for a GPU.
        has_gpu()
    _set_up_gpus(progress)


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """Makes Keras impossible to import in the block, unless it is there already."""
    is_there = "keras" in sys.modules
    if not is_there:
        sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not is_there:
            del sys.modules["keras"]


def _check_keras_json() -> None:
    if "keras" in sys.modules:
        return
    path = keras_home() / "keras.json"
    with contextlib.suppress(OSError):  # Without a readable file Keras uses its defaults.
        try:
            settings_there = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise KerastlError(f"{path}: is not JSON ({error}). Mend or remove it.") from error
        allowed = {
            "floatx": ("float16", "bfloat16", "float32", "float64"),
            "image_data_format": ("channels_last", "channels_first"),
        }
        epsilon = settings_there.get("epsilon", 0.1) if isinstance(settings_there, dict) else 0.1
        if not isinstance(epsilon, float):
            raise KerastlError(
                f"{path}: epsilon={epsilon!r} is not a number with a decimal point. "
                "Mend or remove the file."
            )
        for key, values in allowed.items():
            value = settings_there.get(key, values[0]) if isinstance(settings_there, dict) else None
            if value not in values:
                raise KerastlError(
                    f"{path}: {key}={value!r} is not one of {', '.join(values)}. "
                    "Mend or remove the file."
                )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Holds back what libraries write to stderr in the block; shows it if the block fails."""
    sys.stderr.flush()
    stderr_copy = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception:
            sys.stderr.flush()
            held.seek(0)
            os.write(stderr_copy, held.read())
            raise
        finally:
            os.dup2(stderr_copy, 2)
            os.close(stderr_copy)


def _set_up_gpus(progress: Progress) -> None:
    import tensorflow as tf  # noqa: PLC0415  the caller has just imported it

    tf.config.experimental.enable_tensor_float_32_execution(False)
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            progress.line(
                f"{gpu.name} was in use before kerastl started: its memory is taken as "
                "TensorFlow was set up to take it."
            )
