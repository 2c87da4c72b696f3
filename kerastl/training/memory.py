"""What happens when memory runs out: a batch that is only computed goes through in parts."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerastl.device import is_out_of_memory


class InParts:
    """A function of batches that halves those which do not fit in memory.

    What fits is remembered, as it takes TensorFlow seconds to find out on a GPU.
    """

    def __init__(self, function: Callable[[tf.Tensor], Any]) -> None:
        """Takes a function of rows to one tensor or several, with a row for each image."""
        self._function = function
        self._most: int | None = None

    def __call__(self, inputs: tf.Tensor, *, num_images: int | None = None) -> Any:
        """Computes a batch.

        Args:
            inputs: Its rows: the images, or several blocks of them, such as one of mirror images
                behind the first.
            num_images: Images in it, if there are several blocks.

        Returns:
            The result of the function.

        Raises:
            Exception: One of `is_out_of_memory`, if not even one image fits.
        """
        count = len(inputs) if num_images is None else num_images
        while True:
            size = min(count, self._most or count)
            try:
                return self._compute(inputs, count, size)
            except Exception as error:
                if size <= 1 or not is_out_of_memory(error):
                    raise
                self._most = (size + 1) // 2

    def _compute(self, inputs: tf.Tensor, count: int, size: int) -> Any:
        if size == count:
            return self._function(inputs)
        blocks = tf.reshape(inputs, [-1, count, *inputs.shape[1:]])
        parts = [
            self._function(tf.reshape(blocks[:, first : first + size], [-1, *inputs.shape[1:]]))
            for first in range(0, count, size)
        ]
        return tf.nest.map_structure(lambda *each: tf.concat(each, axis=0), *parts)
