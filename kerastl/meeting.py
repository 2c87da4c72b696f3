"""Waits for the machines that train together, and says for which. Imports no TensorFlow.

TensorFlow waits for them, too: for an hour, without a word, and deaf to interrupts. So each machine
first listens on its port until it has reached those of all others; TensorFlow's server then takes
the port over. Nothing is sent.
"""

import contextlib
import socket
import time
from collections.abc import Iterator

from kerastl.cluster import Cluster
from kerastl.errors import KerastlError, bad_value, name_some
from kerastl.progress import Progress, count_of

# As long as TensorFlow itself waits.
_MOST_MINUTES = 60
SECONDS_UNTIL_SAID = 10.0
_SECONDS_BETWEEN_TRIES = 0.5
# Of a try: a machine that is up answers in far less.
_SECONDS_OF_TRY = 2.0


def meet(
    cluster: Cluster, progress: Progress, *, most_seconds: float = 60.0 * _MOST_MINUTES
) -> None:
    """Waits until each of the other machines listens; after some seconds a line names who does not.

    Raises:
        UsageError: If the port of this machine cannot be used.
        KerastlError: If one has not come after `most_seconds`.
    """
    began, is_said = time.monotonic(), False
    missing = dict.fromkeys(host for host in cluster.hosts if host != cluster.address)
    with _listening(cluster) as server:
        while missing:
            missing = {host: why for host in missing if (why := _why_not_reached(host))}
            _answer(server)
            waited = time.monotonic() - began
            names = name_some(f"{host} ({why})" for host, why in missing.items())
            if missing and waited >= most_seconds:
                wanted = count_of(len(missing), "machine")
                raise KerastlError(
                    f"workers: {wanted} did not come within {most_seconds / 60:.0f} minutes: "
                    f"{names}. Start the same command on all of them."
                )
            if missing and not is_said and waited >= SECONDS_UNTIL_SAID:
                is_said = True
                progress.line(f"Waiting for {names}.")
            if missing:
                time.sleep(_SECONDS_BETWEEN_TRIES)


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[socket.socket]:
    try:
        server = _listen(_place(cluster.address)[1])
    except OSError as error:
        raise bad_value(
            "workers",
            ",".join(cluster.hosts),
            f"the port of {cluster.address} cannot be used on this machine ({error.strerror})",
            "End what uses it, or choose another port",
        ) from error
    with server:
        server.setblocking(False)
        yield server
        _answer(server)


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # The system may have no addresses of IPv6.
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _answer(server: socket.socket) -> None:
    """Takes the calls of others, of which only some may wait."""
    with contextlib.suppress(BlockingIOError):
        while True:
            server.accept()[0].close()


def _why_not_reached(host: str) -> str:
    """Tries to reach a machine; returns why that failed, empty if it did not."""
    try:
        socket.create_connection(_place(host), timeout=_SECONDS_OF_TRY).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _place(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":")
    return name.strip("[]"), int(port)
