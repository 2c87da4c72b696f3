"""The key of stored features: all but the image that decides them (`store` adds the shape).

An image's own key is the hash of its content (`data.content`).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerastl.data import augment, images
from kerastl.data.content import hash_files
from kerastl.data.store import FeatureStore
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
        "format": 4,
        "kerastl": hash_files(*images.SOURCES, *modules),
        "tensorflow": tf.__version__,
        "keras": keras.version(),
        "device": [
            tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus
        ],
    }


def _hash_layers(calls: Sequence[LayerCall]) -> str:
    """Hashes what layers are and do.

    Not their names, in which Keras counts, nor whether they train, which a phase may change.
    """
    apart = {"name": "", "trainable": False}
    configs = [[type(call.layer).__name__, call.layer.get_config() | apart] for call in calls]
    return hashlib.sha256(json.dumps(configs, sort_keys=True, default=str).encode()).hexdigest()
