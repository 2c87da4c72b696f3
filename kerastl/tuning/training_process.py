"""Trains in a separate process, so that a crash or running out of memory costs only one trial.

The process is not one of `multiprocessing`: those import the user's script again, and one that
calls `kerastl.tune` without a guard would start another search there. It opens the data once and
trains one config after another; a new one is started only after a crash.
"""

import contextlib
import pathlib
import signal
import subprocess
from collections.abc import Callable, Mapping
from multiprocessing import connection
from typing import Any, Protocol

from kerastl.config import Config
from kerastl.processes import python_command

Status = Callable[[str], None]
_PROCESS = "kerastl.tuning.training_process_main"


class TrialFailed(Exception):  # noqa: N818  the search continues
    """A trial has no result; the text is the reason, in one line."""


class Runner(Protocol):
    """Trains a config and scores it."""

    def train(self, config: Config, log_path: pathlib.Path, status: Status) -> Any:
        """Trains a config; returns a `kerastl.tuning.trials.Scored`.

        Args:
            config: What to train.
            log_path: Gets the lines that a run would print.
            status: Called with the progress, in words.

        Raises:
            TrialFailed: If training fails.
        """

    def close(self) -> None:
        """Frees what it holds."""


class TrainingProcess:
    """Trains in another process, which reads the data itself."""

    def __init__(self, config: Config, stderr_path: pathlib.Path) -> None:
        """Starts the process, which starts TensorFlow; `stderr_path` gets its output."""
        self._config = config
        self._made_of: Mapping[str, str] = {}
        self._stderr_path = stderr_path
        self._start()

    def open(self, config: Config, made_of: Mapping[str, str]) -> None:
        """Makes it read the data and build a config's network, without waiting for it.

        Args:
            config: The network and the data.
            made_of: The search's data as `describe_data` fingerprints them; trials fail if the
                process finds others.
        """
        self._config, self._made_of = config, made_of
        # If it has ended, the first trial reports that.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.send((config, made_of, None))

    def train(self, config: Config, log_path: pathlib.Path, status: Status) -> Any:
        """Trains a config, see `Runner`; starts a new process if the last one has ended."""
        if self._process.poll() is not None:
            self._start()
        try:
            self._pipe.send((config, self._made_of, log_path))
            while True:
                kind, content = self._pipe.recv()
                if kind == "status":
                    status(content)
                elif kind == "failed":
                    raise TrialFailed(content)
                else:
                    return content
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise TrialFailed(_why_ended(self._process.wait())) from error

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        self._pipe, other = connection.Pipe()
        command, environment = python_command(_PROCESS, other.fileno())
        with self._stderr_path.open("ab") as stderr:
            self._process = subprocess.Popen(
                command,
                env=environment,
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        other.close()
        self._pipe.send(self._config)


def _why_ended(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, as the system does when memory runs out"
    if code < 0:
        return f"its process crashed ({signal.Signals(-code).name})"
    return f"its process ended with code {code}; native.log has its last lines"
