"""What is predicted for one file."""

import dataclasses
import math
import pathlib

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for an image.

    Attributes:
        path: The file; "images[3]" for the fourth of images that are in memory.
        class_name: The most likely class; empty if the file cannot be used.
        probabilities: One per class, float32 (classes,); None if the file cannot be used.
        problem: Why it cannot be used; empty if it can.
        class_set: Classes of which one is the true one for 95 % of images like the validation
            images, the most probable first; empty if the model has no such sets.
        is_known: Whether the image is like the training images; None if the model does not decide
            that, or the file cannot be used.
        sha256: Hash of the file's content, in as many hexadecimal digits as the tables of a run
            have; empty if the file cannot be used.
    """

    path: pathlib.Path
    class_name: str = ""
    probabilities: np.ndarray | None = None
    problem: str = ""
    class_set: tuple[str, ...] = ()
    is_known: bool | None = None
    sha256: str = ""

    @property
    def confidence(self) -> float:
        """The probability of the most likely class; NaN if the file cannot be used."""
        return math.nan if self.probabilities is None else float(self.probabilities.max())
