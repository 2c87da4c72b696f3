"""From the name of a data set to its images. Imports nothing slow but the module of its kind."""

import importlib
import pathlib

from kerastl.data.source import Source
from kerastl.progress import Progress
from kerastl.settings import DataSettings, ReadSettings


def given_or_found(source: Source | None, settings: ReadSettings, progress: Progress) -> Source:
    """Returns the images from Python, even if there are none, or does what `find_source` does."""
    if source is not None:
        return source
    return find_source(settings, memory=settings.memory_path, progress=progress)


def find_source(data: DataSettings, *, memory: pathlib.Path | None, progress: Progress) -> Source:
    """Opens the data set that `data.dataset` names, before any audit.

    With `memory`, a directory, unchanged files are not read again.

    Raises:
        UsageError: If no data set has this name.
        KerastlError: If the data are not there and cannot be downloaded.
    """
    place = data.dataset.partition(":")[2]
    # TensorFlow Datasets takes a second to import, which no other kind should wait for.
    module = importlib.import_module(data.source_kind.module)
    source: Source = module.open_source(place, data, memory=memory, progress=progress)
    return source
