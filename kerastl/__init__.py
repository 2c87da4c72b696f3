"""Transfer learning for images: from labelled pictures to a classifier that can be served."""

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError
from kerastl.progress import Progress
from kerastl.run import Result, run
from kerastl.version import VERSION

__version__ = VERSION

__all__ = ["Config", "KerastlError", "Progress", "Result", "UsageError", "__version__", "run"]
