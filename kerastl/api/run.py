"""`kerastl.run`."""

import contextlib
import dataclasses
import sys
import time

from kerastl.api import values
from kerastl.api.checks import (
    announce_downloads,
    check_network,
    check_source,
    export_directory,
    ready,
)
from kerastl.cluster import Cluster, find_cluster
from kerastl.config import Config
from kerastl.lazy import LazyModule
from kerastl.outputs.directories import open_run_directory
from kerastl.outputs.unfinished import Opened
from kerastl.progress import Progress
from kerastl.result import Result

# It imports TensorFlow.
_joint = LazyModule("kerastl.outputs.joint")


def run(
    config: Config, *, source: "values.Source | None" = None, progress: Progress | None = None
) -> Result | None:
    """Trains, evaluates, records and exports a classifier; goes on with a run that was cut off.

    Keras's global settings and random seed are set for the run; the settings are restored after
    it. TensorFlow's deterministic kernels stay on in the process, which has no public way back,
    and TensorFloat-32 stays off, so that the returned model predicts as it was tested.

    On several machines the first one returns the result, and the others None.

    Args:
        config: The settings of the run.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If a file, download or package is missing or unusable, or the loss is not
            finite.

    Example:
        >>> import kerastl
        >>> config = kerastl.Config(
        ...     dataset="digits", run_dir="runs/digits",
        ...     weights="bundled", examples_per_class=10, head_epochs=5
        ... )
        >>> result = kerastl.run(config, progress=kerastl.Progress())
        >>> result.metrics["test"]["num_images"]
        179
        >>> str(result.run_dir), result.model.output_shape
        ('runs/digits', (None, 10))
    """
    progress = Progress.of(progress, default=sys.stdout)
    check_source(config, source)
    return train_on(find_cluster(config), Opened(config), source, progress)


def train_on(
    cluster: Cluster, opened: Opened, source: "values.Source | None", progress: Progress
) -> Result | None:
    """Does what `run` does, on the machines of a cluster."""
    config = check_network(opened.config)
    given = opened = dataclasses.replace(opened, config=config)
    deadline = time.monotonic() + config.run_seconds
    with contextlib.ExitStack() as stack:
        if cluster.is_first:
            opened = stack.enter_context(open_run_directory(config))
            if config.export_dir:
                stack.enter_context(export_directory(config, precision=config.precision))
            announce_downloads([opened.config], progress)
        usable = ready(opened.config, progress, devices=config.devices, cluster=cluster)
        opened = dataclasses.replace(opened, config=stack.enter_context(usable))
        _joint.check_together(given)
        from kerastl.run import take_part  # noqa: PLC0415

        return take_part(opened, source, progress, deadline=deadline)
