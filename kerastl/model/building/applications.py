"""Builds a network of `keras.applications` with its weights, or reports why that is impossible."""

import contextlib
import hashlib
import io
import math
import os
import pathlib
import re
import socket
import tempfile
import warnings
import zipfile
from collections.abc import Iterator

import h5py
import keras
import numpy as np

from kerastl import internals
from kerastl.environment import keras_home
from kerastl.errors import KerastlError, bad_value
from kerastl.model.backbones import IMAGENET_DEVIATION, IMAGENET_MEAN, check_weights
from kerastl.model.boundaries import models_in
from kerastl.model.building.interface import BACKBONE, Built, named
from kerastl.model.sources.applications import Application
from kerastl.settings import ModelSettings
from kerastl.settings.model import BUNDLED

_NETWORK_TIMEOUT_SECONDS = 20
_GET_AGAIN = "Get the file again"

# Written by tools/pretrain_bundled.py.
_BUNDLED_PATH = pathlib.Path(__file__).parents[1] / "bundled.weights.h5"

# Extension of the format that Keras 3 writes; older files end in .h5 only.
_NEW_ENDING = ".weights.h5"

# MD5 of the files that Keras publishes for EfficientNetB0 to B7, with and without the top,
# https://github.com/keras-team/keras/blob/v3.15.1/keras/src/applications/efficientnet.py
PUBLISHED_EFFICIENTNETS = frozenset(
    [
        "902e53a9f72be733fc0bcb005b3ebbac",
        "50bc09e76180e00e4465e1a485ddc09d",
        "1d254153d4ab51201f1646940f018540",
        "74c4e6b3e1f6a1eea24c589628592432",
        "b15cce36ff4dcbd00b6dd88e7857a6ad",
        "111f8e2ac8aa800a7a99e3239f7bfb39",
        "ffd1fdc53d0ce67064dc6a9c7960ede0",
        "af6d107764bb5b1abb91932881670226",
        "18c95ad55216b8f92d7e70b3a046e2fc",
        "ebc24e6d6c33eaebbd558eafbeedf1ba",
        "ace28f2a6363774853a83a0b21b9421a",
        "38879255a25d3c92d5e44e04ae6cec6f",
        "165f6e37dce68623721b423839de8be5",
        "9ecce42647a20130c1f39a5d4cb75743",
        "8c03f828fec3ef71311cd463b6759d99",
        "cbcfe4450ddf6f3ad90b1b398090fe4a",
    ]
)


def build(backbone: Application, settings: ModelSettings) -> Built:
    """Builds what settings describe, see `build_backbone`."""
    network = build_backbone(backbone, weights=settings.weights, image_size=settings.image_size)
    return Built(network, backbone.scaling)


def build_backbone(backbone: Application, *, weights: str, image_size: int) -> keras.Model:
    """Builds the network without its classifier.

    Args:
        backbone: Which network.
        weights: "imagenet", "bundled", "none" or the path of a weights file, with or without
            the layers of a classifier: `.weights.h5`, `.h5` of keras.applications, or `.keras`.
        image_size: Side of the input, in pixels.

    Returns:
        Model named "backbone" from float32 (batch, image_size, image_size, 3) to float
        (batch, height, width, channels).

    Raises:
        KerastlError: If ImageNet weights are not there and cannot be downloaded.
        UsageError: If the file is missing, damaged or of another network.
    """
    check_weights(weights)
    build = getattr(keras.applications, backbone.builder)
    shape = (image_size, image_size, 3)
    arguments = {"include_top": False, "input_shape": shape, **backbone.arguments}
    # Builders warn about sizes that their weights were not made for, which are intended here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if weights == "imagenet":
            with _explained_download(backbone):
                return named(build(weights="imagenet", **arguments))
        network = build(weights=None, **arguments)
    if weights == "none":
        return named(network)
    _load_file(network, str(_BUNDLED_PATH) if weights == BUNDLED else weights, backbone)
    if not all(np.isfinite(values).all() for values in network.get_weights()):
        raise bad_value("weights", weights, "holds values that are not finite", _GET_AGAIN)
    if backbone.module == "efficientnet" and _is_published_efficientnet(weights, network):
        return _with_published_scaling(network)
    return named(network)


def _load_file(network: keras.Model, path: str, backbone: Application) -> None:
    try:
        with warnings.catch_warnings():
            # Keras warns of weights that it skips, and leaves them random.
            warnings.simplefilter("error", UserWarning)
            if path.endswith(".keras"):
                if not zipfile.is_zipfile(path):
                    raise OSError("no zip file")
                _copy_weights(keras.saving.load_model(path, compile=False), network, backbone)
            else:
                _load_h5(network, path, backbone)
    except _WholeClassifierError as error:
        # Names of layers do not identify the network: they differ in an EfficientNet with its
        # published scaling.
        raise bad_value(
            "weights",
            path,
            "is a checkpoint of a whole classifier, which does not hold its network",
            "Give the model.keras of its run",
        ) from error
    except (OSError, KeyError) as error:
        what = "is damaged or not a weights file of Keras"
        raise bad_value("weights", path, what, _GET_AGAIN) from error
    # A Sequential that holds another network has no `output`.
    except (ValueError, UserWarning, AttributeError) as error:
        raise bad_value(
            "weights",
            path,
            f"holds the weights of another network than {backbone.name}, or of its classifier "
            f"too ({_first_sentence(error)})",
            f"Give a file for {backbone.name} or name its network as --backbone",
        ) from error


def _copy_weights(source: keras.Model, network: keras.Model, backbone: Application) -> None:
    values = _backbone_in(source, network).get_weights()
    if len(values) > len(network.weights):
        whole = build_whole(backbone, num_classes=source.output.shape[-1])
        whole.set_weights(values)
        values = whole.get_weights()[: len(network.weights)]
    network.set_weights(values)


def _backbone_in(model: keras.Model, network: keras.Model) -> keras.Model:
    """Finds the part of a classifier that has the weights of `network`, or returns all of it."""
    shapes = [tuple(weight.shape) for weight in network.weights]
    for candidate in models_in(model):
        if [tuple(weight.shape) for weight in candidate.weights] == shapes:
            return candidate
    return model


def _load_h5(network: keras.Model, path: str, backbone: Application) -> None:
    try:
        with _by_content(path) as readable:
            network.load_weights(readable)
    except ValueError as error:
        if _has_new_format(path):
            raise
        # In the older format it may be a whole classifier of ImageNet, which has more layers.
        whole = build_whole(backbone, num_classes=1000)
        try:
            whole.load_weights(path)
        except ValueError:
            raise error from None
        network.set_weights(whole.get_weights()[: len(network.weights)])


@contextlib.contextmanager
def _by_content(path: str) -> Iterator[str]:
    """Yields a path to the same file, with the ending by which Keras knows its format."""
    with h5py.File(path) as file:
        layers = file.get(internals.KERAS_LAYERS, {})
        if internals.KERAS_NESTED_MODEL in layers and internals.KERAS_DENSE in layers:
            raise _WholeClassifierError
    is_new = _has_new_format(path)
    if is_new == path.endswith(_NEW_ENDING):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        renamed = pathlib.Path(folder) / ("weights" + (_NEW_ENDING if is_new else ".h5"))
        renamed.symlink_to(pathlib.Path(path).resolve())
        yield str(renamed)


def _has_new_format(path: str) -> bool:
    with h5py.File(path) as file:
        return internals.KERAS_LAYERS in file or internals.KERAS_LAYERS_BEFORE in file


class _WholeClassifierError(Exception):
    """The file is a checkpoint of a classifier; `_load_file` reports what to do."""


def build_whole(backbone: Application, *, num_classes: int) -> keras.Model:
    """Builds the network with its own classifier, whose weights come after all others."""
    build = getattr(keras.applications, backbone.builder)
    return build(weights=None, classes=num_classes, **backbone.arguments)


def _is_published_efficientnet(path: str, network: keras.Model) -> bool:
    """Decides whether weights belong to the graph that `weights="imagenet"` builds.

    That graph has one rescaling more than any other of the same EfficientNet.
    """
    if path.endswith(".keras"):
        model = keras.saving.load_model(path, compile=False)
        return _count_rescalings(_backbone_in(model, network)) > 1
    digest = hashlib.md5(pathlib.Path(path).read_bytes(), usedforsecurity=False)
    return digest.hexdigest() in PUBLISHED_EFFICIENTNETS


def _count_rescalings(model: keras.Model) -> int:
    return sum(
        isinstance(layer, keras.layers.Rescaling)
        for part in models_in(model)
        for layer in part.layers
    )


def _with_published_scaling(network: keras.Model) -> keras.Model:
    """Puts the rescaling that a published EfficientNet lacks in front of it.

    Keras has it after the normalization, as `y / sqrt(deviation)` with
    `y = (x / 255 - mean) / sqrt(variance)`; on the pixels `x` themselves that is
    `k x + 255 mean (1 - k)` with `k = 1 / sqrt(deviation)`,
    https://github.com/tensorflow/tensorflow/issues/49930
    """
    factors = [1 / math.sqrt(deviation) for deviation in IMAGENET_DEVIATION]
    offsets = [255 * mean * (1 - k) for mean, k in zip(IMAGENET_MEAN, factors, strict=True)]
    images = keras.Input(network.input.shape[1:], name="pixels")
    rescaled = keras.layers.Rescaling(factors, offsets, dtype="float32", name="published_scaling")
    return keras.Model(images, network(rescaled(images)), name=BACKBONE)


def _first_sentence(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).split(". ")[0][:160].rstrip(".")


@contextlib.contextmanager
def _explained_download(backbone: Application) -> Iterator[None]:
    cache_dir = keras_home() / "models"
    cached_before = set(os.listdir(cache_dir)) if cache_dir.is_dir() else set()
    timeout_before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT_SECONDS)
    try:
        # Keras prints a progress bar with control characters.
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except OSError as error:
        # Keras has no checksums for some networks, and opens any download.
        broken = [str(path) for path in cache_dir.glob("*.h5") if not h5py.is_hdf5(path)]
        if not broken:
            raise
        raise KerastlError(
            f"weights='imagenet': {broken[0]} is damaged. Remove it, and it is downloaded again."
        ) from error
    except Exception as error:
        # Keras raises a bare Exception for a failed download, with the address in its text.
        url = re.search(r"https?://\S+?(?=:? |$)", str(error))
        if type(error) is not Exception or url is None:
            raise
        address = url[0].rstrip(":")
        path = cache_dir / address.rsplit("/", 1)[-1]
        advice = (
            f"Download it where there is a network and give it as --weights=FILE, or put it at "
            f"{path}; --weights=bundled needs no download, and suits digits, letters and shapes"
        )
        if path.name in cached_before:
            raise KerastlError(
                f"weights='imagenet': checksum mismatch of {path}, a broken download that Keras "
                f"removed, and {address} cannot be reached. {advice}."
            ) from error
        raise KerastlError(
            f"weights='imagenet': {backbone.name} is not in {cache_dir} and {address} cannot be "
            f"reached. {advice}."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout_before)
