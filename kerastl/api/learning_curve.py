"""`kerastl.learning_curve`."""

import pathlib
import sys

from kerastl.api import values
from kerastl.api.checks import announce_downloads, check_network, check_source, ready
from kerastl.config import Config
from kerastl.outputs.directories import check_free, own_directory
from kerastl.progress import Progress
from kerastl.selection.candidates import find_store, read_candidates
from kerastl.selection.file_names import CURVE_TABLE


def learning_curve(
    config: Config, *, source: "values.Source | None" = None, progress: Progress | None = None
) -> "values.LearningCurve":
    """Estimates the accuracy with more training images, by a linear probe and a power law.

    Args:
        config: The settings of the data and of the network, and where to write the curve.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If a file, download or package is missing or unusable.

    Example:
        >>> import kerastl
        >>> config = kerastl.Config(
        ...     dataset="digits", run_dir="runs/curve",
        ...     weights="bundled", examples_per_class=40
        ... )
        >>> curve = kerastl.learning_curve(config, progress=kerastl.Progress())
        >>> curve.num_images, curve.fractions
        (400, (0.05, 0.1, 0.25, 0.5, 1.0))
    """
    progress = Progress.of(progress, default=sys.stdout)
    check_source(config, source)
    config = check_network(config)
    # The network must be one that can be ranked: its weights must not be random.
    read_candidates(config, backbones=config.backbone, image_sizes="", progress=progress)
    find_store(config)
    run_dir = pathlib.Path(config.run_dir)
    check_free(run_dir, CURVE_TABLE, what="a finished learning curve", overwrite=config.overwrite)
    announce_downloads([config], progress)
    with own_directory(run_dir), ready(config, progress) as usable:
        from kerastl.selection.learning_curve import measure_learning_curve  # noqa: PLC0415

        return measure_learning_curve(usable, source=source, progress=progress)
