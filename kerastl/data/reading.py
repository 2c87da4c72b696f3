"""Datasets that read image files in a graph, and the errors that come out of one."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from kerastl.errors import KerastlError

# For functions of a dataset that are graph operations as they stand. To rewrite a decoder's source
# text, as TensorFlow does by default, takes 4 s and changes nothing.
plain = tf.autograph.experimental.do_not_convert


@contextlib.contextmanager
def reading_errors() -> Iterator[None]:
    """Raises the error of `Source.read` itself where TensorFlow wraps it in its own."""
    try:
        yield
    except tf.errors.OpError as error:
        _, found, text = str(error).partition(f"{KerastlError.__name__}: ")
        if not found:
            raise
        raise KerastlError(text.splitlines()[0]) from error


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keeps TensorFlow from tuning a dataset whose parallelism is given.

    The tuning thread sleeps for seconds at a time, and an iterator that ends in between often
    waits until it wakes: measured as 2.4 s after a pass of 2.7 s.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
