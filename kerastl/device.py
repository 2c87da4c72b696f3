"""The processors that TensorFlow uses, set up for kerastl. Imports TensorFlow, and no Keras."""

import contextlib
import os
from collections.abc import Iterator

import tensorflow as tf

from kerastl.errors import KerastlError, first_line
from kerastl.progress import Progress
from kerastl.resources import assigned_cores, usable_cores

# How TensorFlow passes on an error of oneDNN whose status is `dnnl_out_of_memory`,
# https://oneapi-src.github.io/oneDNN/group_dnnl_api_utils.html.
_REFUSED = "Status: 1, message:"
# What a person may have chosen; TensorFlow reads it itself.
_THREADS, _SIDE_BY_SIDE = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"


def has_gpu() -> bool:
    """Reports whether TensorFlow sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def check_usual() -> None:
    """Refuses a TensorFlow that other code of this process has set up as no run can use it.

    Raises:
        KerastlError: If it has.
    """
    if not tf.executing_eagerly():
        raise KerastlError(
            "tensorflow: is without eager execution here, by a call of tf.compat.v1 or in a graph. "
            "Start a fresh Python, or leave the graph."
        )
    if tf.distribute.has_strategy():
        raise KerastlError(
            "tensorflow: is in the scope of a strategy of tf.distribute. Leave it; "
            "Config(devices='all') trains on several GPUs."
        )


def set_up_gpus(progress: Progress) -> None:
    """Makes GPUs take memory as it is needed and keep all bits of float32 in products."""
    tf.config.experimental.enable_tensor_float_32_execution(False)
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            progress.line(
                f"{gpu.name} was in use before kerastl started, so its memory is managed as "
                "TensorFlow was set up to manage it."
            )


def set_up_threads() -> None:
    """Starts as many threads as there are cores for, where a container is given a part of them.

    TensorFlow counts the cores that the process may run on. With many more threads than time for
    them, a container stands still for most of each tenth of a second.
    """
    cores = usable_cores()
    if cores < assigned_cores() and _THREADS not in os.environ:
        # TensorFlow refuses where it runs already, with the threads that it has then.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(cores)
            tf.config.threading.set_inter_op_parallelism_threads(cores)


def count_threads() -> dict[str, int]:
    """Counts the threads in which an operation computes, and those for operations side by side."""
    threading = tf.config.threading
    return {
        "intra_op": threading.get_intra_op_parallelism_threads() or _default_threads(_THREADS),
        "inter_op": threading.get_inter_op_parallelism_threads() or _default_threads(_SIDE_BY_SIDE),
    }


def _default_threads(variable: str) -> int:
    """Returns how many threads TensorFlow starts if it is set up with 0."""
    given = os.environ.get(variable, "")
    return (int(given) if given.isdecimal() else 0) or assigned_cores()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of TensorFlow, NumPy or Python says that memory ran out.

    Where oneDNN gets none for an operation, TensorFlow calls it aborted.
    """
    is_refused = isinstance(error, tf.errors.AbortedError) and _REFUSED in str(error)
    return is_refused or isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError))


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turns TensorFlow's memory that runs out in the block into one line.

    Raises:
        KerastlError: If it does.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if not is_out_of_memory(error):
            raise
        where = "the GPU has" if has_gpu() else "this process has"
        raise KerastlError(
            f"memory: {where} too little for this ({first_line(error)}). Lower batch_size or "
            "image_size, or stop what else needs it."
        ) from error


def find_policy(precision: str) -> str:
    """Returns Keras's dtype policy for a value of `precision`; "auto" depends on the GPU."""
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "float32"
    # Tensor cores compute in bfloat16 from compute capability 8.0 and in float16 from 7.0,
    # https://docs.nvidia.com/cuda/cuda-c-programming-guide/#compute-capabilities
    capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability")
    if capability is None or capability < (7, 0):
        return "float32"
    return "mixed_bfloat16" if capability >= (8, 0) else "mixed_float16"
