"""Networks of one's own: files that Keras wrote, read without Keras as far as their description."""

import dataclasses
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.errors import DAMAGED, bad_value
from kerastl.model.backbones import Backbone
from kerastl.paths import local_path
from kerastl.settings import ModelSettings
from kerastl.settings.model import KERAS_FILE

# Descriptions of layers, by their names.
_Layers = dict[str, Mapping[str, Any]]

_FIELD = "backbone"
_DESCRIPTION = "config.json"
_GRAPHS = ("Functional", "Sequential")
_KNOWN_MODULES = ("keras", "builtins")
_CHANNELS = 3
# A factor below this one brings 0..255 to about 1; others rescale what is small already.
_SMALL_FACTOR = 0.1
# No mean of values in 0..1 or -1..1 is larger.
_LARGEST_MEAN = 1.0
_ANSWERS = ("softmax", "sigmoid")


@dataclasses.dataclass(frozen=True, kw_only=True)
class KerasFile(Backbone):
    """A functional model in a file, from images to features.

    Attributes:
        rescaling: Name of the layer by which it takes pixels in 0..255; empty without one.
    """

    source: str = "keras_file"
    label: str = f"a {KERAS_FILE} file"
    minimum_size: int = 1
    takes_scaling: bool = True
    rescaling: str = ""

    def check(self, settings: ModelSettings) -> None:
        """Refuses images of another size, and to scale pixels twice."""
        super().check(settings)
        if self.rescaling and settings.input_scaling != "none":
            raise bad_value(
                "input_scaling",
                settings.input_scaling,
                f"would scale pixels that {self.name} scales itself, by its layer "
                f"{self.rescaling!r}",
                "Use --input_scaling=none",
            )


def list_rows() -> tuple[KerasFile, ...]:
    """Returns nothing: files are not known before they are named."""
    return ()


def find(name: str) -> KerasFile | None:
    """Reads the row of a file; None for another name.

    Raises:
        UsageError: If there is no such file, or it is not a model from images to features.
    """
    if not name.endswith(KERAS_FILE):
        return None
    model = _read_description(name)
    _check_kind(name, model)
    layers = _top_layers(name, model)
    height, width = _find_size(name, layers)
    _check_end(name, model, layers)
    rescaling = (one["config"]["name"] for one in _walk(model) if _takes_pixels(one))
    return KerasFile(name=name, only_size=height or width or 0, rescaling=next(rescaling, ""))


def _read_description(name: str) -> dict[str, Any]:
    path = local_path(name, field=_FIELD)
    if not path.is_file():
        raise bad_value(_FIELD, name, "is not a file", "Give the path of a file that Keras saved")
    try:
        with zipfile.ZipFile(path) as archive:
            model: dict[str, Any] = json.loads(archive.read(_DESCRIPTION))
    except DAMAGED as error:
        what = "is damaged or not a file that Keras saved"
        raise bad_value(
            _FIELD, name, what, "Save the model again, or get the file again"
        ) from error
    return model


def _check_kind(name: str, model: Mapping[str, Any]) -> None:
    if any(one["class_name"] == "Lambda" for one in _walk(model)):
        raise bad_value(
            _FIELD,
            name,
            "has a Lambda layer, whose code from a file is not run",
            "Put a layer of Keras or an operation of keras.ops in its place and save it again",
        )
    for one in _walk(model):
        if str(one["module"]).startswith("keras_hub"):
            raise bad_value(
                _FIELD,
                name,
                f"{'is' if one is model else 'holds'} KerasHub's {one['class_name']}",
                "Save it with its save_to_preset(DIR) and give --backbone=hub:DIR",
            )
    if model["class_name"] not in _GRAPHS:
        raise bad_value(
            _FIELD,
            name,
            f"is of the class {model['class_name']}, whose graph is not in the file",
            "Save a functional model: keras.Model(images, model(images))",
        )
    for one in _walk(model):
        # A class of a program has none, or the module of the program.
        if not str(one["module"]).startswith(_KNOWN_MODULES):
            raise bad_value(
                _FIELD,
                name,
                f"holds {one['class_name']}, whose code is not in the file",
                "Build it of layers of Keras and operations of keras.ops, and save it again",
            )


def _top_layers(name: str, model: Mapping[str, Any]) -> _Layers:
    """Returns the layers by name, after counting inputs and outputs."""
    config = model["config"]
    layers = {one["config"]["name"]: one for one in config["layers"]}
    for what in ("input", "output"):
        # One, of a Sequential.
        ends = _names(config.get(f"{what}_layers", [what, 0, 0]))
        if len(ends) != 1:
            raise bad_value(
                _FIELD,
                name,
                f"has {len(ends)} {what}s: {', '.join(ends)}",
                "Save a model from one batch of images to one output",
            )
    return layers


def _names(ends: Any) -> list[str]:
    """Lists the layers that a description names as inputs or outputs."""
    if isinstance(ends, list) and ends and isinstance(ends[0], str):
        return [ends[0]]
    values = ends.values() if isinstance(ends, dict) else ends
    return [found for one in values for found in _names(one)]


def _find_size(name: str, layers: _Layers) -> tuple[int | None, int | None]:
    inputs = [one["config"] for one in layers.values() if one["class_name"] == "InputLayer"]
    shape = (inputs[0].get("batch_shape") if inputs else None) or []
    is_image = len(shape) == _CHANNELS + 1 and shape[-1] == _CHANNELS
    if not is_image or "float" not in str(inputs[0].get("dtype")):
        text = f"{inputs[0].get('dtype')} {tuple(shape)}" if shape else "no shape"
        raise bad_value(
            _FIELD,
            name,
            f"takes {text}, which is no batch of images",
            "Save a model from float32 images of three channels, as keras.Input((224, 224, 3))",
        )
    height, width = shape[1:3]
    if height and width and height != width:
        raise bad_value(
            _FIELD, name, f"takes images of {height}x{width} pixels", "Give one for square images"
        )
    return height, width


def _check_end(name: str, model: Mapping[str, Any], layers: _Layers) -> None:
    """Refuses a model that ends in a classifier."""
    ends = _names(model["config"].get("output_layers", [next(reversed(layers)), 0, 0]))
    last = layers[ends[0]]
    is_answer = last["config"].get("activation") in _ANSWERS or last["class_name"] == "Softmax"
    if last["class_name"] != "Dense" and not is_answer:
        return
    raise bad_value(
        _FIELD,
        name,
        f"ends in the {last['class_name']} layer {ends[0]!r}, as a classifier does",
        "Save the part below it, as keras.Model(model.input, model.get_layer(NAME).output); behind "
        "a layer that gives features after all, add keras.layers.Identity()",
    )


def _takes_pixels(layer: Mapping[str, Any]) -> bool:
    if layer["class_name"] == "Normalization":
        return max(_numbers(layer["config"].get("mean"))) > _LARGEST_MEAN
    if layer["class_name"] != "Rescaling":
        return False
    return max(_numbers(layer["config"]["scale"])) < _SMALL_FACTOR


def _numbers(value: Any) -> list[float]:
    """Lists the numbers of a description, at any depth; none are 0."""
    if isinstance(value, list):
        return [number for one in value for number in _numbers(one)] or [0.0]
    return [float(value)] if isinstance(value, (int, float)) else [0.0]


def _walk(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yields the descriptions of all objects in a description."""
    if isinstance(value, dict):
        if "class_name" in value and "module" in value:
            yield value
        # What it was trained with is not read.
        for key in value.keys() - {"compile_config"}:
            yield from _walk(value[key])
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)
