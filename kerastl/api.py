"""Every verb as a function: refuses what it can at once, starts TensorFlow, makes one call."""

import contextlib
import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kerastl import environment
from kerastl.config import Config
from kerastl.errors import bad_value
from kerastl.export_formats import check_formats
from kerastl.model.backbones import check_weights, find_backbone
from kerastl.outputs.directories import (
    check_free,
    finished_config,
    open_run_directory,
    writable_directory,
)
from kerastl.outputs.model_path import find_model, prepare_for
from kerastl.outputs.places import is_usable, usable_places
from kerastl.paths import local_path
from kerastl.progress import Progress
from kerastl.selection.candidates import RankOptions, find_store, read_candidates
from kerastl.selection.file_names import CURVE_TABLE, RANKING_FLAGS
from kerastl.serving.export_path import find_export
from kerastl.serving.listener import (
    OPEN_WARNING,
    accept_other_machines,
    check_packages,
    open_listeners,
)
from kerastl.serving.options import Limits, PredictOptions, ServeOptions
from kerastl.serving.platforms import read_platform
from kerastl.settings import DataSettings, ModelSettings
from kerastl.settings.data import FROM_PYTHON
from kerastl.tuning.directory import NATIVE_LOG, open_search
from kerastl.tuning.roles import find_role, is_chief
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import Space
from kerastl.tuning.space_parser import read_space
from kerastl.tuning.task import Task
from kerastl.tuning.training_process import TrainingProcess
from kerastl.writing import temporary_place

if TYPE_CHECKING:
    from kerastl.data.source import Source
    from kerastl.outputs.exporting import Exported
    from kerastl.result import Result
    from kerastl.selection.curve import LearningCurve
    from kerastl.selection.ranking import Ranking
    from kerastl.serving.predictor import Predictions
    from kerastl.serving.server import Served
    from kerastl.tuning.hypermodel import TransferHyperModel
    from kerastl.tuning.search import Found

# Each verb imports what it calls only when TensorFlow is up: Keras takes its backend when it is
# first imported.


def run(
    config: Config, *, source: "Source | None" = None, progress: Progress | None = None
) -> "Result":
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
    """
    deadline = time.monotonic() + config.run_seconds
    progress = progress or Progress(sys.stdout)
    check_source(config, source)
    _check_network(config)
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(open_run_directory(config))
        if config.export_dir:
            stack.enter_context(_export_directory(config))
        config = stack.enter_context(_ready(opened.config, progress))
        from kerastl.run import finish_run  # noqa: PLC0415

        opened = dataclasses.replace(opened, config=config)
        return finish_run(opened, source, progress, deadline=deadline)


def rank(
    config: Config,
    *,
    backbones: str = RankOptions.backbones,
    image_sizes: str = RankOptions.image_sizes,
    source: "Source | None" = None,
    progress: Progress | None = None,
) -> "Ranking":
    """Compares pretrained networks on the training images, with a linear probe.

    Args:
        config: The settings that the networks share, and where to write the ranking.
        backbones: Names with commas, each with `=WEIGHTS` if it has its own; `small` and `all`
            stand for lists of networks.
        image_sizes: Sides in pixels, with commas; empty for that of `config`.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If a file, download or package is missing or unusable, or no network could be
            evaluated.
    """
    options = RankOptions(backbones=backbones, image_sizes=image_sizes)
    deadline = time.monotonic() + config.budget_seconds
    progress = progress or Progress(sys.stdout)
    check_source(config, source)
    candidates = read_candidates(
        config, backbones=options.backbones, image_sizes=options.image_sizes
    )
    find_store(candidates[0])
    run_dir = pathlib.Path(config.run_dir)
    check_free(run_dir, RANKING_FLAGS, what="a finished ranking", overwrite=config.overwrite)
    with writable_directory(run_dir, field="run_dir"), _ready(config, progress) as ready:
        from kerastl.selection import ranking  # noqa: PLC0415

        candidates = [dataclasses.replace(one, stand_in=ready.stand_in) for one in candidates]
        return ranking.rank(candidates, deadline=deadline, source=source, progress=progress)


def learning_curve(
    config: Config, *, source: "Source | None" = None, progress: Progress | None = None
) -> "LearningCurve":
    """Estimates the accuracy with more training images, by a linear probe and a power law.

    Args:
        config: The settings of the data and of the network, and where to write the curve.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If a file, download or package is missing or unusable.
    """
    progress = progress or Progress(sys.stdout)
    check_source(config, source)
    _check_network(config)
    # The network must be one that can be ranked: its weights must not be random.
    read_candidates(config, backbones=config.backbone, image_sizes="")
    find_store(config)
    run_dir = pathlib.Path(config.run_dir)
    check_free(run_dir, CURVE_TABLE, what="a finished learning curve", overwrite=config.overwrite)
    with writable_directory(run_dir, field="run_dir"), _ready(config, progress) as ready:
        from kerastl.selection.learning_curve import measure_learning_curve  # noqa: PLC0415

        return measure_learning_curve(ready, source=source, progress=progress)


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
    """
    progress = progress or Progress(sys.stdout)
    options = options or SearchOptions()
    task = Task(
        config=config,
        space=_check_search(config, space, source),
        options=options,
        role=find_role(),
        deadline=time.monotonic() + config.budget_seconds,
    )
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(open_search(task))
        config = stack.enter_context(
            usable_places(config, pathlib.Path(config.run_dir), field="run_dir", progress=progress)
        )
        task = dataclasses.replace(task, config=config)
        process = None
        if source is None and not is_chief(task.role):
            # Now, so that it starts TensorFlow beside this process.
            process = TrainingProcess(config, directory / NATIVE_LOG)
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
    """Returns the runs of a search space as keras-tuner's hypermodel, for your own tuner.

    Args:
        config: The baseline, the images included.
        space: As `tune` takes it.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong.
        KerastlError: If a file, download or package is missing or unusable.
    """
    progress = progress or Progress(sys.stdout)
    known_space = _check_search(config, space, source)
    if not is_usable(config, progress):
        config = dataclasses.replace(config, cache_dir="")
    with environment.ready(config.precision, config.seed, progress):
        from kerastl.tuning.hypermodel import open_hypermodel  # noqa: PLC0415

        return open_hypermodel(config, known_space, source, progress)


def predict(
    model: str | os.PathLike[str],
    paths: Sequence[str],
    *,
    batch_size: int = PredictOptions.batch_size,
    image_column: str = PredictOptions.image_column,
) -> "Predictions":
    """Classifies image files, in order, while the result is iterated over.

    Args:
        model: Directory of a run, an export, or a .keras, .tflite or .onnx file beside its
            `model_card.json`.
        paths: Files, folders, globs, CSV files with a column of paths, or "-" for standard input.
        batch_size: Largest number of images in a batch.
        image_column: Column of paths in CSV files; by default one of the usual names is found.

    Raises:
        UsageError: If the model does not exist, or `paths` contain no images.
        KerastlError: If the model cannot be opened.
    """
    options = PredictOptions(batch_size=batch_size, image_column=image_column)
    found = find_model(os.fspath(model))
    prepare_for(found, Progress())
    from kerastl.serving import predictor  # noqa: PLC0415

    return predictor.predict(
        found, paths, batch_size=options.batch_size, image_column=options.image_column
    )


def export(
    run_dir: str | os.PathLike[str], *, progress: Progress | None = None, **changes: Any
) -> "Exported":
    """Writes the model of a finished run for serving, compared with the trained one.

    Args:
        run_dir: Directory of the run.
        progress: Where to report; standard output by default, `Progress()` for silence.
        **changes: `export_dir`, `format`, `parity_images` or `max_accuracy_drop` instead of the
            run's.

    Raises:
        UsageError: If the run is not finished, or a value is wrong.
        KerastlError: If a format cannot be written, or predicts something else than the model.
    """
    progress = progress or Progress(sys.stdout)
    path = local_path(run_dir, field="run")
    config = finished_config(path, changes)
    if not is_usable(config, progress):
        config = dataclasses.replace(config, cache_dir="")
    with (
        _export_directory(config),
        temporary_place(pathlib.Path(config.export_dir), field="export_dir"),
        environment.ready(config.precision, config.seed, progress),
    ):
        from kerastl.outputs.finished_run import export_run  # noqa: PLC0415

        return export_run(path, config, progress)


def serve(
    export: str | os.PathLike[str] = "",
    *,
    host: str = ServeOptions.host,
    port: int | None = None,
    name: str = ServeOptions.name,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> "Served":
    """Serves an export over HTTP until SIGTERM or SIGINT; call it from the main thread.

    Args:
        export: Directory of versions, or one version; by default the platform's folder.
        host: Address to listen on; 0.0.0.0 lets other machines connect.
        port: Port to listen on; 0 chooses a free one, None takes the platform's or 8501.
        name: Name of the model in URLs; by default that of its directory.
        limits: What is accepted, and how much at a time.
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong.
        KerastlError: If a package is missing, the port is taken or no version can be served.
    """
    progress = progress or Progress(sys.stdout)
    platform = read_platform(port=port, export=str(export))
    options = ServeOptions(host=host, port=platform.port, name=name)
    found = find_export(platform.export, options.name)
    check_packages()
    with open_listeners(options.host, options.port) as listeners:
        if str(platform):
            progress.line(str(platform))
        if accept_other_machines(listeners):
            progress.line(OPEN_WARNING)
        environment.prepare_tensorflow(progress)
        from kerastl.serving import server  # noqa: PLC0415

        return server.serve(
            found, listeners, limits=limits or Limits(), platform=platform, progress=progress
        )


def check_source(data: DataSettings, source: "Source | None") -> None:
    """Refuses a source that the settings do not use, and settings that lack their source.

    Raises:
        UsageError: If they do not match.
    """
    if (source is None) == (data.dataset == FROM_PYTHON):
        raise bad_value(
            "dataset",
            data.dataset,
            "needs a source, which only Python code can pass in"
            if source is None
            else "does not use the source that was passed in",
            f"Use dataset={FROM_PYTHON!r} with a source, and only then",
        )


def _check_search(
    config: Config, space: Mapping[str, str] | None, source: "Source | None"
) -> Space | None:
    check_source(config, source)
    _check_network(config)
    return None if space is None else read_space(space, config)


def _check_network(model: ModelSettings) -> None:
    find_backbone(model.backbone, image_size=model.image_size)
    check_weights(model.weights)


@contextlib.contextmanager
def _export_directory(config: Config) -> Iterator[None]:
    path = pathlib.Path(config.export_dir)
    check_formats(config.formats, precision=config.precision, export_dir=path)
    with writable_directory(path, field="export_dir"):
        yield


@contextlib.contextmanager
def _ready(config: Config, progress: Progress) -> Iterator[Config]:
    """Starts TensorFlow for a block that reads images; yields the settings with a usable cache."""
    with (
        usable_places(
            config, pathlib.Path(config.run_dir), field="run_dir", progress=progress
        ) as settings,
        environment.ready(config.precision, config.seed, progress),
    ):
        yield settings
