"""Modules that are imported when they are first used."""

import importlib
from typing import Any


class LazyModule:
    """Stands for a module that takes long to import and that few runs need, and for its parts."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        module = importlib.import_module(self._name)
        # What looks for decorated functions in a module asks for `__wrapped__`.
        if hasattr(module, "__path__") and attribute[:2] != "__" and not hasattr(module, attribute):
            return importlib.import_module(f"{self._name}.{attribute}")
        return getattr(module, attribute)


sklearn = LazyModule("sklearn")
