"""From a path that a person gives to a model that answers."""

import json
import pathlib
import zipfile
from typing import Any

from kerastl.errors import KerastlError, bad_value
from kerastl.outputs import runtimes
from kerastl.outputs.formats import CARD, FORMATS, SAVEDMODEL_FILE
from kerastl.outputs.runtimes import Artefact

# Ending of a file, none for a directory -> what opens it.
_OPENERS = {
    "": runtimes.open_savedmodel,
    ".keras": runtimes.open_keras,
    ".tflite": runtimes.open_litert,
    ".onnx": runtimes.open_onnx,
}


def find_artefact(given: str) -> pathlib.Path:
    """Finds the model that a path means.

    Args:
        given: A run's directory, a directory of versions (the highest is taken), a version, or
            a file.

    Raises:
        UsageError: If there is none.
    """
    path = pathlib.Path(given).expanduser()
    if not path.exists():
        raise bad_value("model", given, "does not exist", "Give a run, an export or a model file")
    if path.is_dir():
        versions = [child for child in path.iterdir() if child.name.isdecimal()]
        found = _look_into(path) or [
            inner
            for version in sorted(versions, key=lambda child: -int(child.name))
            for inner in _look_into(version)
        ]
        if not found:
            raise bad_value(
                "model", given, "holds no finished run and no export", "Give another directory"
            )
        return found[0]
    if path.name == SAVEDMODEL_FILE:
        return path.parent
    if not path.suffix or path.suffix not in _OPENERS:
        raise bad_value(
            "model",
            given,
            "is no model file",
            f"Give a directory, or a file that ends in {', '.join(filter(None, _OPENERS))}",
        )
    return path


def _look_into(directory: pathlib.Path) -> list[pathlib.Path]:
    if (directory / SAVEDMODEL_FILE).is_file():
        return [directory]
    files = [directory / row.file for row in FORMATS.values() if row.file]
    return [file for file in files if file.is_file()]


def open_artefact(given: str) -> Artefact:
    """Opens the model that a path means, see `find_artefact`.

    Raises:
        UsageError: If there is none.
        KerastlError: If it is damaged, has no card beside it, or its runtime is not installed.
    """
    path = find_artefact(given)
    card = _read_card(path)
    if path.is_file() and not path.stat().st_size:
        raise KerastlError(f"model={str(path)!r}: is an empty file. Export it anew.")
    ending = "" if path.is_dir() else path.suffix
    try:
        return _OPENERS[ending](path, card)
    except ModuleNotFoundError as error:
        extra = next(row.extra for row in FORMATS.values() if row.file.endswith(ending))
        raise KerastlError(
            f"model={str(path)!r}: needs the package {error.name}. Run: pip install "
            f"'kerastl[{extra}]'."
        ) from error
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        first_line = (str(error).strip().splitlines() or [""])[0][:200]
        raise KerastlError(
            f"model={str(path)!r}: is damaged or no model ({first_line}). Export it anew."
        ) from error


def _read_card(path: pathlib.Path) -> dict[str, Any]:
    place = (path if path.is_dir() else path.parent) / CARD
    try:
        card: dict[str, Any] = json.loads(place.read_text("utf-8"))
        _ = card["class_names"], card["input"]["image_size"], card["input"]["resize"]
    except OSError as error:
        raise KerastlError(
            f"model={str(path)!r}: has no {CARD} beside it, which names its classes. Keep the two "
            "together."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise KerastlError(f"{place}: is no model card. Export the model anew.") from error
    return card
