"""The SavedModel for serving: files or pixels in, probabilities and names out."""

import json
import pathlib
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kerastl.data.images import decode_and_resize, resize
from kerastl.data.reading import plain
from kerastl.export_formats import SAVEDMODEL_FILE
from kerastl.outputs.artifact import Artifact, Outputs, UndecodableError, decode_all
from kerastl.outputs.directories import RunFile
from kerastl.outputs.formats.interface import Exportable, label_text
from kerastl.training.class_sets import ClassSets
from kerastl.training.known_images import KnownImages, features_in

CLASS_NAMES = "class_names.txt"
DEFAULT_SIGNATURE = "serving_default"
_Card = Mapping[str, Any]
# Outputs of the default signature that `Artifact.predict` gives.
_WANTED = ("probabilities", "distance", "is_known")
# Files of one request that are decoded at a time, whatever cores the server has.
_PARALLEL_DECODERS = 8
# Largest number of indices that an error names.
_INDICES_NAMED = 100
_UNDECODABLE = "image_bytes: no image that can be decoded at index"
# How TensorFlow words that; dots stand for more indices than it names.
_UNDECODABLE_INDICES = re.compile(rf"{_UNDECODABLE}\] \[([\d\s.]+)\]")


def write(model: Exportable, path: pathlib.Path) -> None:
    """Writes a SavedModel with its signatures, and `class_names.txt` and `model_card.json` in it.

    Class names and the resizing of images are those of the card.

    `serving_default` takes `image_bytes`, string (batch,), whole image files. `images` takes
    `images`, uint8 (batch, height, width, 3), RGB of any size. Both return `probabilities` and
    `logits`, float32 (batch, classes), `class_name`, string (batch,), and `confidence`, float32
    (batch,), the probability of that class; and, where the card has `class_sets`, `in_set`, bool
    (batch, classes), the classes in the set of each image; and, of a model that decides which
    images are known, `is_known`, bool (batch,), and `distance`, float32 (batch,). `features` takes
    `image_bytes` too and returns `features`, float32 (batch, channels), the pooled features below
    the head; also those of the mirror image, `mirrored_features`, where the prediction is the mean
    for both. Where files cannot be decoded, the error is "image_bytes: no image that can be decoded
    at index" and the indices.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        # An asset keeps the name of the file that it comes from.
        assets = {
            CLASS_NAMES: label_text(model.card["class_names"]),
            RunFile.CARD: card_text(model.card),
        }
        paths = [pathlib.Path(folder) / name for name in assets]
        for asset, text in zip(paths, assets.values(), strict=True):
            asset.write_text(text, encoding="utf-8")
        network = model.outputs()
        module = tf.Module()
        # Only the variables: a Keras model as attribute would save all its Python objects.
        known = model.known.as_variables() if model.known else None
        module.weights = [weight.value for weight in network.weights]
        module.known = known.arrays if known else {}
        module.assets = [tf.saved_model.Asset(str(path)) for path in paths]
        signatures = _trace_signatures(network, model.card, known)
        tf.saved_model.save(module, str(path), signatures=signatures)


def write_card(directory: pathlib.Path, card: Mapping[str, Any]) -> None:
    """Writes `model_card.json` to a directory, and replaces that of a SavedModel in it."""
    for place in (directory, directory / "assets"):
        if place.is_dir():
            (place / RunFile.CARD).write_text(card_text(card), encoding="utf-8")


def card_text(card: Mapping[str, Any]) -> str:
    """Returns a card as the text of its file."""
    return json.dumps(card, indent=2, ensure_ascii=False) + "\n"


def _trace_signatures(network: Any, card: _Card, known: KnownImages | None) -> dict[str, Any]:
    """Traces the functions of a SavedModel.

    What they share is a function of its own: it is traced, written and read once. All are traced
    before they are saved, as while it saves TensorFlow traces again what it has traced before.
    """
    rule = card["input"]["resize"]
    image_size = network.input.shape[1]
    files = tf.TensorSpec([None], tf.string, name="image_bytes")
    pixels = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")

    @tf.function(input_signature=[tf.TensorSpec(network.input.shape)], autograph=False)
    def compute(images: tf.Tensor) -> Any:
        return network(images, training=False)

    @tf.function(input_signature=[files], autograph=False)
    def decode(image_bytes: tf.Tensor) -> tf.Tensor:
        return _decode_all(image_bytes, image_size=image_size, resize_rule=rule)

    @tf.function(input_signature=[files], autograph=False)
    def serve_files(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return _classify(compute(decode(image_bytes)), card, known)

    @tf.function(input_signature=[files], autograph=False)
    def serve_features(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = compute(decode(image_bytes))
        del outputs["logits"]
        return {name: tf.cast(value, tf.float32) for name, value in outputs.items()}

    @tf.function(input_signature=[pixels], autograph=False)
    def serve_pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = resize(images, image_size=image_size, rule=rule)
        return _classify(compute(images), card, known)

    return {
        DEFAULT_SIGNATURE: serve_files.get_concrete_function(),
        "images": serve_pixels.get_concrete_function(),
        "features": serve_features.get_concrete_function(),
    }


def _classify(
    computed: Mapping[str, tf.Tensor], card: _Card, known: KnownImages | None
) -> dict[str, tf.Tensor]:
    class_names, logits = tuple(card["class_names"]), computed["logits"]
    probabilities = tf.nn.softmax(logits)
    named = tf.argmax(probabilities, axis=-1)
    outputs = {
        "logits": logits,
        "probabilities": probabilities,
        "class_name": tf.gather(tf.constant(class_names), named),
        "confidence": tf.reduce_max(probabilities, axis=-1),
    }
    if sets := ClassSets.read(card):
        is_named = tf.one_hot(named, len(class_names), on_value=True, off_value=False)
        outputs["in_set"] = (probabilities >= sets.min_probability) | is_named
    return outputs | (known.describe(features_in(computed)) if known else {})


def _decode_all(image_bytes: tf.Tensor, *, image_size: int, resize_rule: str) -> tf.Tensor:
    """Decodes each file of a batch; an error names those that cannot be, by their index.

    A dataset is the only place in a graph where an operation may fail and the rest go on.
    """
    count = tf.size(image_bytes, out_type=tf.int64)
    options = tf.data.Options()
    # Its thread would outlive the request by seconds.
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False

    @plain
    def decode_one(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        content = image_bytes[index]
        return index, decode_and_resize(content, image_size=image_size, rule=resize_rule)

    # A sentinel element: get_single_element fails on an empty dataset.
    last = tf.data.Dataset.from_tensors((count, tf.zeros([image_size, image_size, 3])))
    decoded = (
        tf.data.Dataset.range(count)
        .map(decode_one, num_parallel_calls=_PARALLEL_DECODERS, deterministic=True)
        .ignore_errors()
        .concatenate(last)
        .batch(count + 1)
        .with_options(options)
    )
    indices, images = decoded.get_single_element()
    is_there = tf.reduce_any(tf.equal(tf.range(count)[:, tf.newaxis], indices), axis=1)
    failed = tf.where(~is_there)[:, 0]
    checks = [
        tf.debugging.Assert(count > 0, ["image_bytes: is an empty batch"]),
        tf.debugging.Assert(
            tf.reduce_all(is_there), [_UNDECODABLE, failed], summarize=_INDICES_NAMED
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.ensure_shape(images[:-1], [None, image_size, image_size, 3])


def open(path: pathlib.Path, card: dict[str, Any]) -> Artifact:
    """Opens a SavedModel's directory with TensorFlow only."""
    signatures = tf.saved_model.load(str(path)).signatures

    def classify(images: np.ndarray) -> np.ndarray:
        outputs = signatures["images"](images=tf.constant(np.round(images), tf.uint8))
        return np.asarray(outputs["probabilities"].numpy())

    def compute_files(files: Sequence[bytes]) -> Outputs:
        try:
            outputs = signatures[DEFAULT_SIGNATURE](image_bytes=tf.constant(list(files)))
        except tf.errors.InvalidArgumentError as error:
            undecodable = undecodable_indices(error)
            if not undecodable:
                raise
            # The graph reports which; decoding them again shows why.
            raise UndecodableError(_reasons(undecodable, files, card)) from error
        return {name: outputs[name].numpy() for name in _WANTED if name in outputs}

    tells_known = "is_known" in signatures[DEFAULT_SIGNATURE].structured_outputs
    return Artifact(path, card, classify, compute_files, signatures, tells_known)


def read_needs(path: pathlib.Path) -> dict[str, Any]:
    """Reads the version that wrote a SavedModel, and the oldest graph that may be read."""
    content = (path / SAVEDMODEL_FILE).read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    version = graph.meta_info_def.tensorflow_version
    return {
        "oldest_runtime": f"TensorFlow or TensorFlow Serving {version}, which wrote it",
        "tensorflow_version": version,
        "graph_producer": graph.graph_def.versions.producer,
        "graph_min_consumer": graph.graph_def.versions.min_consumer,
    }


def undecodable_indices(error: tf.errors.InvalidArgumentError) -> set[int]:
    """Returns the files that a SavedModel's error names; none for another error."""
    found = _UNDECODABLE_INDICES.search(str(error))
    return {int(number) for number in re.findall(r"\d+", found[1])} if found else set()


def _reasons(
    indices: Iterable[int], files: Sequence[bytes], card: Mapping[str, Any]
) -> dict[int, str]:
    reasons = dict.fromkeys(indices, "was refused by the model")
    for index in reasons:
        try:
            decode_all([files[index]], card)
        except UndecodableError as error:
            reasons[index] = error.reasons[0]
    return reasons
