"""Builds a backbone and gives it its weights, or says in one line why it cannot."""

import contextlib
import hashlib
import io
import os
import pathlib
import re
import socket
import warnings
from collections.abc import Iterator

import keras

from kerastl.errors import KerastlError, bad_value
from kerastl.model.backbones import Backbone

_NETWORK_TIMEOUT_SECONDS = 20


def build_backbone(backbone: Backbone, *, weights: str, image_size: int) -> keras.Model:
    """Builds the network without its classifier.

    Args:
        backbone: Which network.
        weights: "imagenet", "none" or the path of a weights file, with or without the
            layers of a classifier: `.weights.h5`, `.h5` of keras.applications, or `.keras`.
        image_size: Side of the input, in pixels.

    Returns:
        Model named "backbone" from float32 (batch, image_size, image_size, 3) to features
        (batch, height, width, channels).

    Raises:
        KerastlError: If ImageNet weights are not there and cannot be downloaded.
        UsageError: If the file is missing, damaged or of another network.
    """
    if weights not in ("imagenet", "none"):
        _check_file(weights)
    build = getattr(keras.applications, backbone.name)
    arguments = {
        "include_top": False,
        "input_shape": (image_size, image_size, 3),
        "name": "backbone",
    }
    # Builders warn of sizes other than their weights' own, which is what is wanted here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if weights == "imagenet":
            with _explained_download(backbone):
                return build(weights="imagenet", **arguments)
        network = build(weights=None, **arguments)
    if weights != "none":
        _load_file(network, weights, backbone)
    return network


def fingerprint(model: keras.Model) -> str:
    """Hashes the values of all weights, in order; equal for equal weights, whatever the file."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()


def _check_file(path: str) -> None:
    if not pathlib.Path(path).is_file():
        raise bad_value(
            "weights", path, "is not a file", "Use imagenet, none or the path of a weights file"
        )
    if not path.endswith((".h5", ".keras")):
        raise bad_value(
            "weights",
            path,
            "does not end in .weights.h5, .h5 or .keras",
            "Give a file that Keras wrote",
        )


def _load_file(network: keras.Model, path: str, backbone: Backbone) -> None:
    try:
        if path.endswith(".keras"):
            source = keras.saving.load_model(path, compile=False)
            _copy_weights(source, network)
        else:
            network.load_weights(path)
    except (OSError, KeyError) as error:
        raise bad_value(
            "weights", path, "is damaged or no weights file of Keras", "Get the file again"
        ) from error
    except ValueError as error:
        if "File not found" in str(error):  # What Keras says of a .keras file that is no zip.
            raise bad_value(
                "weights", path, "is damaged or no weights file of Keras", "Get the file again"
            ) from error
        raise bad_value(
            "weights",
            path,
            f"holds the weights of another network than {backbone.name} ({_gist(error)})",
            f"Give a file for {backbone.name} or name its network as --backbone",
        ) from error


def _copy_weights(source: keras.Model, network: keras.Model) -> None:
    # A classifier that was trained here holds its backbone as a layer of that name.
    named = {layer.name: layer for layer in source.layers}
    network.set_weights(named.get("backbone", source).get_weights())


def _gist(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).split(". ")[0][:160]


@contextlib.contextmanager
def _explained_download(backbone: Backbone) -> Iterator[None]:
    cache_dir = pathlib.Path(keras.config.keras_home()) / "models"
    cached_before = set(os.listdir(cache_dir)) if cache_dir.is_dir() else set()
    timeout_before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT_SECONDS)
    try:
        # What Keras prints on the way has a progress bar and control characters.
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except Exception as error:
        # Keras raises a bare Exception for a failed download, with the address in its text.
        url = re.search(r"https?://\S+?(?=:? |$)", str(error))
        if type(error) is not Exception or url is None:
            raise
        address = url[0].rstrip(":")
        path = cache_dir / address.rsplit("/", 1)[-1]
        advice = (
            f"Download it where there is a network and give it as --weights=FILE, or put it at "
            f"{path}"
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
