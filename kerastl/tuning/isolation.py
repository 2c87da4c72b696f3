"""Trials in a process of their own, which may run out of memory or crash without the search.

`python -m kerastl.tuning.isolation FD` is that process. It opens the data once and trains one
config after another; a new one is started only after a crash.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, Protocol

from kerastl import environment
from kerastl.config import Config
from kerastl.errors import KerastlError
from kerastl.progress import Progress

if TYPE_CHECKING:
    from kerastl.tuning.trial_run import Answer, Trainer

Status = Callable[[str], None]
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_STATUS = 0.2
_LONGEST_REASON = 300


class TrialFailed(Exception):  # noqa: N818  the search goes on
    """A trial gave no result; the text says why, in one line."""


class Runner(Protocol):
    """What trains a config and says what came of it."""

    def answer(self, config: Config, log_path: pathlib.Path, status: Status) -> "Answer":
        """Trains a config.

        Args:
            config: What to train.
            log_path: Gets the lines that a run would print.
            status: Is told how far it is.

        Raises:
            TrialFailed: If there is no result.
        """

    def close(self) -> None:
        """Lets go of what it holds."""


class Here:
    """Trains in this process, as it has to where the images are in its memory."""

    def __init__(self, trainer: "Trainer") -> None:
        self._trainer = trainer

    def answer(self, config: Config, log_path: pathlib.Path, status: Status) -> "Answer":
        """Trains a config, as `Runner` says."""
        return _answer(self._trainer, config, log_path, status)

    def close(self) -> None:
        """Holds nothing."""


class Isolated:
    """Trains in another process, which reads the data itself."""

    def __init__(self, config: Config, stderr_path: pathlib.Path) -> None:
        """Starts the process, which then brings TensorFlow up.

        Args:
            config: Names the data and the precision.
            stderr_path: Gets what native libraries write.
        """
        self._config = config
        self._stderr_path = stderr_path
        self._start()

    def open(self) -> None:
        """Lets it read the data and build the network; this process does not wait for it."""
        # One that has ended is told of by the first trial.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.send(None)

    def answer(self, config: Config, log_path: pathlib.Path, status: Status) -> "Answer":
        """Trains a config, as `Runner` says; a process that has ended is started anew."""
        if self._process.poll() is not None:
            self._start()
        try:
            self._pipe.send((config, log_path))
            while True:
                kind, content = self._pipe.recv()
                if kind == "status":
                    status(content)
                elif kind == "failed":
                    raise TrialFailed(content)
                else:
                    return content  # type: ignore[no-any-return]
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise TrialFailed(_why_ended(self._process.wait())) from error

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        self._pipe, other = connection.Pipe()
        package_parent = str(pathlib.Path(__file__).parents[2])
        search_path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
        with self._stderr_path.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kerastl.tuning.isolation", str(other.fileno())],
                env=os.environ | {"PYTHONPATH": search_path},
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
    return f"its process ended with code {code}; native.log has what it said"


class _Relayed(Progress):
    """Writes lines to a file and passes the status on."""

    def __init__(self, stream: Any, status: Status) -> None:
        super().__init__(stream)
        self._pass_on = status
        self._last = 0.0

    def status(self, text: str) -> None:
        """Passes the status on, a few times a second."""
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_STATUS:
            self._last = time.monotonic()
            self._pass_on(text)


def _answer(trainer: "Trainer", config: Config, log_path: pathlib.Path, status: Status) -> "Answer":
    with log_path.open("a", encoding="utf-8") as log:
        progress = _Relayed(log, status)
        try:
            return trainer.answer(config, progress)
        except KerastlError as error:
            progress.line(f"error: {error}")
            raise TrialFailed(str(error)) from error
        # Whatever it is, it is this trial's alone, and its log tells all of it.
        except Exception as error:
            progress.line(traceback.format_exc())
            raise TrialFailed(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "memory ran out; use a smaller batch_size or image_size"
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}"[:_LONGEST_REASON]


def _serve(pipe: connection.Connection) -> None:
    """Answers until the other end is closed."""
    config: Config = pipe.recv()
    with environment.ready(config.precision, config.seed, Progress()):
        from kerastl.data.opening import open_data  # noqa: PLC0415
        from kerastl.tuning.trial_run import Trainer, without_test  # noqa: PLC0415  imports Keras

        trainer = None
        while True:
            asked = pipe.recv()
            try:
                # Inside, so that data which are gone meanwhile are a reason too.
                if trainer is None:
                    trainer = Trainer(without_test(open_data(config, None, Progress())))
                if asked is None:
                    trainer.open(config)
                    continue
                one, log_path = asked
                answer = _answer(trainer, one, log_path, lambda text: pipe.send(("status", text)))
            except (TrialFailed, KerastlError) as failed:
                # Nobody waits for what no trial asked for; the first trial fails alike.
                if asked is not None:
                    pipe.send(("failed", str(failed)))
            else:
                pipe.send(("done", answer))


def _end_with_parent() -> None:
    """Ends this process with the search, even one that is killed; a training may take long."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


if __name__ == "__main__":
    # The keyboard's interrupt goes to both; the search closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        _serve(connection.Connection(int(sys.argv[1])))
