"""The interface of a format's module, and the model that it exports."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from kerastl.outputs.artifact import Artifact
from kerastl.training.known_images import KnownImages


@dataclasses.dataclass(frozen=True, eq=False)
class Exportable:
    """A trained model in the shapes that formats need: Keras models, and functions that build one.

    Attributes:
        classifier: From pixels in 0..255, float32 (batch, size, size, 3), to logits.
        outputs: From the same to logits and the head's inputs, by name, see `outputs_of`.
        probabilities: From the same to `{"probabilities": float32 (batch, classes)}`, without
            weights.
        served: The same with `distance`, float32 (batch,), and `is_known`, bool (batch,), if the
            model decides which images are known.
        card: The content of `model_card.json`.
        draw_images: Returns pixels of training images of all classes, float32 (images, size,
            size, 3), from which the ranges of 8-bit numbers are taken.
        known: Which images are known; None if nothing decides that.
    """

    classifier: Any
    outputs: Callable[[], Any]
    probabilities: Callable[[], Any]
    served: Callable[[], Any]
    card: Mapping[str, Any]
    draw_images: Callable[[], np.ndarray]
    known: KnownImages | None = None


def label_text(class_names: Sequence[str]) -> str:
    """Returns the text of a file that has a class on each line, in order."""
    return "".join(f"{' '.join(name.splitlines())}\n" for name in class_names)


class FormatModule(Protocol):
    """The three functions of a module in this package.

    Keras is only imported at the top of a module whose format needs it to be opened: where other
    formats are served, its import would be half of the start.
    """

    def write(self, model: Exportable, path: pathlib.Path) -> None:
        """Writes a model to a file, or to a directory that is not there yet."""

    def open(self, path: pathlib.Path, card: dict[str, Any]) -> Artifact:
        """Opens what was written, with the runtime that serves it."""

    def read_needs(self, path: pathlib.Path) -> dict[str, Any]:
        """Reads from what was written which runtimes read it: `oldest_runtime` and numbers.

        Also input and output, where they are not those of the format's row.
        """
