"""Fresh Python processes that run a module of this package."""

import os
import pathlib
import sys


def python_command(module: str, *arguments: object) -> tuple[list[str], dict[str, str]]:
    """Returns the command and the environment of a process that runs a module of the package.

    The process finds the package wherever this one has found it, and none of Python's own modules
    in the working directory, where a user may keep a `queue.py`. One of `multiprocessing` would
    import the user's main module again, and with it run a script that calls `kerastl.run`
    without a guard.
    """
    parent = str(pathlib.Path(__file__).parents[1])
    # An empty entry would be the working directory too.
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return (
        [sys.executable, "-P", "-m", module, *map(str, arguments)],
        os.environ | {"PYTHONPATH": os.pathsep.join([parent, *given])},
    )
