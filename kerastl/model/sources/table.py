"""Finds the row of a network by the value of `--backbone`; imports no Keras."""

from collections.abc import Iterator

from kerastl.errors import bad_value
from kerastl.model.backbones import Backbone
from kerastl.model.sources import applications, hub, keras_file
from kerastl.model.sources.near_names import near_names
from kerastl.settings import ModelSettings
from kerastl.settings.model import HUB

# Each finds a row or returns None for a name that is not of its kind.
SOURCES = (hub, keras_file, applications)
_PRESET = "a preset for images of KerasHub, or a directory"
_BACKBONE = "a backbone of keras.applications"


def find_row(name: str) -> Backbone:
    """Finds a backbone's row.

    Raises:
        UsageError: If there is no such network.
    """
    rows: Iterator[Backbone | None] = (source.find(name) for source in SOURCES)
    for row in rows:
        if row is not None:
            return row
    near = near_names(name, list_rows())
    advice = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    is_preset = name.startswith(HUB)
    raise bad_value(
        "backbone",
        name,
        f"is not {_PRESET if is_preset else _BACKBONE}",
        f"{advice}kerastl backbones lists all networks",
    )


def list_rows() -> list[Backbone]:
    """Lists the rows of all networks that have a name, source by source."""
    return [row for source in SOURCES[::-1] for row in source.list_rows()]


def find_backbone(model: ModelSettings) -> Backbone:
    """Finds the row of the backbone of settings, and checks that they go with it.

    Raises:
        UsageError: If there is no such network, or it does not take such images.
    """
    row = find_row(model.backbone)
    row.check(model)
    return row
