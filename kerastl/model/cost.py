"""What computing a part of a network costs, told from its layers without a clock."""

import math
from collections.abc import Iterable
from typing import Any

from kerastl.model.boundaries import Step


def count_multiply_adds(steps: Iterable[Step]) -> int:
    """Counts the multiplications by weights for one image.

    A kernel is used once at each place of the layer's output, in convolutions of every kind
    and in dense layers. The rest of a network's work is small beside that.
    """
    return sum(
        math.prod(kernel.shape) * math.prod(step.outputs[0].shape[1:-1])
        for step in steps
        for kernel in _kernels(step.layer)
    )


def _kernels(layer: Any) -> list[Any]:
    matrix = 2
    return [weight for weight in getattr(layer, "weights", ()) if len(weight.shape) >= matrix]
