"""Finds the module of an export format."""

import importlib
from typing import cast

from kerastl.outputs.formats.interface import FormatModule


def format_module(name: str) -> FormatModule:
    """Imports the module of a format, whose packages may not be installed."""
    return cast(FormatModule, importlib.import_module(f"kerastl.outputs.formats.{name}"))
