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
from kerastl.config import Config
from kerastl.outputs.directories import open_run_directory
from kerastl.progress import Progress
from kerastl.result import Result


def run(
    config: Config, *, source: "values.Source | None" = None, progress: Progress | None = None
) -> Result:
    """Trains, evaluates, records and exports a classifier; goes on with a run that was cut off.

    Keras's global settings and random seed are set for the run; the settings are restored after
    it. TensorFlow's deterministic kernels stay on in the process, which has no public way back,
    and TensorFloat-32 stays off, so that the returned model predicts as it was tested.

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
    deadline = time.monotonic() + config.run_seconds
    progress = progress or Progress(sys.stdout)
    check_source(config, source)
    check_network(config)
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(open_run_directory(config))
        if config.export_dir:
            stack.enter_context(export_directory(config, precision=config.precision))
        announce_downloads([opened.config], progress)
        config = stack.enter_context(ready(opened.config, progress))
        from kerastl.run import finish_run  # noqa: PLC0415

        opened = dataclasses.replace(opened, config=config)
        return finish_run(opened, source, progress, deadline=deadline)
