"""The description that travels with a model."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.source import Source
from kerastl.settings import RESULT
from kerastl.settings.images import KERAS, KERAS_ANTIALIAS, interpolation_of, manner_of
from kerastl.split_names import TEST, VALIDATION
from kerastl.version import VERSION

_SCORES = (
    "num_images",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "baseline_accuracy",
    "balanced_accuracy",
    "balanced_accuracy_low",
    "balanced_accuracy_high",
    "macro_f1",
    "macro_f1_low",
    "macro_f1_high",
)
_PRETRAINED_ON = {
    "imagenet": "ImageNet",
    "bundled": "shapes and letters that a program drew, no photographs",
    "own": "unknown (what came with the network)",
    "none": "nothing",
}


_PREDICTION = "The mean of the probabilities for the image and for its mirror image."
_CALIBRATION = (
    "The logits of each view are divided by a temperature of {:.4g}, which was fitted on "
    "validation images; it is in the weights of the head."
)
# What a client does that passes pixels.
_PREPARE = "Turn the image upright by its Exif orientation, {}. RGB without alpha, in 0..255."
_RESIZE = {
    "": "{}, antialiased where it shrinks",
    KERAS: "{}, not antialiased",
    KERAS_ANTIALIAS: "{}, antialiased where it shrinks, and not cut off at 0 and 255",
}
_FITS = {
    "crop": "cut out the largest centered square, and resize it to {size} x {size} ({how})",
    "pad": "resize it so that its longer side is {size} ({how}), and center it on black of "
    "{size} x {size}",
    "stretch": "resize it to {size} x {size}, whatever its shape ({how})",
}
_PAD_AS_KERAS = "add black at two sides to make it square, and resize it to {size} x {size} ({how})"
_REFUSED = (
    "What cannot be decoded, and JPEGs with a hole of zeros between their pixels. kerastl train, "
    "predict and serve see such a hole, which other readers, also the SavedModel by itself as in "
    "TensorFlow Serving, decode as gray or stripes."
)
_SETS = (
    "The set of an image holds its most probable class and every class whose probability is at "
    "least min_probability."
)
_KNOWN = (
    "An image is known if the distance of its features from the nearest class is at most "
    "max_distance. The SavedModel, the ONNX file and, by its signature serving_known, the LiteRT "
    "file return is_known and distance; LiteRT files of 8 or 16 bits do not. known_images.npz "
    "beside the Keras file has the arrays for the inputs of its layer logits, as float32: "
    "v = f / |f| - mean; w = v @ whitening; the distance is the smallest |w - center|."
)
_REFIT = (
    "The head was fitted to training and validation images together; the test scores are of the "
    "result."
)


def _describe_sets(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {**metrics["class_sets"], "rule": _SETS, TEST: metrics[TEST]["class_sets"]}


def _describe_known(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {**metrics["known"], "rule": _KNOWN, TEST: metrics[TEST]["known"]}


def model_card(source: Source, config: Config, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of `model_card.json`, with the scores of `metrics.json`.

    The fingerprint is that of the run: of its flags, data and results. Class names are in the
    order of the outputs. Flags are those that decide the model; directories are not among them.
    """
    flags = config.to_flags(*RESULT)
    made_of = json.dumps([flags, source.fingerprint(), metrics], sort_keys=True)
    manner = manner_of(config.resize)
    fit = _PAD_AS_KERAS if manner and config.fit == "pad" else _FITS[config.fit]
    how = _RESIZE[manner].format(interpolation_of(config.resize))
    # Earlier versions had none.
    temperature = metrics.get("temperature", {}).get("value", 1)
    return {
        "fingerprint": hashlib.sha256(made_of.encode()).hexdigest(),
        "input": {
            "image_size": config.image_size,
            "resize": config.resize,
            "pixels": "RGB in 0..255, which are scaled inside; the SavedModel decodes and resizes "
            "whole files too, others take pixels of this size",
            "prepare": _PREPARE.format(fit.format(size=config.image_size, how=how)),
            "refused": _REFUSED,
        },
        "class_names": list(source.class_names),
        TEST: {name: metrics[TEST][name] for name in _SCORES if name in metrics[TEST]},
        **({"calibration": _CALIBRATION.format(temperature)} if temperature != 1 else {}),
        **({"class_sets": _describe_sets(metrics)} if "class_sets" in metrics else {}),
        **({"known": _describe_known(metrics)} if "known" in metrics else {}),
        **({"prediction": _PREDICTION} if metrics.get("average_mirrored") else {}),
        **({"refit": _REFIT} if metrics.get(VALIDATION, {}).get("before_refit") else {}),
        "data": {"name": source.name, "fingerprint": source.fingerprint()},
        "backbone": config.backbone,
        "pretrained_on": _PRETRAINED_ON.get(config.weights, "unknown (user-supplied weights file)"),
        "flags": flags,
        "versions": {"kerastl": VERSION, "tensorflow": tf.__version__, "keras": keras.version()},
    }
