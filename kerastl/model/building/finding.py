"""Finds the module that builds a network, by the source of the network."""

import importlib
from typing import cast

from kerastl.model.backbones import Backbone
from kerastl.model.building.interface import Built
from kerastl.settings import ModelSettings


def open_backbone(row: Backbone, settings: ModelSettings) -> Built:
    """Builds a network with the weights that settings name.

    Raises:
        KerastlError: If its weights are not there and cannot be downloaded.
        UsageError: If they are damaged or of another network.
    """
    module = importlib.import_module(f"kerastl.model.building.{row.source}")
    return cast(Built, module.build(row, settings))
