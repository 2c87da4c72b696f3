"""Checks and preparations that several verbs share."""

import contextlib
import pathlib
from collections.abc import Iterable, Iterator

from kerastl import environment
from kerastl.api import values
from kerastl.cluster import ALONE, Cluster
from kerastl.config import Config
from kerastl.data_sources import FROM_PYTHON
from kerastl.errors import bad_value
from kerastl.export_formats import check_formats
from kerastl.lazy import LazyModule
from kerastl.model.backbones import check_weights
from kerastl.model.sources.table import find_row
from kerastl.outputs.directories import make_writable, writable_directory
from kerastl.outputs.places import usable_places
from kerastl.progress import Progress
from kerastl.settings import ModelSettings, OutputSettings
from kerastl.settings.recipe import MANUAL

# NumPy comes with it.
_source = LazyModule("kerastl.data.source")


def check_source(config: Config, source: "values.Source | None") -> None:
    """Refuses what is no config or no source, and those that do not belong together.

    Raises:
        UsageError: If they are none, the config does not use the source, or it lacks one.
    """
    if not isinstance(config, Config):
        raise bad_value(
            "config",
            config,
            "is no kerastl.Config",
            "Give kerastl.Config(dataset=..., run_dir=...)",
        )
    if source is not None and not isinstance(source, _source.Source):
        raise bad_value(
            "source",
            source,
            "is no kerastl.Source",
            "Make one with kerastl.Source.from_arrays(images, labels) or from_files(paths, "
            "labels), or name a folder or a table in config.dataset",
        )
    if (source is None) == config.source_kind.is_passed_in:
        raise bad_value(
            "dataset",
            config.dataset,
            "needs a source, which only Python code can pass in"
            if source is None
            else "does not use the source that was passed in",
            f"Use dataset={FROM_PYTHON!r} with a source, and only then",
        )


def check_network(config: Config) -> Config:
    """Refuses a network or weights that do not exist.

    Returns:
        The config, with the network's own image size where none is given, unless a recipe will
        choose one.

    Raises:
        UsageError: If they do not, the network does not take the image size, or a format of the
            export cannot hold it.
    """
    row, sized = find_row(config.backbone), config
    if "image_size" not in config.origins and (size := row.only_size or row.usual_size):
        sized = config.changed(f"size of {row.name}", image_size=size)
    row.check(sized)
    if config.export_dir:
        row.check_formats(config.formats)
    check_weights(sized.weights)
    return sized if config.recipe == MANUAL else config


def announce_downloads(models: Iterable[ModelSettings], progress: Progress) -> None:
    """Prints the licences of the weights that are about to be downloaded."""
    for name in dict.fromkeys(model.backbone for model in models if not model.from_scratch):
        if line := find_row(name).describe_download():
            progress.line(line)


@contextlib.contextmanager
def export_directory(output: OutputSettings, *, precision: str) -> Iterator[None]:
    """Makes the directory of exports for a block; removes a new one if the block fails.

    Raises:
        UsageError: If a format cannot be written with these settings.
        KerastlError: If a package is missing, or the directory cannot be written.
    """
    path = pathlib.Path(output.export_dir)
    check_formats(output.formats, precision=precision, export_dir=path)
    with writable_directory(path, field="export_dir"):
        yield


@contextlib.contextmanager
def ready(
    config: Config, progress: Progress, *, devices: str = "1", cluster: Cluster = ALONE
) -> Iterator[Config]:
    """Starts TensorFlow for a block that reads images; yields the settings with a usable cache.

    `devices` and `cluster` are those of `environment.ready`.
    """
    around, field = pathlib.Path(config.run_dir), "run_dir"
    if not cluster.is_first and config.memory_path:
        # Only the first machine has the directory of the run.
        around, field = config.memory_path, "cache_dir"
    with contextlib.ExitStack() as stack:
        tensorflow = environment.ready(
            config.precision, config.seed, progress, devices=devices, cluster=cluster
        )
        if not cluster.is_first:
            # The first machine makes the directory before it meets the others in TensorFlow.
            stack.enter_context(tensorflow)
            make_writable(around, field=field)
        settings = stack.enter_context(
            usable_places(config, around, field=field, progress=progress)
        )
        if cluster.is_first:
            stack.enter_context(tensorflow)
        yield settings
