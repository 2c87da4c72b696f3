"""Builds a network from a file that Keras wrote."""

import keras

from kerastl.errors import bad_value, first_line
from kerastl.model.backbones import SCALINGS
from kerastl.model.building.interface import BACKBONE, Built, call_alone, name_apart
from kerastl.model.building.probe import check_features, compare_scalings
from kerastl.model.sources.keras_file import KerasFile
from kerastl.paths import local_path
from kerastl.settings import ModelSettings

_RANKS = (2, 3, 4)


def build(row: KerasFile, settings: ModelSettings) -> Built:
    """Reads the model in safe mode, and tries it on a few images.

    Raises:
        UsageError: If it cannot be read or built for the image size, or if what it makes of images
            shows that something is wrong.
    """
    path = local_path(row.name, field="backbone")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        if settings.from_scratch:
            model = keras.models.clone_model(model)
        name_apart(model)
        images = keras.Input((settings.image_size, settings.image_size, 3), name="pixels")
        network = keras.Model(images, call_alone(model, images), name=BACKBONE)
    # Keras raises errors of all kinds for what it does not know, with the cause in their texts.
    except (TypeError, ValueError, ImportError, AttributeError, KeyError, OSError) as error:
        raise bad_value(
            "backbone",
            row.name,
            f"cannot be opened for images of {settings.image_size} px ({first_line(error)})",
            "Save a functional model of layers of Keras alone that takes such images",
        ) from error
    if len(network.output.shape) not in _RANKS:
        raise bad_value(
            "backbone",
            row.name,
            f"gives {tuple(network.output.shape)}",
            "Save a model to a map, to tokens or to a vector of features",
        )
    scaling = SCALINGS[settings.input_scaling]
    if settings.from_scratch:
        return Built(network, scaling)
    check_features(network, scaling, value=settings.input_scaling)
    return Built(
        network, scaling, compare_scalings(network, SCALINGS, value=settings.input_scaling)
    )
