"""Reads the files of a source in a graph, one at a time; the package reads them in batches."""

import tensorflow as tf

from kerastl.data.source import Source


def read_in_graph(source: Source, index: tf.Tensor) -> tf.Tensor:
    """Reads the image file at a scalar index as `Source.read` does: its bytes, a scalar string.

    A graph wraps the error of a changed file in one of TensorFlow's, see `reading_errors`.
    """
    # Reading has no side effect, which stateful=False declares: TensorFlow may then run several
    # reads at once and still give the same result each time.
    content = tf.numpy_function(source.read, [index], tf.string, stateful=False)
    return tf.ensure_shape(content, [])
