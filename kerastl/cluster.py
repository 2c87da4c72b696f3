"""The machines that train together, by the flags or by TF_CONFIG. Imports no TensorFlow."""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from kerastl.errors import UsageError, bad_value
from kerastl.settings import DeviceSettings

# https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable
VARIABLE = "TF_CONFIG"
# Kinds of tasks that take part, in the order of their places; a chief is the first worker.
_KINDS = ("chief", "worker")


class Cluster(NamedTuple):
    """Machines that train together.

    Attributes:
        hosts: HOST:PORT of each; empty for this machine alone.
        worker: The place of this one.
    """

    hosts: tuple[str, ...] = ()
    worker: int = 0

    @property
    def address(self) -> str:
        """HOST:PORT of this machine."""
        return self.hosts[self.worker]

    @property
    def is_first(self) -> bool:
        """Whether this machine writes the results."""
        return self.worker == 0


ALONE = Cluster()


def find_cluster(settings: DeviceSettings, environment: Mapping[str, str] = os.environ) -> Cluster:
    """Finds the machines that train together; those of the flags go first.

    Raises:
        UsageError: If TF_CONFIG cannot be used.
    """
    if settings.hosts:
        hosts, worker = settings.hosts, settings.worker
    elif text := environment.get(VARIABLE, ""):
        hosts, worker = _read(text)
    else:
        return ALONE
    return Cluster(hosts, worker) if len(hosts) > 1 else ALONE


def check_alone(settings: DeviceSettings, *, command: str) -> None:
    """Refuses several devices or machines for a command that uses one.

    Raises:
        UsageError: If they are given by flags.
    """
    if settings.hosts or settings.devices != "1":
        name = "workers" if settings.hosts else "devices"
        problem = f"is for kerastl train, not for {command}"
        advice = f"Start one kerastl {command} for each GPU, as the docs show"
        raise bad_value(name, getattr(settings, name), problem, advice)


def _read(text: str) -> tuple[tuple[str, ...], int]:
    try:
        given = json.loads(text)
        cluster: dict[str, Any] = given.get("cluster") or {}
        jobs = {kind: list(map(str, cluster.get(kind, ()))) for kind in _KINDS}
        task = given.get("task") or {"type": _KINDS[1], "index": 0}
        kind, index = str(task["type"]), int(task["index"])
        if kind not in _KINDS:
            raise UsageError(
                f"{VARIABLE}: task type {kind!r} does not train. kerastl runs on chief and "
                "workers; leave out evaluators and parameter servers."
            )
        hosts = tuple(host for kind in _KINDS for host in jobs[kind])
        if other := [host for host in hosts if not host.rpartition(":")[2].isdecimal()]:
            raise ValueError(f"{other[0]!r} is not HOST:PORT")
        if hosts and index >= len(jobs[kind]):
            raise ValueError(f"there is no {kind} {index}")
        return hosts, index + (len(jobs[_KINDS[0]]) if kind == _KINDS[1] else 0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{VARIABLE}: cannot be used ({type(error).__name__}: {error}). Write cluster and task "
            "as TensorFlow describes them, or give --workers and --worker."
        ) from error
