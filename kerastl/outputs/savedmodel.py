"""The SavedModel for serving: files or pixels in, probabilities and names out."""

import json
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerastl.data.images import decode_and_resize, resize
from kerastl.model.build import POOLED
from kerastl.outputs.formats import CARD

# Files of one request that are decoded at a time, whatever cores the server has.
_PARALLEL_DECODERS = 8
# Of a batch in which nothing is an image, an error names so many.
_INDICES_NAMED = 100


def write_savedmodel(
    classifier: keras.Model,
    path: pathlib.Path,
    *,
    card: Mapping[str, Any],
) -> None:
    """Writes a SavedModel with its signatures, and `class_names.txt` and `model_card.json` in it.

    Class names and the way that images are resized are those of the card.

    `serving_default` takes `image_bytes`, string (batch,), whole image files. `images` takes
    `images`, uint8 (batch, height, width, 3), RGB of any size. Both give `probabilities` and
    `logits`, float32 (batch, classes), `class_name`, string (batch,), and `confidence`, float32
    (batch,), the probability of that class. `features` takes `image_bytes` too and gives
    `features`, float32 (batch, channels), the pooled features below the head. Where files cannot
    be decoded, the error says "image_bytes: no image that can be decoded at index" and which.
    """
    with tempfile.TemporaryDirectory() as folder:
        # An asset keeps the name of the file that it comes from.
        assets = {
            "class_names.txt": "".join(f"{name}\n" for name in card["class_names"]),
            CARD: _text(card),
        }
        paths = [pathlib.Path(folder) / name for name in assets]
        for path_of_asset, text in zip(paths, assets.values(), strict=True):
            path_of_asset.write_text(text, encoding="utf-8")
        module = _Server(
            classifier,
            paths,
            class_names=tuple(card["class_names"]),
            resize_rule=card["input"]["resize"],
        )
        tf.saved_model.save(
            module,
            str(path),
            signatures={
                "serving_default": module.serve_files,
                "images": module.serve_pixels,
                "features": module.serve_features,
            },
        )


def write_card(directory: pathlib.Path, card: Mapping[str, Any]) -> None:
    """Writes `model_card.json` to a directory, and anew into the SavedModel that is there."""
    for place in (directory, directory / "assets"):
        if place.is_dir():
            (place / CARD).write_text(_text(card), encoding="utf-8")


def _text(card: Mapping[str, Any]) -> str:
    return json.dumps(card, indent=2, ensure_ascii=False) + "\n"


class _Server(tf.Module):
    """Holds the weights and the functions of a SavedModel."""

    serve_files: Callable[..., dict[str, tf.Tensor]]
    serve_pixels: Callable[..., dict[str, tf.Tensor]]
    serve_features: Callable[..., dict[str, tf.Tensor]]

    def __init__(
        self,
        classifier: keras.Model,
        assets: Sequence[pathlib.Path],
        *,
        class_names: tuple[str, ...],
        resize_rule: str,
    ) -> None:
        super().__init__()
        image_size = classifier.input.shape[1]
        # The variables alone: a Keras model as attribute would bring all its Python objects.
        self.weights = [weight.value for weight in classifier.weights]
        self.assets = [tf.saved_model.Asset(str(path)) for path in assets]

        pooled = keras.Model(classifier.inputs, classifier.get_layer(POOLED).output)
        files = tf.TensorSpec([None], tf.string, name="image_bytes")

        def decode_all(image_bytes: tf.Tensor) -> tf.Tensor:
            return _decode_all(image_bytes, image_size=image_size, resize_rule=resize_rule)

        def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = classifier(images, training=False)
            probabilities = tf.nn.softmax(logits)
            names = tf.constant(class_names)
            return {
                "logits": logits,
                "probabilities": probabilities,
                "class_name": tf.gather(names, tf.argmax(probabilities, axis=-1)),
                "confidence": tf.reduce_max(probabilities, axis=-1),
            }

        @tf.function(input_signature=[files])
        def serve_files(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return answer(decode_all(image_bytes))

        @tf.function(input_signature=[files])
        def serve_features(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            features = pooled(decode_all(image_bytes), training=False)
            return {"features": tf.cast(features, tf.float32)}

        @tf.function(
            input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")]
        )
        def serve_pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return answer(resize(images, image_size=image_size, rule=resize_rule))

        self.serve_files, self.serve_pixels = serve_files, serve_pixels
        self.serve_features = serve_features


def _decode_all(image_bytes: tf.Tensor, *, image_size: int, resize_rule: str) -> tf.Tensor:
    """Decodes each file of a batch; those that cannot be are named by their index.

    A dataset is the only place in a graph where an operation may fail and the rest go on.
    """
    count = tf.size(image_bytes, out_type=tf.int64)
    options = tf.data.Options()
    # Its thread would outlive the request by seconds.
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False

    def decode_one(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        content = image_bytes[index]
        return index, decode_and_resize(content, image_size=image_size, rule=resize_rule)

    # An element that is always there, as no single element can be got out of none.
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
    message = ["image_bytes: no image that can be decoded at index", failed]
    checks = [
        tf.debugging.Assert(count > 0, ["image_bytes: is an empty batch"]),
        tf.debugging.Assert(tf.reduce_all(is_there), message, summarize=_INDICES_NAMED),
    ]
    with tf.control_dependencies(checks):
        return tf.ensure_shape(images[:-1], [None, image_size, image_size, 3])
