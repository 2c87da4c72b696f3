"""Runs Python and watches what it opens to write, and which addresses it asks for."""

import dataclasses
import os
import pathlib
import subprocess
import sys

from command_line import REPOSITORY

# Python imports it first, in each process that has its folder on the search path.
_HOOK = """
import os, sys

_LOG = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
_OWN = {("socket.getaddrinfo", host) for host in ("127.0.0.1", "::1", "localhost")}
_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate"}

def _note(kind, what):
    os.write(_LOG, f"{kind}\\t{what}\\n".encode("utf-8", "backslashreplace"))

def _watch(event, arguments):
    # A server asks for the form of its own address, which needs no network.
    if event in _NETWORK and (event, arguments[0]) not in _OWN:
        _note("network", f"{event} {arguments[1:]}")
        raise OSError("this test has no network")
    if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & _WRITES:
        _note("write", os.path.abspath(os.fsdecode(arguments[0])))
    elif event in _CHANGES and arguments[-1] in (-1, None):  # Not beside an open folder.
        _note("write", os.path.abspath(os.fsdecode(arguments[0])))

sys.addaudithook(_watch)
"""


@dataclasses.dataclass(frozen=True)
class Watched:
    """What a process and those that it started did.

    Attributes:
        output: What it printed.
        network: Each attempt to reach another machine.
        written: Each path that was opened to write, made or moved.
    """

    code: int
    output: str
    network: list[str]
    written: list[pathlib.Path]


def run_watched(folder, code, *arguments):
    """Runs Python code in `folder / "work"` with a home and temporary files of its own beside."""
    for name in ("hook", "home", "tmp", "work"):
        (folder / name).mkdir(parents=True)
    (folder / "hook" / "sitecustomize.py").write_text(_HOOK)
    log = folder / "hook" / "log.txt"
    log.touch()
    known = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    finished = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder / "work",
        env=known
        | {
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": os.pathsep.join(map(str, (folder / "hook", REPOSITORY))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CUDA_VISIBLE_DEVICES": "-1",
            "WATCH_LOG": str(log),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.split("\t", 1) for line in log.read_text("utf-8").splitlines()]
    return Watched(
        code=finished.returncode,
        output=finished.stdout,
        network=[what for kind, what in lines if kind == "network"],
        written=[pathlib.Path(what) for kind, what in lines if kind == "write"],
    )
