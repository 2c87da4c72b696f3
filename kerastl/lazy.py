"""Modules that are imported when they are first used."""

import importlib
from typing import Any


class LazyModule:
    """Stands for a module that takes long to import and that few runs need, and for its parts."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        module = importlib.import_module(self._name)
        if hasattr(module, attribute):
            return getattr(module, attribute)
        return importlib.import_module(f"{self._name}.{attribute}")


sklearn = LazyModule("sklearn")
