"""A search on several machines: keras-tuner's chief and workers, over its environment variables.

Each of them runs the same command with a shared run_dir. KERASTUNER_ORACLE_IP and
KERASTUNER_ORACLE_PORT say where the chief listens; KERASTUNER_TUNER_ID is "chief" for it and
another name for each worker, https://keras.io/keras_tuner/guides/distributed_tuning/
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from typing import TYPE_CHECKING, Any

from kerastl.errors import KerastlError, UsageError

if TYPE_CHECKING:
    from kerastl.tuning.oracle import Oracle

_IP, _PORT, _ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"
ALONE = "tuner0"
_CHIEF = "chief"
# Several times before a worker counts as lost.
_SECONDS_BETWEEN_CALLS = 3.0
_SECONDS_BETWEEN_LOOKS = 1.0
# A chief that is started again may take so long; keras-tuner's client would wait for an hour.
_SECONDS_FOR_AN_ANSWER = 300.0
# What workers may still ask after the search has ended.
_SECONDS_TO_SAY_GOODBYE = 2.0


def find_role(environment: Mapping[str, str] = os.environ) -> str:
    """Names what this process is: "chief", a worker by its name, or `ALONE`.

    Raises:
        UsageError: If some of the variables are set and others missing.
    """
    present = [name for name in (_IP, _PORT, _ID) if environment.get(name)]
    if _IP not in present and _PORT not in present:
        return ALONE
    missing = [name for name in (_IP, _PORT, _ID) if name not in present]
    if missing:
        raise UsageError(
            f"{missing[0]}='': is not set, as {present[0]} is. Set {_IP}, {_PORT} and {_ID} for a "
            "search on several machines, or none of them."
        )
    # As keras-tuner tells it.
    return _CHIEF if _CHIEF in environment[_ID] else environment[_ID]


def is_chief(role: str) -> bool:
    """Says whether a role gives out trials to others."""
    return role == _CHIEF


def is_worker(role: str) -> bool:
    """Says whether a role gets its trials from a chief."""
    return role not in (ALONE, _CHIEF)


def address() -> str:
    """Says where the chief listens."""
    return f"{os.environ[_IP]}:{os.environ[_PORT]}"


def serve(oracle: "Oracle", look: Callable[[], None], has_time: Callable[[], bool]) -> bool:
    """Gives out trials until all have ended and every worker knows.

    Args:
        oracle: Proposes them.
        look: Is called about every second.
        has_time: Says whether another trial may begin.

    Returns:
        Whether it was time that ended it.

    Raises:
        KerastlError: If nothing can listen there.
    """
    import grpc  # noqa: PLC0415  only a chief needs it
    from keras_tuner.src import protos  # noqa: PLC0415
    from keras_tuner.src.distribute.oracle_chief import OracleServicer  # noqa: PLC0415

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    servicer = OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        server.add_insecure_port(address())
    except RuntimeError as error:
        raise KerastlError(
            f"{_PORT}={os.environ[_PORT]}: nothing can listen at {address()}. Choose another port "
            "or end what listens there."
        ) from error
    server.start()
    try:
        timed_out = False
        while not ((servicer.stop_triggered or timed_out) and oracle.is_over()):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            oracle.release_lost()
            look()
            if not (servicer.stop_triggered or timed_out or has_time()):
                timed_out = True
            if timed_out:
                # Again and again: what a lost worker had is not given to another one.
                oracle.stop()
        time.sleep(_SECONDS_TO_SAY_GOODBYE)
        return timed_out
    finally:
        server.stop(grace=None)


def connect(oracle: "Oracle") -> Any:
    """Gives the chief's oracle as a worker has it; it waits a while for there to be a chief."""
    from keras_tuner.src.distribute import oracle_client  # noqa: PLC0415  only a worker needs it

    oracle_client.TIMEOUT = _SECONDS_FOR_AN_ANSWER
    return oracle_client.OracleClient(oracle)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns a chief that does not answer into one line.

    Raises:
        KerastlError: If it does not.
    """
    import grpc  # noqa: PLC0415  only a worker needs it

    try:
        yield
    except grpc.RpcError as error:
        raise KerastlError(
            f"{_IP}={os.environ[_IP]}: the chief at {address()} does not answer "
            f"({error.code().name}). Start it again with the same command; it goes on where it was."
        ) from error


@contextlib.contextmanager
def calling(oracle: Any, role: str) -> Iterator[None]:
    """Lets the chief hear from a worker while the block runs a trial.

    Asking for a trial gives the one that it has, so it is no more than a sign of life.
    """
    if not is_worker(role):
        yield
        return
    over = threading.Event()

    def call() -> None:
        while not over.wait(_SECONDS_BETWEEN_CALLS):
            # A chief that is gone for a while is found out at the trial's end.
            with contextlib.suppress(KerastlError), explained():
                oracle.create_trial(role)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
