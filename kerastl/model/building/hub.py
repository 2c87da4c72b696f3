"""Builds networks of KerasHub from presets."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from kerastl.errors import KerastlError, bad_value, first_line
from kerastl.model.backbones import Scaling
from kerastl.model.boundaries import trace_calls
from kerastl.model.building.hub_texts import open_texts
from kerastl.model.building.interface import BACKBONE, Built, call_alone, name_apart
from kerastl.model.building.probe import check_features
from kerastl.model.sources import hub_files
from kerastl.model.sources.hub import (
    CLASS_AND_PATCHES,
    CLASS_TOKEN,
    FAMILIES,
    Family,
    Preset,
    check_kind,
)
from kerastl.settings import ModelSettings
from kerastl.settings.images import KERAS, KERAS_ANTIALIAS

_SAVE_AGAIN = "Save the backbone and its image converter there again, with save_to_preset"


def build(row: Preset, settings: ModelSettings) -> Built:
    """Builds a preset's network for images, and reads its scaling from its image converter.

    Raises:
        KerastlError: If its files are not there and cannot be downloaded.
        UsageError: If it is no network for images, or does not take this size.
    """
    with _explained(row):
        whole = keras_hub.models.Backbone.from_preset(
            row.preset,
            load_weights=not settings.from_scratch,
            dtype=keras.config.dtype_policy().name,
        )
    converter = _open_converter(row)
    check_kind(row.name, type(whole).__name__)
    family = FAMILIES[type(whole).__name__]
    shape = (settings.image_size, settings.image_size, 3)
    tower, notes = _fitted(getattr(whole, family.tower) if family.tower else whole, shape, row)
    name_apart(tower)
    images = keras.Input(shape, name="pixels")
    features = _pool(call_alone(tower, images), family, whole)
    network = keras.Model(images, features, name=BACKBONE)
    _mend_shapes(network)
    scaling = read_scaling(converter)
    if not settings.from_scratch:
        check_features(network, scaling, value="")
    if family.is_inherited and not row.licence:
        notes = (*notes, f"the weights are under the {family.licence}")
    texts = open_texts(whole, family, row, settings) if settings.class_prompts else None
    return Built(network, scaling, notes, texts)


def find_resize(row: Preset) -> tuple[str, str]:
    """Reads from a preset's image converter the first part of a `resize`, and the others.

    Raises:
        KerastlError: If its files are not there and cannot be downloaded.
    """
    converter = _open_converter(row)
    fit = "stretch"
    if converter.crop_to_aspect_ratio or converter.pad_to_aspect_ratio:
        fit = "crop" if converter.crop_to_aspect_ratio else "pad"
    manner = KERAS_ANTIALIAS if converter.antialias else KERAS
    return fit, f"{converter.interpolation}:{manner}"


def _open_converter(row: Preset) -> Any:
    with _explained(row):
        converter = keras_hub.layers.ImageConverter.from_preset(row.preset)
    if converter is None:
        raise KerastlError(
            f"backbone={row.name!r}: has no image converter, which resizes and scales. "
            "Save one beside it with save_to_preset, and give --backbone=hub:DIR."
        )
    return converter


def read_scaling(converter: Any) -> Scaling | None:
    """Reads how an image converter of KerasHub scales pixels; None where it does not."""
    return hub_files.read_scaling(converter.scale, converter.offset)


def _mend_shapes(network: keras.Model) -> None:
    """Corrects the shapes that layers state of their outputs, by which features are stored.

    In KerasHub 0.32 the embedding of SigLIP states a token more than it gives, and what merges
    the patches of Swin states no number.
    """
    inputs, _, calls = trace_calls(network)
    known = [call for call in calls if isinstance(call.layer, keras.Layer)]
    black = np.zeros((1, *network.input.shape[1:]), np.float32)
    seen = keras.Model(inputs, [call.outputs[0] for call in known])(black)
    for call, output in zip(known, seen, strict=True):
        real = (None, *output.shape[1:])
        if len(call.outputs) == 1 and tuple(call.outputs[0].shape) != real:
            call.layer.compute_output_shape = _stating(real)


def _stating(shape: tuple[int | None, ...]) -> Callable[..., tuple[int | None, ...]]:
    # Keras passes the shapes of inputs to every parameter that has a name.
    return lambda *_, **__: shape


def _pool(features: keras.KerasTensor, family: Family, whole: keras.Model) -> keras.KerasTensor:
    """Takes the class token, or with it the mean of the patches, where the family has one."""
    if family.sees not in (CLASS_TOKEN, CLASS_AND_PATCHES):
        return features
    count = features.shape[1]
    if family.norm:
        features = getattr(whole, family.norm)(features)
    first = keras.layers.Cropping1D((0, count - 1), name="class_token")(features)
    first = keras.layers.Flatten(name="class_features")(first)
    if family.sees == CLASS_TOKEN:
        return first
    before = 1 + getattr(whole, "num_register_tokens", 0)
    patches = keras.layers.Cropping1D((before, 0), name="patch_tokens")(features)
    mean = keras.layers.GlobalAveragePooling1D(name="patch_features")(patches)
    return keras.layers.Concatenate(name="class_and_patches")([first, mean])


# The sizes that a network is built for. DINOv2 has that of the positions that it was trained with
# beside its own, and its files hold those alone: at one size they are what it computes with.
_SIZES = ("image_shape", "position_embedding_shape")
# Begins the name of a weight that a layer derives from another one when it is loaded.
_DERIVED = "interpolated_"


def _fitted(
    tower: keras.Model, shape: tuple[int, int, int], row: Preset
) -> tuple[keras.Model, tuple[str, ...]]:
    """Builds a network again for images of another size, and for one output.

    Returns:
        The network, and remarks for the user.
    """
    config = tower.get_config()
    sizes = {name: config[name] for name in _SIZES if None not in (config.get(name) or (None,))}
    changes: dict[str, Any] = {
        name: shape for name, known in sizes.items() if tuple(known) != shape
    }
    if isinstance(tower.output, dict):
        # The maps of all its stages, the last of which the head sees.
        changes["out_features"] = [list(tower.output)[-1]]
    if not changes:
        return tower, ()
    try:
        other = type(tower).from_config(config | changes)
    except ValueError as error:
        raise bad_value(
            "image_size",
            shape[0],
            f"is no size that {row.name} takes ({first_line(error)})",
            f"Use --image_size={sizes[_SIZES[0]][0]}" if sizes else "Use another",
        ) from error
    changed = ""
    antialias = getattr(tower, "antialias_in_interpolation", True)
    weights = {weight.path: weight for weight in tower.weights}
    for weight, own in zip(other.weights, tower.weights, strict=True):
        given = weights.get(own.path.replace(_DERIVED, ""), own)
        if weight.shape == given.shape:
            weight.assign(given)
        elif weight.dtype.startswith("float"):
            changed = _interpolate(given, weight, antialias=antialias)
    return other, (f"position embeddings are interpolated from {changed} patches",) * bool(changed)


def _interpolate(given: Any, weight: Any, *, antialias: bool) -> str:
    """Interpolates position embeddings, (..., positions, channels); returns from what to what.

    What comes before the patches, such as a class token, has none of the grid's positions.
    """
    values = keras.ops.convert_to_numpy(given)
    many, few = given.shape[-2], weight.shape[-2]
    before = next(
        extra
        for extra in range(min(many, few))
        if math.isqrt(many - extra) ** 2 == many - extra
        and math.isqrt(few - extra) ** 2 == few - extra
    )
    old, new = math.isqrt(many - before), math.isqrt(few - before)
    flat = values.reshape(many, -1)
    grid = flat[before:].reshape(old, old, -1)
    moved = tf.image.resize(grid, (new, new), method="bicubic", antialias=antialias).numpy()
    rows = np.concatenate([flat[:before], moved.reshape(new * new, -1)])
    weight.assign(rows.reshape(weight.shape))
    return f"{old}x{old} to {new}x{new}"


def _cause_of(error: BaseException) -> BaseException:
    """Returns the failure of the network or disk behind one; else the error itself."""
    chain = [error]
    while behind := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(behind)
    return [one for one in chain if one is error or isinstance(one, OSError)][-1]


@contextlib.contextmanager
def _explained(row: Preset) -> Iterator[None]:
    # Hugging Face's library warns of each try, by loggers that it configures at their first use.
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    # Both hubs and their libraries raise errors of all kinds, also for what is not there.
    except Exception as error:
        reason = first_line(_cause_of(error)).rstrip(".")
        if not row.page or row.find_weights():
            again = f"Remove {row.folder}, to download it again" if row.page else _SAVE_AGAIN
            raise bad_value("backbone", row.name, f"cannot be read ({reason})", again) from error
        raise KerastlError(
            f"backbone={row.name!r}: is not on this machine and cannot be had from {row.page} "
            f"({reason}). Download its files where there is a network, and give their directory as "
            "--backbone=hub:DIR."
        ) from error
    finally:
        logging.disable(disabled)
