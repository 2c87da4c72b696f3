"""Keras's and TensorFlow's global settings for a run. Imports both."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from kerastl.device import find_policy


@contextlib.contextmanager
def settings(precision: str, seed: int) -> Iterator[None]:
    """Sets what a run needs for the block, and restores Keras's settings after it.

    Channels come last and floats have 32 bits regardless of `keras.json`; random numbers
    follow `seed`, and TensorFlow uses its deterministic kernels. The latter stay on: TensorFlow
    has no public way to turn them off again.

    Args:
        precision: One of the choices of the flag.
        seed: Seed for Python, NumPy and TensorFlow.
    """
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(find_policy(precision))
    logger_level = tf.get_logger().level
    # It also warns about every compiled model, which cannot be avoided.
    tf.get_logger().setLevel("ERROR")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    # A program that debugs its own functions may run all of them step by step.
    runs_eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    try:
        with channels_last():
            yield
    finally:
        tf.config.run_functions_eagerly(runs_eagerly)
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])
        tf.get_logger().setLevel(logger_level)


@contextlib.contextmanager
def channels_last() -> Iterator[None]:
    """Has layers that do not say so take channels last in the block, whatever Keras is set to."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)
