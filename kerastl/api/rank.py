"""`kerastl.rank`."""

import dataclasses
import pathlib
import sys
import time

from kerastl.api import values
from kerastl.api.checks import announce_downloads, check_source, ready
from kerastl.config import Config
from kerastl.outputs.directories import check_free, own_directory
from kerastl.progress import Progress
from kerastl.selection.candidates import RankOptions, find_store, read_candidates
from kerastl.selection.file_names import RANKING_FLAGS


def rank(
    config: Config,
    *,
    backbones: str = RankOptions.backbones,
    image_sizes: str = RankOptions.image_sizes,
    source: "values.Source | None" = None,
    progress: Progress | None = None,
) -> "values.Ranking":
    """Compares pretrained networks on the training images, with a linear probe.

    Args:
        config: The settings that the networks share, and where to write the ranking.
        backbones: Names with commas, each with `=WEIGHTS` if it has its own; `small`, `modern` and
            `all` stand for lists of networks.
        image_sizes: Sides in pixels, with commas; empty for that of `config`.
        source: Images from Python, if `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If a file, download or package is missing or unusable, or no network could be
            evaluated.

    Example:
        >>> import kerastl
        >>> config = kerastl.Config(
        ...     dataset="digits", run_dir="runs/rank",
        ...     weights="bundled", examples_per_class=10
        ... )
        >>> ranking = kerastl.rank(
        ...     config, backbones="MobileNetV2_035", image_sizes="32,48",
        ...     progress=kerastl.Progress(),
        ... )
        >>> sorted(row.config.image_size for row in ranking.rows)
        [32, 48]
        >>> str(ranking.flags_path)  # Trains the best of them.
        'runs/rank/best.flags'
    """
    options = RankOptions(backbones=backbones, image_sizes=image_sizes)
    deadline = time.monotonic() + config.budget_seconds
    progress = Progress.of(progress, default=sys.stdout)
    check_source(config, source)
    candidates = read_candidates(config, **vars(options), progress=progress)
    find_store(candidates[0])
    run_dir = pathlib.Path(config.run_dir)
    check_free(run_dir, RANKING_FLAGS, what="a finished ranking", overwrite=config.overwrite)
    announce_downloads(candidates, progress)
    with own_directory(run_dir), ready(config, progress) as usable:
        from kerastl.selection import ranking  # noqa: PLC0415

        candidates = [dataclasses.replace(one, stand_in=usable.stand_in) for one in candidates]
        return ranking.rank(candidates, deadline=deadline, source=source, progress=progress)
