"""The installed command: `kerastl train ...` is `python -m kerastl.main ...`."""

import importlib
import sys

from kerastl.errors import unknown_name
from kerastl.main import guard
from kerastl.progress import Progress

# Subcommand -> module whose `main` takes the arguments and returns the exit code.
_COMMANDS = {
    "train": "kerastl.main",
    "rank": "kerastl.rank",
    "learning_curve": "kerastl.learning_curve",
    "tune": "kerastl.tune",
    "predict": "kerastl.predict",
    "export": "kerastl.export",
    "serve": "kerastl.serve",
    "cache": "kerastl.cache",
}


def main() -> int:
    """Runs the subcommand that the first argument names; returns its exit code."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in _COMMANDS:
        return int(importlib.import_module(_COMMANDS[name]).main(arguments))

    def explain(output: Progress) -> None:
        if name not in ("--help", "-h"):
            raise unknown_name("command", name, _COMMANDS, what="a command")
        output.line(f"usage: kerastl {'|'.join(_COMMANDS)} [--flag=value ...]")

    return guard(explain)


if __name__ == "__main__":
    sys.exit(main())
