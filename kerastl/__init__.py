"""Transfer learning for images: from labeled images to a classifier that can be served.

Every verb is a function; `Config` holds the settings of a run, `Source` images from Python.

Example:
    >>> import kerastl
    >>> quiet = kerastl.Progress()
    >>> config = kerastl.Config(
    ...     dataset="digits", run_dir="runs/digits", weights="bundled", cache_dir="cache"
    ... )
    >>> result = kerastl.run(config, progress=quiet)
    >>> result.metrics["test"]["num_images"]
    179
    >>> result.metrics["test"]["accuracy"] > 0.9
    True

    A finished run is exported and used for predictions:

    >>> exported = kerastl.export("runs/digits", export_dir="exports/digits", progress=quiet)
    >>> exported.path.name
    '1'
    >>> import numpy as np
    >>> from PIL import Image
    >>> Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("black.png")
    >>> [prediction] = kerastl.predict("exports/digits", "black.png")
    >>> prediction.path.name, prediction.probabilities.shape
    ('black.png', (10,))
"""

import sys

# `python -m kerastl.main` looks for modules in the working directory first, where a user's own
# `queue.py` would take the place of Python's. While Python looks for the module, argv has "-m".
if (
    sys.argv[:1] == ["-m"]
    and not sys.flags.safe_path
    and any(word.removeprefix("-m").split(".")[0] == __name__ for word in sys.orig_argv)
):
    del sys.path[0]

if sys.platform == "win32":
    raise ImportError(
        "kerastl needs Linux or macOS. On Windows, run it in WSL 2: "
        "https://learn.microsoft.com/windows/wsl/install."
    )

from kerastl.early_signals import end_at_signals, is_command

if is_command():
    end_at_signals()

import importlib
import types
from typing import TYPE_CHECKING, Any

from kerastl.api.compare import compare
from kerastl.api.doctor import doctor
from kerastl.api.export import export
from kerastl.api.learning_curve import learning_curve
from kerastl.api.predict import predict
from kerastl.api.rank import rank
from kerastl.api.report import report
from kerastl.api.reproduce import reproduce
from kerastl.api.run import run
from kerastl.api.serve import serve
from kerastl.api.suggest import suggest
from kerastl.api.tune import hypermodel, tune
from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError
from kerastl.progress import Progress
from kerastl.result import Result
from kerastl.serving.options import Limits
from kerastl.tuning.search_options import SearchOptions
from kerastl.version import VERSION

if TYPE_CHECKING:
    from kerastl.data.source import Source

__version__ = VERSION

__all__ = [
    "Config",
    "KerastlError",
    "Limits",
    "Progress",
    "Result",
    "SearchOptions",
    "Source",
    "UsageError",
    "__version__",
    "compare",
    "doctor",
    "export",
    "hypermodel",
    "learning_curve",
    "predict",
    "rank",
    "report",
    "reproduce",
    "run",
    "serve",
    "suggest",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name == "Source":
        # It needs NumPy, which commands that only read flags do not wait for.
        return importlib.import_module("kerastl.data.source").Source
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Package(types.ModuleType):
    """Keeps `kerastl.run` a function when the module `kerastl/run.py` is imported.

    After an import Python binds a module to its name in the package, and verbs have the same names
    as some modules.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
