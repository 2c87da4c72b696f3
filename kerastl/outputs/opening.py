"""Opens a model with the runtime of its format."""

import contextlib
import json
import pathlib
import re
from importlib import metadata
from typing import Any

from google.protobuf.message import DecodeError

from kerastl.errors import DAMAGED, KerastlError, first_line
from kerastl.export_formats import FORMATS, find_format
from kerastl.extras import install_command
from kerastl.outputs.artifact import Artifact
from kerastl.outputs.directories import RunFile
from kerastl.outputs.formats.finding import format_module
from kerastl.outputs.model_path import find_model

# The packages that write their own version into a file.
_IN_FILE = ("keras", "tensorflow")


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
        problem = first_line(error)
        if versions := _find_newer(name, path):
            raise KerastlError(
                f"model={str(path)!r}: was written by {versions[0]}, and {versions[1]} cannot open "
                f"it ({problem}). Install the newer one, or export the model with the older."
            ) from error
        raise KerastlError(
            f"model={str(path)!r}: is damaged or not a model ({problem}). Export it again."
        ) from error


def _find_newer(name: str, path: pathlib.Path) -> tuple[str, str] | None:
    """Returns the version that wrote a file and that which is here; None if it is not newer."""
    runtime = FORMATS[name].runtime
    if runtime in _IN_FILE:
        with contextlib.suppress(*DAMAGED, DecodeError, metadata.PackageNotFoundError):
            written = format_module(name).read_needs(path)[f"{runtime}_version"]
            here = metadata.version(runtime)
            if _numbers(written) > _numbers(here):
                return f"{runtime} {written}", f"{runtime} {here}"
    return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


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
