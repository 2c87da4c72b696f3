"""The command that installs the packages of one of kerastl's extras."""

import pathlib
import shlex

# The folder that has the package. In a checkout it has setup.py too, and pip installs it by its
# path, also where it was never installed. An installed kerastl pip knows by its name.
ROOT = pathlib.Path(__file__).parents[1]


def install_command(extra: str) -> str:
    """Returns the command that installs an extra for the kerastl that runs."""
    package = str(ROOT) if (ROOT / "setup.py").is_file() else "kerastl"
    return f"pip install {shlex.quote(f'{package}[{extra}]')}"
