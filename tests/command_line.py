"""Runs commands in a fresh Python, as a shell would."""

import dataclasses
import os
import pathlib
import subprocess
import sys

from kerastl.commands import train

REPOSITORY = pathlib.Path(__file__).parents[1]
_IMPORT = "import time:"


@dataclasses.dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str
    imported: frozenset[str]


def run_python(*arguments, **environment):
    """Runs Python in the checkout; says which modules it imported too."""
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    lines = finished.stderr.splitlines(keepends=True)
    return Finished(
        code=finished.returncode,
        stdout=finished.stdout,
        stderr="".join(line for line in lines if not line.startswith(_IMPORT)),
        imported=frozenset(
            line.rsplit("|", 1)[1].strip() for line in lines if line.startswith(_IMPORT)
        ),
    )


def config_from_flags(arguments):
    """Reads a config as `kerastl train` does."""
    return train.COMMAND.read(arguments).config
