"""Finds the row of a network by the value of `--backbone`; imports no Keras."""

from collections.abc import Iterator

from kerastl.model.backbones import Backbone
from kerastl.model.sources import applications, hub, keras_file
from kerastl.settings import ModelSettings

# Each finds a row or returns None for a name that is not of its kind; the last takes the rest.
SOURCES = (hub, keras_file, applications)


def find_row(name: str) -> Backbone:
    """Finds a backbone's row.

    Raises:
        UsageError: If there is no such network.
    """
    rows: Iterator[Backbone | None] = (source.find(name) for source in SOURCES)
    return next(row for row in rows if row is not None)


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
