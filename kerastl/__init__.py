"""Transfer learning for images: from labelled pictures to a classifier that can be served."""

import importlib
from typing import TYPE_CHECKING, Any

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError
from kerastl.progress import Progress
from kerastl.run import Result, run
from kerastl.tuning.options import SearchOptions
from kerastl.version import VERSION

if TYPE_CHECKING:
    from kerastl.data.sources import Source
    from kerastl.tuning.search import hypermodel, tune

__version__ = VERSION

_LATE = {
    "Source": "kerastl.data.sources",
    "hypermodel": "kerastl.tuning.search",
    "tune": "kerastl.tuning.search",
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
    # They need NumPy or Keras, which commands that only look at flags do not wait for.
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
