"""Every verb as a function: refuses what it can at once, starts TensorFlow, makes one call."""

import contextlib
import pathlib
import sys
from typing import TYPE_CHECKING

from kerastl import environment
from kerastl.config import Config
from kerastl.errors import bad_value
from kerastl.export_formats import check_formats
from kerastl.model.backbones import check_weights, find_backbone
from kerastl.outputs.directories import make_writable, open_run_directory, writable_directory
from kerastl.progress import Progress
from kerastl.settings.data import FROM_PYTHON

# Each verb imports what it calls once TensorFlow is up: Keras takes its backend when it is first
# imported.
if TYPE_CHECKING:
    from kerastl.data.source import Source
    from kerastl.run import Result


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
