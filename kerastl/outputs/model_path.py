"""From a path that a person gives to the model that it means; imports no TensorFlow."""

import os
import pathlib

from kerastl import environment
from kerastl.errors import bad_value
from kerastl.export_formats import ENDINGS, FORMATS, SAVEDMODEL_FILE, find_format, list_versions
from kerastl.paths import local_path
from kerastl.progress import Progress

_FILES = [row.file for row in FORMATS.values() if row.file]


def prepare_for(path: pathlib.Path, progress: Progress) -> None:
    """Imports TensorFlow, and Keras only for its own format: that takes half of a start."""
    if FORMATS[find_format(path)].runtime == "keras":
        environment.prepare(progress)
    else:
        environment.prepare_tensorflow(progress)


def find_model(given: str | os.PathLike[str]) -> pathlib.Path:
    """Finds the model in a run's directory, an export (its highest version), a version or a file.

    Raises:
        UsageError: If there is none.
    """
    path = local_path(given, field="model")
    given = os.fspath(given)
    if not path.exists():
        raise bad_value("model", given, "does not exist", "Give a run, an export or a model file")
    if path.is_dir():
        for directory in (path, *list_versions(path).values()):
            if found := _models_in(directory):
                return found[0]
        raise bad_value(
            "model", given, "holds no finished run and no export", "Give another directory"
        )
    if path.name == SAVEDMODEL_FILE:
        return path.parent
    if path.suffix not in ENDINGS:
        raise bad_value(
            "model",
            given,
            "is not a model file",
            f"Give a directory, or a file that ends in {', '.join(ENDINGS)}",
        )
    return path


def _models_in(directory: pathlib.Path) -> list[pathlib.Path]:
    if (directory / SAVEDMODEL_FILE).is_file():
        return [directory]
    return [directory / file for file in _FILES if (directory / file).is_file()]
