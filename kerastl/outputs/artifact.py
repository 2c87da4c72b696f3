"""An opened model, whatever its format, and the decoding of files for models of pixels."""

import concurrent.futures
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerastl.data.common_files import find_common
from kerastl.data.file_formats import JPEG
from kerastl.data.images import decode, decode_and_resize, resize, smallest_side
from kerastl.data.reasons import explain, explain_decoded
from kerastl.resources import usable_cores

# Arrays by the name of what they hold.
Outputs = Mapping[str, np.ndarray]
CORES = usable_cores()
# How many files of a process are decoded without a graph, and how many have been.
WITHOUT_GRAPH = 16
DECODED = itertools.count()


class UndecodableError(Exception):
    """Files of a batch cannot be decoded; `Artifact.predict` handles it.

    Attributes:
        reasons: Index of each -> why, as in "is not an image".
    """

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(str(reasons))
        self.reasons = reasons


@dataclasses.dataclass(frozen=True, eq=False)
class Artifact:
    """An opened model.

    Attributes:
        path: Its file or directory.
        card: The content of the `model_card.json` beside it.
        classify: Function from pixels as the decoder returns them, float32 (batch, size, size, 3)
            in 0..255, to probabilities, float32 (batch, classes).
        compute_files: Function from whole image files to outputs by name, each (batch, ...):
            `probabilities`; `features`, the inputs of the head, where the format has them; and
            `distance` and `is_known` where the model decides that. Raises `UndecodableError`.
        signatures: A SavedModel's functions by name; empty for other formats.
        tells_known: Whether the outputs have `is_known`.
    """

    path: pathlib.Path
    card: dict[str, Any]
    classify: Callable[[np.ndarray], np.ndarray]
    compute_files: Callable[[Sequence[bytes]], Outputs]
    signatures: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tells_known: bool = False

    @classmethod
    def from_pixels(
        cls,
        path: pathlib.Path,
        card: dict[str, Any],
        compute: Callable[[np.ndarray], Outputs],
        *,
        tells_known: bool = False,
    ) -> "Artifact":
        """Returns a model of pixels, for which files are decoded here."""
        return cls(
            path,
            card,
            lambda images: compute(images)["probabilities"],
            lambda files: compute(decode_all(files, card)),
            tells_known=tells_known,
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return tuple(self.card["class_names"])

    def predict(self, files: Sequence[bytes]) -> tuple[Outputs, dict[int, str]]:
        """Classifies whole image files.

        Returns:
            The outputs, see `compute_files`: probabilities are NaN where a file cannot be used,
            the others 0, or missing if no file can be. And the index of each such file -> why, as
            in "is not an image".
        """
        shape = (len(files), len(self.class_names))
        found = {"probabilities": np.full(shape, np.nan, np.float32)}
        bad = {index: why for index, one in enumerate(files) if (why := explain_decoded(one))}
        good = [index for index in range(len(files)) if index not in bad]
        while good:
            try:
                outputs = self.compute_files([files[index] for index in good])
            except UndecodableError as error:
                # The error lists only some indices when there are many.
                bad |= {good[position]: reason for position, reason in error.reasons.items()}
                good = [index for index in good if index not in bad]
                continue
            for name, values in outputs.items():
                empty = np.zeros((len(files), *values.shape[1:]), values.dtype)
                found.setdefault(name, empty)[good] = values
            break
        return found, dict(sorted(bad.items()))


def count_ties(probabilities: np.ndarray) -> int:
    """Counts the images of which several classes share the highest probability."""
    highest = probabilities.max(axis=1, keepdims=True)
    return int(np.sum(np.sum(probabilities == highest, axis=1) > 1))


def decode_all(files: Sequence[bytes], card: Mapping[str, Any]) -> np.ndarray:
    """Decodes image files to a model's input, float32 (files, size, size, 3) in 0..255.

    Raises:
        UndecodableError: If some cannot be decoded.
    """
    size, rule = card["input"]["image_size"], card["input"]["resize"]

    def decode_one(content: bytes) -> np.ndarray | str:
        decoder = _decode_at_once if _is_sooner_at_once(content, size, rule) else decode_and_resize
        try:
            pixels = decoder(tf.constant(content), image_size=size, rule=rule)
        except tf.errors.OpError as error:
            return explain(content, str(error))
        return np.asarray(pixels.numpy())

    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        decoded = list(pool.map(decode_one, files))
    if reasons := {index: why for index, why in enumerate(decoded) if isinstance(why, str)}:
        raise UndecodableError(reasons)
    return np.stack(decoded)


def _is_sooner_at_once(content: bytes, image_size: int, rule: str) -> bool:
    """Whether a file is decoded sooner by the operations one by one than in their graph.

    To trace the graph takes as long as to decode some dozens of the common files without, or of
    JPEGs of any kind. Other files may take much longer so.
    """
    is_quick = JPEG.matches(content) or find_common(
        content, smallest_side=smallest_side(image_size, rule)
    )
    return bool(is_quick) and next(DECODED) < WITHOUT_GRAPH


def _decode_at_once(image_bytes: tf.Tensor, *, image_size: int, rule: str) -> tf.Tensor:
    image = decode(image_bytes, smallest_side=smallest_side(image_size, rule))
    return resize(image, image_size=image_size, rule=rule)
