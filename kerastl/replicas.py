"""The devices that train together, of this process and of others. Imports TensorFlow, no Keras.

They are those of one strategy of `tf.distribute`: every device holds the trained weights, computes
the gradients of its share of a batch, and gets the sum over all shares.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from kerastl.cluster import Cluster
from kerastl.errors import KerastlError, bad_value
from kerastl.meeting import meet
from kerastl.progress import Progress, count_of
from kerastl.settings.devices import ALL_DEVICES

# What the end of another process, or of the network between them, raises.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Replicas:
    """Devices that train together.

    Attributes:
        strategy: TensorFlow's own for one device, or one that spreads over several.
        devices: Those of this process.
        worker: Number of this process among those that train together.
        num_workers: How many these are; each has as many devices as the others.
    """

    strategy: tf.distribute.Strategy
    devices: tuple[str, ...] = ("",)
    worker: int = 0
    num_workers: int = 1

    @property
    def count(self) -> int:
        """Devices of all processes."""
        return self.num_workers * len(self.devices)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the results."""
        return self.worker == 0

    @property
    def share(self) -> Callable[[Any], slice]:
        """The rows of this process among a number of rows, an int or a tensor."""
        if self.num_workers == 1:
            return every_row
        return lambda number: share(number, self.worker, self.num_workers)

    @property
    def begin_at(self) -> float:
        """Share of a work before the place at which this process begins with it."""
        return self.worker / self.num_workers

    def slice_here(self, number: Any) -> slice:
        """Returns the share of the present device in the rows of its process."""
        place = tf.distribute.get_replica_context().replica_id_in_sync_group
        return share(number, place % len(self.devices), len(self.devices))

    def on_devices(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Divides the rows that a function gets over the devices of this process.

        The function takes one tensor, and gives one or several with a row for each of its rows.
        """
        if len(self.devices) == 1:
            return function

        @tf.function(autograph=False, reduce_retracing=True)
        def divided(rows: tf.Tensor) -> Any:
            count, parts = tf.shape(rows)[0], []
            # At least one row for each: oneDNN computes a wrong shape of none.
            lacking = tf.maximum(len(self.devices) - count, 0)
            rows = tf.pad(rows, [[0, lacking], *[[0, 0]] * (len(rows.shape) - 1)])
            for place, device in enumerate(self.devices):
                with tf.device(device):
                    here = share(tf.shape(rows)[0], place, len(self.devices))
                    parts.append(function(rows[here]))
            return tf.nest.map_structure(lambda *each: tf.concat(each, axis=0)[:count], *parts)

        return divided  # type: ignore[no-any-return]

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Adds up arrays of the same shape over the processes, each of which has to call it."""
        # TensorFlow 2.21 ends the process if it is to add nothing up.
        if self.num_workers == 1 or not values.size:
            return values
        total: np.ndarray = self._add(tf.constant(values)).numpy()
        return total

    def from_first(self, content: bytes) -> bytes:
        """Returns what the first process has given; each has to call it."""
        size = self.number_of_first(len(content))
        words = np.zeros(-(-size // 8), np.int64)
        if self.is_first:
            words.view(np.uint8)[:size] = np.frombuffer(content, np.uint8)
        return self.sum(words).tobytes()[:size]

    def number_of_first(self, number: int) -> int:
        """Returns the number that the first process has given; each has to call it."""
        return int(self.sum(np.array([self.is_first * number]))[0])

    def wait(self) -> None:
        """Waits until every process has called it."""
        self.sum(np.zeros(1, np.int64))

    @functools.cached_property
    def _add(self) -> Callable[[tf.Tensor], tf.Tensor]:
        def add_here(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # The other devices of a process have nothing to add.
            counts = tf.equal(context.replica_id_in_sync_group % len(self.devices), 0)
            values = tf.where(counts, values, tf.zeros_like(values))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

        def add(values: tf.Tensor) -> tf.Tensor:
            every = self.strategy.run(add_here, args=(values,))
            return self.strategy.experimental_local_results(every)[0]

        return tf.function(add, autograph=False, reduce_retracing=True)  # type: ignore[no-any-return]


def every_row(number: Any) -> slice:
    """Returns a number of rows whole."""
    return slice(0, number)


def share(number: Any, place: Any, count: int) -> slice:
    """Returns one of `count` shares of a number of rows, which differ by one row at most.

    Example:
        >>> [share(7, place, 3) for place in range(3)]
        [slice(0, 2, None), slice(2, 4, None), slice(4, 7, None)]
    """
    return slice(number * place // count, number * (place + 1) // count)


ONE = Replicas(tf.distribute.get_strategy())
# Those of the run, as Keras's settings are those of the process.
_CURRENT = [ONE]


def current() -> Replicas:
    """Returns the devices that train together now: one, unless `using` has chosen others."""
    return _CURRENT[-1]


# Two strategies of a process would take each other's sums for their own.
_OPENED: dict[tuple[str, Cluster], Replicas] = {}


def open_replicas(devices: str, cluster: Cluster, progress: Progress) -> Replicas:
    """Opens the devices to train on; with other machines, before TensorFlow computes anything.

    It waits for the other machines. Later calls return the same.

    Args:
        devices: How many of this machine, as a number or "all".
        cluster: The machines.
        progress: Gets a line if one of them is late.

    Raises:
        UsageError: If there are not so many.
        KerastlError: If the machines cannot talk to each other.
    """
    if (devices, cluster) not in _OPENED:
        _OPENED[devices, cluster] = _open(devices, cluster, progress)
    return _OPENED[devices, cluster]


def _open(devices: str, cluster: Cluster, progress: Progress) -> Replicas:
    if devices == "1" and not cluster.hosts:
        return ONE
    gpus = tf.config.list_physical_devices("GPU")
    if cluster.hosts:
        number = _count(devices, len(gpus) or 1, "GPU" if gpus else "processor")
        if gpus:
            tf.config.set_visible_devices(gpus[:number], "GPU")
        meet(cluster, progress)
        return _join(cluster, number if gpus else 0)
    kind = "GPU" if gpus else "CPU"
    found = tf.config.list_logical_devices(kind)
    number = _count(devices, len(found), "GPU" if gpus else "processor")
    if number == 1:
        return ONE
    names = tuple(device.name for device in found[:number])
    return Replicas(tf.distribute.MirroredStrategy(names), names)


def _count(devices: str, available: int, kind: str) -> int:
    number = available if devices == ALL_DEVICES else int(devices)
    if number > available:
        raise bad_value(
            "devices",
            devices,
            f"is more than the {count_of(available, kind)} that TensorFlow has here",
            f"Use {available} or all",
        )
    return number


def _join(cluster: Cluster, num_gpus: int) -> Replicas:
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.hosts)}),
        task_type="worker",
        task_id=cluster.worker,
        num_accelerators={"GPU": num_gpus},
        rpc_layer="grpc",
    )
    with lost_errors(len(cluster.hosts)):
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    devices = tuple(strategy.extended.worker_devices)
    return Replicas(strategy, devices, cluster.worker, len(cluster.hosts))


@contextlib.contextmanager
def lost_errors(num_workers: int) -> Iterator[None]:
    """Turns the end of another of the machines that train together into one line.

    Raises:
        KerastlError: If it ends, or cannot be reached.
    """
    try:
        yield
    except _LOST as error:
        if num_workers == 1:
            raise
        raise KerastlError(
            f"workers: one of the {num_workers} has ended or cannot be reached "
            f"({type(error).__name__}). Mend what it has printed, if it has, and give the same "
            "command on all of them to go on."
        ) from error


def check_batch(batch_size: int, count: int) -> None:
    """Refuses a batch that the devices cannot share evenly.

    Raises:
        UsageError: If they cannot; with the nearest sizes that they can share.
    """
    if batch_size % count:
        lower = batch_size // count * count
        higher = lower + count
        raise bad_value(
            "batch_size",
            batch_size,
            f"is the number of images of all {count} devices together, and does not divide by "
            f"{count}",
            f"Use {lower} or {higher}" if lower else f"Use {higher}",
        )


@contextlib.contextmanager
def using(replicas: Replicas) -> Iterator[None]:
    """Trains on some devices in the block."""
    _CURRENT.append(replicas)
    try:
        yield
    finally:
        _CURRENT.pop()
