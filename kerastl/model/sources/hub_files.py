"""Files of KerasHub's presets on this machine: where they are, and what they say of a network."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from kerastl.model.backbones import Scaling
from kerastl.paths import home

DESCRIPTION = "config.json"
_CONVERTER = "image_converter.json"
_CHANNELS = 3
# What reading files raises that are missing, damaged or another library's.
UNREADABLE = (OSError, ValueError, LookupError, TypeError)
# Names of files with weights: KerasHub's own, and those of other libraries that it converts.
_WEIGHTS = ("*.weights.*", "*.safetensors")


def read_description(folder: pathlib.Path) -> tuple[str, Mapping[str, Any], int, Scaling | None]:
    """Reads a preset's class and arguments, its converter's size (0 for any) and scaling.

    Raises one of `UNREADABLE` if KerasHub did not save it.
    """
    network = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    converter: Mapping[str, Any] = {}
    if (folder / _CONVERTER).is_file():
        converter = json.loads((folder / _CONVERTER).read_text("utf-8"))["config"]
    size = converter.get("image_size") or (0, 0)
    side = int(size[0] or 0) if size[0] == size[1] else 0
    scaling = read_scaling(converter.get("scale"), converter.get("offset"))
    return str(network["class_name"]), network["config"], side, scaling


def read_scaling(scale: Any, offset: Any) -> Scaling | None:
    """Reads how an image converter scales pixels, by one number or by channel; None for not."""
    if scale is None and offset is None:
        return None
    return Scaling(_for_channels(scale, 1.0), _for_channels(offset, 0.0))


def _for_channels(value: Any, default: float) -> tuple[float, float, float]:
    # Keras describes an array so.
    given = value["config"]["value"] if isinstance(value, Mapping) else value
    numbers = (
        [default] if given is None else [given] if isinstance(given, (int, float)) else [*given]
    )
    first, second, third = (float(one) for one in numbers * (_CHANNELS // len(numbers)))
    return first, second, third


def find_folder(address: str) -> pathlib.Path | None:
    """Finds the newest download of an address of `hub:`, by the rules of the two libraries."""
    scheme, _, rest = address.rstrip("/").partition("://")
    places = _on_kaggle(rest) if scheme == "kaggle" else _on_hugging_face(rest)
    return next((place for place in places if place.is_dir()), None)


def has_weights(folder: str) -> bool:
    """Returns whether a folder holds weights; none does not."""
    found = (pathlib.Path(folder).glob(pattern) for pattern in _WEIGHTS)
    return bool(folder) and any(next(paths, None) for paths in found)


def _on_kaggle(handle: str) -> list[pathlib.Path]:
    models = _folder(pathlib.Path(home() or "/", ".cache/kagglehub"), "KAGGLEHUB_CACHE")
    owner, model, library, variant, *version = handle.split("/")
    folder = models / "models" / owner / model / library / variant
    if version:
        return [folder / version[0]]
    found = [path for path in folder.glob("*") if path.name.isdecimal()]
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def _on_hugging_face(name: str) -> list[pathlib.Path]:
    caches = _folder(pathlib.Path(home() or "/", ".cache"), "XDG_CACHE_HOME")
    whole = _folder(caches / "huggingface", "HF_HOME")
    models = _folder(whole / "hub", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    folder = models / f"models--{name.replace('/', '--')}"
    main = folder / "refs" / "main"
    return [folder / "snapshots" / main.read_text("utf-8").strip()] if main.is_file() else []


def _folder(default: pathlib.Path, *variables: str) -> pathlib.Path:
    given = next(filter(None, map(os.environ.get, variables)), "")
    return pathlib.Path(os.path.expanduser(given) or default)
