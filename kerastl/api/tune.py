"""`kerastl.tune`, and `kerastl.hypermodel` for your own tuner."""

import contextlib
import dataclasses
import pathlib
import sys
import time
from collections.abc import Mapping

from kerastl import environment
from kerastl.api import values
from kerastl.api.checks import announce_downloads, check_network, check_source
from kerastl.cluster import check_alone
from kerastl.config import Config
from kerastl.errors import bad_value
from kerastl.outputs.places import usable_places, without_unusable_cache
from kerastl.progress import Progress
from kerastl.tuning.directory import SearchFile, open_search, seconds_taken
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import Space
from kerastl.tuning.space_parser import read_space
from kerastl.tuning.task import Task, find_role, is_chief
from kerastl.tuning.training_process import TrainingProcess


def tune(
    config: Config,
    space: Mapping[str, str] | None = None,
    options: SearchOptions | None = None,
    *,
    source: "values.Source | None" = None,
    progress: Progress | None = None,
) -> "values.Found | None":
    """Searches for the best settings, trains them once more and tests them.

    A search that was cut off continues where it was. With keras-tuner's environment variables
    for distributed tuning, this process owns a search of several processes, or runs trials of one.

    Args:
        config: The baseline: the first trial, and the values of what the space leaves open.
        space: Flag -> its values, as in `{"dropout": "uniform(0,0.5)"}`; None searches the
            default space.
        options: Which tuner, for what objective, for how many trials.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Returns:
        What was found; None for a worker.

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If a file, download or package is missing or unusable, or the first trials
            all fail.

    Example:
        >>> import kerastl
        >>> config = kerastl.Config(
        ...     dataset="digits", run_dir="runs/search",
        ...     weights="bundled", examples_per_class=10, head_epochs=5
        ... )
        >>> options = kerastl.SearchOptions(max_trials=2, final_run=False)
        >>> space = {"head_learning_rate": "log(0.001,0.1)"}
        >>> found = kerastl.tune(config, space, options, progress=kerastl.Progress())
        >>> sorted(found.trials), str(found.best.run_dir)
        ([0, 1], 'runs/search/best')
    """
    progress = Progress.of(progress, default=sys.stdout)
    options = options or SearchOptions()
    config, known_space = _check_search(config, space, source)
    began = time.monotonic()
    task = Task(
        config=config,
        space=known_space,
        options=options,
        role=find_role(),
        began=began,
        deadline=began + config.budget_seconds,
    )
    announce_downloads([config], progress)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(open_search(task))
        config = stack.enter_context(
            usable_places(config, pathlib.Path(config.run_dir), field="run_dir", progress=progress)
        )
        task = dataclasses.replace(task, config=config)
        if not config.overwrite:
            task = task.counting(seconds_taken(directory))
        process = None
        if source is None and not is_chief(task.role):
            # Now, so that it starts TensorFlow beside this process.
            process = TrainingProcess(config, directory / SearchFile.NATIVE_LOG)
            stack.enter_context(contextlib.closing(process))
        stack.enter_context(environment.ready(config.precision, config.seed, progress))
        from kerastl.tuning.search import search  # noqa: PLC0415

        return search(task, source=source, process=process, progress=progress)


def hypermodel(
    config: Config,
    space: Mapping[str, str] | None = None,
    *,
    source: "values.Source | None" = None,
    progress: Progress | None = None,
) -> "values.TransferHyperModel":
    """Returns the runs of a search space as keras-tuner's hypermodel, for your own tuner.

    Args:
        config: The baseline, the images included.
        space: As `tune` takes it.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong.
        KerastlError: If a file, download or package is missing or unusable.

    Example:
        >>> import keras_tuner
        >>> import kerastl
        >>> config = kerastl.Config(
        ...     dataset="digits", run_dir="x", weights="bundled", head_epochs=5
        ... )
        >>> space = {"dropout": "uniform(0,0.5)"}
        >>> runs = kerastl.hypermodel(config, space, progress=kerastl.Progress())
        >>> tuner = keras_tuner.RandomSearch(
        ...     runs, objective="val_accuracy", max_trials=2, directory="own_tuner"
        ... )
        >>> [parameter.name for parameter in tuner.oracle.get_space().space]
        ['dropout']
    """
    progress = Progress.of(progress, default=sys.stdout)
    config, known_space = _check_search(config, space, source)
    if config.class_prompts:
        problem = "is for networks that kerastl opens, and here your tuner holds them"
        raise bad_value("class_prompts", config.class_prompts, problem, "Leave it out")
    config = without_unusable_cache(config, progress)
    with environment.ready(config.precision, config.seed, progress):
        from kerastl.tuning.hypermodel import open_hypermodel  # noqa: PLC0415

        return open_hypermodel(config, known_space, source, progress)


def _check_search(
    config: Config, space: Mapping[str, str] | None, source: "values.Source | None"
) -> tuple[Config, Space | None]:
    check_source(config, source)
    check_alone(config, command="tune")
    config = check_network(config)
    return config, None if space is None else read_space(space, config)
