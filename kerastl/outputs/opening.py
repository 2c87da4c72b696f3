"""Opens a model with the runtime of its format."""

import json
import pathlib
import zipfile
from typing import Any

from kerastl.errors import KerastlError
from kerastl.outputs import runtimes
from kerastl.outputs.finding import find_artefact
from kerastl.outputs.formats import CARD, FORMATS
from kerastl.outputs.runtimes import Artefact

# Ending of a file, none for a directory -> what opens it.
_OPENERS = {
    "": runtimes.open_savedmodel,
    ".keras": runtimes.open_keras,
    ".tflite": runtimes.open_litert,
    ".onnx": runtimes.open_onnx,
}


def open_artefact(given: str | pathlib.Path) -> Artefact:
    """Opens the model that a path means, see `find_artefact`.

    Raises:
        UsageError: If there is none.
        KerastlError: If it is damaged, has no card beside it, or its runtime is not installed.
    """
    path = find_artefact(str(given))
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
