"""Finds the row of a network by the value of `--backbone`; imports no Keras."""

from collections.abc import Iterator

from kerastl.model.backbones import Backbone
from kerastl.model.sources import applications

# Each finds a row or returns None for a name that is not of its kind; the last takes the rest.
SOURCES = (applications,)


def find_row(name: str) -> Backbone:
    """Finds a backbone's row.

    Raises:
        UsageError: If there is no such network.
    """
    rows: Iterator[Backbone | None] = (source.find(name) for source in SOURCES)
    return next(row for row in rows if row is not None)


def find_backbone(name: str, *, image_size: int) -> Backbone:
    """Finds a backbone's row and checks that it takes images of this size.

    Raises:
        UsageError: If there is no such network, or it does not take such images.
    """
    row = find_row(name)
    row.check_size(image_size)
    return row
