"""What is predicted for one file."""

import dataclasses
import pathlib

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for an image file.

    Attributes:
        path: The file.
        class_name: The most likely class; empty if the file cannot be used.
        probabilities: One per class, float32 (classes,); None if the file cannot be used.
        problem: Why it cannot be used; empty if it can.
    """

    path: pathlib.Path
    class_name: str = ""
    probabilities: np.ndarray | None = None
    problem: str = ""
