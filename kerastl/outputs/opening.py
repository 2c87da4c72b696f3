"""Opens a model with the runtime of its format."""

import json
import pathlib
from typing import Any

from kerastl.errors import DAMAGED, KerastlError, first_line
from kerastl.export_formats import FORMATS, find_format
from kerastl.extras import install_command
from kerastl.outputs.artifact import Artifact
from kerastl.outputs.directories import RunFile
from kerastl.outputs.formats.finding import format_module
from kerastl.outputs.model_path import find_model


def open_artifact(given: str | pathlib.Path) -> Artifact:
    """Opens the model that a path means, see `find_model`.

    Raises:
        UsageError: If there is none.
        KerastlError: If it is damaged, has no card beside it, or its runtime is not installed.
    """
    path = find_model(str(given))
    card = _read_card(path)
    if path.is_file() and not path.stat().st_size:
        raise KerastlError(f"model={str(path)!r}: is an empty file. Export it again.")
    name = find_format(path)
    try:
        return format_module(name).open(path, card)
    except ModuleNotFoundError as error:
        raise KerastlError(
            f"model={str(path)!r}: needs the package {error.name}. Run: "
            f"{install_command(FORMATS[name].extra)}."
        ) from error
    except (*DAMAGED, RuntimeError) as error:
        raise KerastlError(
            f"model={str(path)!r}: is damaged or not a model ({first_line(error)}). Export it "
            "again."
        ) from error


def _read_card(path: pathlib.Path) -> dict[str, Any]:
    card_path = (path if path.is_dir() else path.parent) / RunFile.CARD
    try:
        card: dict[str, Any] = json.loads(card_path.read_text("utf-8"))
        _ = card["class_names"], card["input"]["image_size"], card["input"]["resize"]
    except OSError as error:
        raise KerastlError(
            f"model={str(path)!r}: has no {RunFile.CARD} beside it, which names its classes. Keep "
            "the two together."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise KerastlError(f"{card_path}: is not a model card. Export the model again.") from error
    return card
