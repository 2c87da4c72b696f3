"""The process of a `kerastl.tuning.training_process.TrainingProcess`.

`python -m kerastl.tuning.training_process_main FD` answers requests from a pipe until it is
closed. The first message is the config of the search. Each request is a config, the fingerprints of
the search's data, and the path of the log of its training, None to open the data only.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from multiprocessing import connection

from kerastl import environment
from kerastl.config import Config
from kerastl.errors import KerastlError
from kerastl.progress import Progress
from kerastl.settings import ReadSettings
from kerastl.tuning.training_process import TrialFailed

_SECONDS_BETWEEN_LOOKS = 1.0


def _serve(pipe: connection.Connection, data: ReadSettings) -> None:
    """Answers until the other end is closed."""
    trainer = None
    while True:
        request = pipe.recv()
        try:
            # Inside, so that data that have disappeared since are reported too.
            one, made_of, log_path = request
            trainer = trainer or open_trainer(data, made_of)
            if log_path is None:
                trainer.open(one)
                continue
            runner = InProcess(trainer)
            answer = runner.train(one, log_path, lambda text: pipe.send(("status", text)))
        except (TrialFailed, KerastlError) as failed:
            # Nobody waits for the data yet; the first trial fails in the same way.
            if request[-1] is not None:
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
    environment.own_process()
    # The keyboard's interrupt goes to both; the search closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        requests = connection.Connection(int(sys.argv[1]))
        given: Config = requests.recv()
        with environment.ready(given.precision, given.seed, Progress()):
            from kerastl.tuning.trainer import InProcess, open_trainer

            _serve(requests, given)
