"""What was exported as whoever serves it has it: opened by the runtime of its format."""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerastl import environment
from kerastl.data.images import decode_and_resize
from kerastl.data.refusals import explain

_CORES = os.cpu_count() or 1
# What a SavedModel says of files that it cannot decode; dots stand for more than it names.
_REFUSED = re.compile(r"no image that can be decoded at index\] \[([\d\s.]+)\]")
# ONNX Runtime's level of logging at which what it writes is an error that it raises too.
_FATAL = 4


class Undecodable(Exception):  # noqa: N818  what it is, and `Artefact.answer` takes care of it
    """Files of a batch cannot be decoded.

    Attributes:
        reasons: For the index of each, why, as in "is no image".
    """

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(str(reasons))
        self.reasons = reasons


@dataclasses.dataclass(frozen=True, eq=False)
class Artefact:
    """A model that was opened.

    Attributes:
        path: Its file or directory.
        card: The content of the `model_card.json` beside it.
        classify: Takes pixels as the decoder gives them, float32 (batch, size, size, 3) in
            0..255; gives probabilities, float32 (batch, classes).
        classify_files: Likewise of whole image files; raises `Undecodable`.
        signatures: A SavedModel's functions by name; empty for the other formats.
    """

    path: pathlib.Path
    card: dict[str, Any]
    classify: Callable[[np.ndarray], np.ndarray]
    classify_files: Callable[[Sequence[bytes]], np.ndarray]
    signatures: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return tuple(self.card["class_names"])

    def answer(self, files: Sequence[bytes]) -> tuple[np.ndarray, dict[int, str]]:
        """Classifies whole image files.

        Returns:
            Probabilities, float32 (files, classes), of NaN where a file cannot be decoded; and
            for the index of each of those, why, as in "is no image".
        """
        answers = np.full((len(files), len(self.class_names)), np.nan, np.float32)
        good: list[int] = list(range(len(files)))
        bad: dict[int, str] = {}
        while good:
            try:
                answers[good] = self.classify_files([files[index] for index in good])
                break
            except Undecodable as error:
                # Of very many not all are named at once.
                bad |= {good[place]: reason for place, reason in error.reasons.items()}
                good = [index for index in good if index not in bad]
        return answers, dict(sorted(bad.items()))


def refused_indices(error: tf.errors.InvalidArgumentError) -> set[int]:
    """Reads from what a SavedModel says which files it cannot decode; none for another error."""
    found = _REFUSED.search(str(error))
    return {int(number) for number in re.findall(r"\d+", found[1])} if found else set()


def decode_all(files: Sequence[bytes], card: dict[str, Any]) -> np.ndarray:
    """Decodes image files to what a model takes, float32 (files, size, size, 3) in 0..255.

    Raises:
        Undecodable: If some cannot be.
    """
    size, rule = card["input"]["image_size"], card["input"]["resize"]

    def decode(content: bytes) -> np.ndarray | str:
        try:
            pixels = decode_and_resize(tf.constant(content), image_size=size, rule=rule)
        except tf.errors.OpError as error:
            return explain(content, str(error))
        return np.asarray(pixels.numpy())

    with concurrent.futures.ThreadPoolExecutor(_CORES) as pool:
        decoded = list(pool.map(decode, files))
    if reasons := {index: why for index, why in enumerate(decoded) if isinstance(why, str)}:
        raise Undecodable(reasons)
    return np.stack(decoded)


def _of_pixels(
    path: pathlib.Path, card: dict[str, Any], classify: Callable[[np.ndarray], np.ndarray]
) -> Artefact:
    return Artefact(path, card, classify, lambda files: classify(decode_all(files, card)))


def open_savedmodel(path: pathlib.Path, card: dict[str, Any]) -> Artefact:
    """Opens a SavedModel's directory with TensorFlow alone."""
    signatures = tf.saved_model.load(str(path)).signatures

    def classify(images: np.ndarray) -> np.ndarray:
        answer = signatures["images"](images=tf.constant(np.round(images), tf.uint8))
        return np.asarray(answer["probabilities"].numpy())

    def classify_files(files: Sequence[bytes]) -> np.ndarray:
        try:
            answer = signatures["serving_default"](image_bytes=tf.constant(list(files)))
        except tf.errors.InvalidArgumentError as error:
            refused = refused_indices(error)
            if not refused:
                raise
            # The graph says which, and decoding once more says why.
            raise Undecodable(_reasons(refused, files, card)) from error
        return np.asarray(answer["probabilities"].numpy())

    return Artefact(path, card, classify, classify_files, signatures)


def _reasons(
    indices: Iterable[int], files: Sequence[bytes], card: dict[str, Any]
) -> dict[int, str]:
    reasons = dict.fromkeys(indices, "was refused by the model")
    for index in reasons:
        try:
            decode_all([files[index]], card)
        except Undecodable as error:
            reasons[index] = error.reasons[0]
    return reasons


def open_keras(path: pathlib.Path, card: dict[str, Any]) -> Artefact:
    """Opens a `.keras` file, from pixels to logits, with Keras alone."""
    import keras  # noqa: PLC0415  no other format needs it

    model = keras.saving.load_model(path)
    call = tf.function(
        lambda images: tf.nn.softmax(model(images, training=False)),
        # Batches of all sizes share one trace.
        input_signature=[tf.TensorSpec([None, *model.input.shape[1:]], tf.float32)],
        autograph=False,
    )
    return _of_pixels(path, card, lambda images: np.asarray(call(tf.constant(images)).numpy()))


def open_litert(path: pathlib.Path, card: dict[str, Any]) -> Artefact:
    """Opens a `.tflite` file, of any type of numbers, with ai-edge-litert."""
    from ai_edge_litert import interpreter  # noqa: PLC0415  an extra

    model = interpreter.Interpreter(str(path), num_threads=_CORES)
    with environment.quiet():
        # The first time it says what it computes with.
        model.allocate_tensors()
    taken, given = model.get_input_details()[0], model.get_output_details()[0]

    def classify(images: np.ndarray) -> np.ndarray:
        model.resize_tensor_input(taken["index"], images.shape)
        model.allocate_tensors()
        model.set_tensor(taken["index"], _quantized(images, taken))
        model.invoke()
        return _dequantized(model.get_tensor(given["index"]), given)

    return _of_pixels(path, card, classify)


def _quantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Rounds to what an 8-bit tensor holds, by its own scale and zero."""
    # https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
    if tensor["dtype"] == np.float32:
        return values
    scale, zero = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    rounded = np.clip(np.round(values / scale + zero), limits.min, limits.max)
    return np.asarray(rounded, tensor["dtype"])


def _dequantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero = tensor["quantization"]
    return np.asarray((values.astype(np.float32) - zero) * scale, np.float32)


def open_onnx(path: pathlib.Path, card: dict[str, Any]) -> Artefact:
    """Opens an `.onnx` file with ONNX Runtime."""
    import onnxruntime  # noqa: PLC0415  an extra

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:
        # Its own errors have no kind in common.
        raise ValueError(str(error)) from error
    name = session.get_inputs()[0].name
    return _of_pixels(path, card, lambda images: np.asarray(session.run(None, {name: images})[0]))
