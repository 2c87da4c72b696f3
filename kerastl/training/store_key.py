"""The key of stored features: all but the image that decides them (`store` adds the shape).

An image's own key is the hash of its content (`data.content`).
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerastl.data import augment, images
from kerastl.data.content import hash_files
from kerastl.data.store import FeatureStore
from kerastl.internals import sublayers
from kerastl.model import build, folding
from kerastl.model.boundaries import Boundary, LayerCall
from kerastl.model.building.interface import fingerprint
from kerastl.model.network import Network
from kerastl.settings import Decides, ModelSettings, StoreSettings
from kerastl.training import features


def open_store(
    network: Network, boundary: Boundary, *, model: ModelSettings, store: StoreSettings
) -> FeatureStore | None:
    """Opens the features at a boundary; None if these settings store none."""
    # From scratch nothing is frozen.
    if model.from_scratch or store.memory_path is None:
        return None
    return FeatureStore(
        store.memory_path,
        _key(network, boundary, model),
        shape=tuple(boundary.tensor.shape[1:]),
        dtype=store.cache_dtype,
    )


def _key(network: Network, boundary: Boundary, model: ModelSettings) -> dict[str, Any]:
    gpus = tf.config.list_physical_devices("GPU")
    modules = (augment.__file__, build.__file__, folding.__file__, features.__file__, __file__)
    # The whole `Config` of a run and the settings of a model alone have to give the same key.
    return model.deciding(Decides.FEATURES, of=ModelSettings) | {
        # Not the paths of files, but what is in them: other files may have the same weights. "auto"
        # may be any precision.
        "backbone": network.backbone.label or model.backbone,
        "weights": fingerprint(network.lower(boundary)),
        "precision": str(boundary.tensor.dtype),
        "layers": _hash_layers(network.calls[: boundary.position]),
        "boundary": boundary.position,
        "format": 5,
        "kerastl": hash_files(*images.SOURCES, *modules),
        "tensorflow": tf.__version__,
        "keras": keras.version(),
        # However many there are of a kind.
        "device": sorted(
            {str(tf.config.experimental.get_device_details(gpu).get("device_name")) for gpu in gpus}
        ),
    }


def _hash_layers(calls: Sequence[LayerCall]) -> str:
    """Hashes what layers are and do, with the versions of the packages that they are from."""
    layers = [[_describe(call.layer), call.outputs[0].shape] for call in calls]
    packages = {type(call.layer).__module__.partition(".")[0] for call in calls}
    described = json.dumps(
        [layers, sorted(map(_version_of, packages))], sort_keys=True, default=str
    )
    return hashlib.sha256(described.encode()).hexdigest()


def _describe(layer: Any) -> list[Any]:
    """Describes a layer, by what it holds where it has no config.

    Not by its name, in which Keras counts, nor by whether it trains, which a phase may change.
    """
    kind = type(layer).__name__
    try:
        config = layer.get_config() | {"name": "", "trainable": False}
    except (AttributeError, NotImplementedError, TypeError):
        # As of some in KerasHub 0.32, whose descriptions ask for what they do not have.
        return [kind, *map(_describe, sublayers(layer))]
    return [kind, sorted(config.items())]


def _version_of(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return package
