"""Finds the module that builds a network, by the source of the network."""

import importlib
from typing import Any, cast

from kerastl.model.backbones import Backbone
from kerastl.model.building.interface import Built
from kerastl.model.sources.table import find_row
from kerastl.progress import Progress
from kerastl.settings import ModelSettings

# Where settings come from that a network brings, in words.
NETWORK = "network"


def open_backbone(row: Backbone, settings: ModelSettings) -> Built:
    """Builds a network with the weights that settings name.

    Raises:
        KerastlError: If its weights are not there and cannot be downloaded.
        UsageError: If they are damaged or of another network.
    """
    return cast(Built, _module_of(row).build(row, settings))


def own_resize(settings: ModelSettings, progress: Progress) -> dict[str, str]:
    """Finds how images are resized for a network, as far as `resize` leaves that open.

    Returns:
        The setting, from the network's image converter; empty where nothing is open.

    Raises:
        KerastlError: If the network's files are not there and cannot be downloaded.
    """
    row = find_row(settings.backbone)
    given_fit, _, given_way = settings.resize.partition(":")
    if given_way or not row.brings_resize:
        return {}
    fit, way = _module_of(row).find_resize(row)
    rule = f"{given_fit or fit}:{way}"
    progress.line(f"Images are resized {rule}, by the image converter of {row.name}.")
    return {"resize": rule}


def _module_of(row: Backbone) -> Any:
    return importlib.import_module(f"kerastl.model.building.{row.source}")
