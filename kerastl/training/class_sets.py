"""Which classes may be the true one of an image. Imports nothing slow."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class ClassSets:
    """A set of classes for each image: the most probable one, and others that are likely enough.

    Attributes:
        level: Share of images whose set holds the true class, if they are like the validation
            images.
        min_probability: Of the other classes in a set.
        num_images: Validation images that decided it.
    """

    level: float
    min_probability: float
    num_images: int

    @classmethod
    def read(cls, card: Mapping[str, Any]) -> "ClassSets | None":
        """Reads them from `model_card.json`; None if it has none."""
        found = card.get("class_sets")
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: found[name] for name in names}) if found else None

    def contain(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns which classes are in the sets, bool (images, classes) like `probabilities`."""
        highest = np.argmax(probabilities, axis=1, keepdims=True)
        likely = probabilities >= np.float32(self.min_probability)
        return np.asarray(likely | (np.arange(probabilities.shape[1]) == highest))

    def list(self, probabilities: np.ndarray) -> list[int]:
        """Lists the classes in the set of an image, (classes,), the most probable first."""
        (inside,) = self.contain(probabilities[np.newaxis])
        order = np.argsort(-probabilities, kind="stable")
        return [int(label) for label in order[inside[order]]]
