"""Transfer learning for images: from labelled pictures to a classifier that can be served."""

from typing import TYPE_CHECKING, Any

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError
from kerastl.progress import Progress
from kerastl.run import Result, run
from kerastl.version import VERSION

if TYPE_CHECKING:
    from kerastl.data.sources import Source

__version__ = VERSION

__all__ = [
    "Config",
    "KerastlError",
    "Progress",
    "Result",
    "Source",
    "UsageError",
    "__version__",
    "run",
]


def __getattr__(name: str) -> Any:
    # A source needs NumPy, which commands that only look at flags do not wait for.
    if name == "Source":
        from kerastl.data.sources import Source  # noqa: PLC0415

        return Source
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
