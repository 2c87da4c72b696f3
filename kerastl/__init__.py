"""Transfer learning for images: from labeled images to a classifier that can be served."""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from kerastl.api import hypermodel, run, tune
from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError
from kerastl.progress import Progress
from kerastl.tuning.search_options import SearchOptions
from kerastl.version import VERSION

if TYPE_CHECKING:
    from kerastl.data.source import Source
    from kerastl.run import Result

__version__ = VERSION

# They need NumPy or Keras, which commands that only read flags do not wait for.
_LATE = {
    "Result": "kerastl.run",
    "Source": "kerastl.data.source",
}

__all__ = [
    "Config",
    "KerastlError",
    "Progress",
    "Result",
    "SearchOptions",
    "Source",
    "UsageError",
    "__version__",
    "hypermodel",
    "run",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Package(types.ModuleType):
    """Keeps `kerastl.run` a function when the module `kerastl/run.py` is imported.

    Python binds a module to its name in the package after importing it; verbs have the same names
    as some modules.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
