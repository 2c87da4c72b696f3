"""Every verb as a function: refuses what it can at once, starts TensorFlow, makes one call."""

import contextlib
import pathlib
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kerastl import environment
from kerastl.config import Config
from kerastl.errors import bad_value
from kerastl.export_formats import check_formats
from kerastl.model.backbones import check_weights, find_backbone
from kerastl.outputs.directories import make_writable, open_run_directory, writable_directory
from kerastl.progress import Progress
from kerastl.settings.data import FROM_PYTHON
from kerastl.tuning.directory import NATIVE_LOG, open_search
from kerastl.tuning.roles import find_role, is_chief
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import Space, read_space
from kerastl.tuning.task import Task
from kerastl.tuning.worker import WorkerProcess

# Each verb imports what it calls once TensorFlow is up: Keras takes its backend when it is first
# imported.
if TYPE_CHECKING:
    from kerastl.data.source import Source
    from kerastl.run import Result
    from kerastl.tuning.hypermodel import TransferHyperModel
    from kerastl.tuning.search import Found


def run(
    config: Config, *, source: "Source | None" = None, progress: Progress | None = None
) -> "Result":
    """Trains, evaluates, records and exports a classifier.

    Keras's global settings and random seed are set for the run; the settings are restored after
    it. TensorFlow's deterministic kernels stay on in the process, which has no public way back,
    and TensorFloat-32 stays off, so that the returned model predicts as it was tested.

    Args:
        config: The settings of the run.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Example:
        >>> config = Config(dataset="digits", weights="bundled", run_dir="runs/digits")
        >>> result = run(config)  # doctest: +SKIP
        >>> result.metrics["test"]["accuracy"]  # doctest: +SKIP
        0.9385474860335196

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If something outside is not as needed, or the loss is not finite.
    """
    progress = Progress(sys.stdout) if progress is None else progress
    check_source(config, source)
    find_backbone(config.backbone, image_size=config.image_size)
    check_weights(config.weights)
    with contextlib.ExitStack() as stack:
        run_dir = pathlib.Path(config.run_dir)
        stack.enter_context(open_run_directory(run_dir, overwrite=config.overwrite))
        if config.export_dir:
            export_dir = pathlib.Path(config.export_dir)
            check_formats(config.formats, precision=config.precision, export_dir=export_dir)
            stack.enter_context(writable_directory(export_dir, field="export_dir"))
        if cache := config.cache_path or config.memory_path:
            make_writable(cache, field="cache_dir")
        stack.enter_context(environment.ready(config.precision, config.seed, progress))
        from kerastl.run import finish_run  # noqa: PLC0415

        return finish_run(config, source, run_dir, progress)


def tune(
    config: Config,
    space: Mapping[str, str] | None = None,
    options: SearchOptions | None = None,
    *,
    source: "Source | None" = None,
    progress: Progress | None = None,
) -> "Found | None":
    """Searches for the best settings, trains them once more and tests them.

    A search that was cut off continues where it was. With keras-tuner's environment variables
    for distributed tuning, this process owns a search of several processes, or runs trials of one.

    Args:
        config: The flags as given: the first trial, and what the space leaves open.
        space: Flag -> its values, as in `{"dropout": "uniform(0,0.5)"}`; a default by default.
        options: Which tuner, for what objective, for how many trials.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Returns:
        What was found; None for a worker.

    Example:
        >>> config = Config(dataset="digits", weights="bundled", run_dir="runs/search")
        >>> found = tune(config, {"dropout": "uniform(0,0.5)"})  # doctest: +SKIP
        >>> found.best.dropout  # doctest: +SKIP
        0.1234

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If something outside is not as needed, or the first trials all fail.
    """
    progress = Progress(sys.stdout) if progress is None else progress
    options = options or SearchOptions()
    task = Task(
        config=config,
        space=_check_search(config, space, source),
        options=options,
        role=find_role(),
        deadline=time.monotonic() + options.budget,
    )
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(open_search(task))
        process = None
        if source is None and not is_chief(task.role):
            # Now, so that it starts TensorFlow beside this process.
            process = WorkerProcess(config, directory / NATIVE_LOG)
            stack.enter_context(contextlib.closing(process))
        stack.enter_context(environment.ready(config.precision, config.seed, progress))
        from kerastl.tuning.search import search  # noqa: PLC0415

        return search(task, source=source, process=process, progress=progress)


def hypermodel(
    config: Config,
    space: Mapping[str, str] | None = None,
    *,
    source: "Source | None" = None,
    progress: Progress | None = None,
) -> "TransferHyperModel":
    """Returns the runs of a search space as keras-tuner's hypermodel, for a tuner of one's own.

    Args:
        config: The flags as given, the images among them.
        space: As `tune` takes it.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong.
        KerastlError: If something outside is not as needed.
    """
    progress = Progress(sys.stdout) if progress is None else progress
    known_space = _check_search(config, space, source)
    with environment.ready(config.precision, config.seed, progress):
        from kerastl.tuning.hypermodel import open_hypermodel  # noqa: PLC0415

        return open_hypermodel(config, known_space, source, progress)


def _check_search(
    config: Config, space: Mapping[str, str] | None, source: "Source | None"
) -> Space | None:
    check_source(config, source)
    find_backbone(config.backbone, image_size=config.image_size)
    check_weights(config.weights)
    return None if space is None else read_space(space, config)


def check_source(config: Config, source: "Source | None") -> None:
    """Refuses a source that the config does not use, and a config that lacks its source.

    Raises:
        UsageError: If they do not go together.
    """
    if (source is None) == (config.dataset == FROM_PYTHON):
        raise bad_value(
            "dataset",
            config.dataset,
            "needs a source, which only Python code can pass in"
            if source is None
            else "does not use the source that was passed in",
            f"Use dataset={FROM_PYTHON!r} with a source, and only then",
        )
