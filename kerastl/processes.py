"""Fresh Python processes that run a module of this package."""

import os
import pathlib
import sys


def python_command(module: str, *arguments: object) -> tuple[list[str], dict[str, str]]:
    """Returns the command and the environment of a process that runs a module of the package.

    The process finds the package wherever this one has found it. One of `multiprocessing` would
    import the user's main module again, and with it run a script that calls `kerastl.run`
    without a guard.
    """
    parent = str(pathlib.Path(__file__).parents[1])
    search_path = os.pathsep.join(filter(None, [parent, os.environ.get("PYTHONPATH")]))
    return (
        [sys.executable, "-m", module, *map(str, arguments)],
        os.environ | {"PYTHONPATH": search_path},
    )
