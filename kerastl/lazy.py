"""Modules that are imported when they are first used."""

import importlib
from typing import Any


class LazyModule:
    """Stands for a module that takes long to import and that few runs need."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)
