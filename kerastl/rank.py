"""The rank command: `kerastl rank` compares pretrained networks on a data set's own images."""

import pathlib
import shlex
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from kerastl import environment
from kerastl.commands.flags import wants_help
from kerastl.commands.guard import guard
from kerastl.commands.legacy import config_from_flags
from kerastl.config import Config
from kerastl.errors import KerastlError
from kerastl.outputs.paths import (
    check_free,
    make_writable,
    remove_files,
    writable_directory,
)
from kerastl.progress import Progress, format_duration
from kerastl.selection.candidates import SMALL, find_store, read_budget, read_candidates

if TYPE_CHECKING:
    from kerastl.selection.rows import Row

_HELP = f"""usage: kerastl rank --flagfile=FILE [--flag=value ...]

Compares pretrained networks on the training images: each passes over them once, and a linear probe
on its features is judged on images that it has not seen. The features are those that a later run
with the same flags reads. Writes ranking.csv, ranking.svg and best.flags to run_dir; the main
command runs best.flags as it is.

  --backbones (default: small)
      Networks of keras.applications, with commas; NAME=FILE gives one its own weights. small stands
      for {", ".join(SMALL)}; all for all that take the size.
  --image_sizes (default: that of --image_size)
      Sides of the input in pixels, with commas; each network is judged at each.
  --budget (default: no limit)
      A time such as 90s, 10m or 2h. The cheapest network comes first, and where the time is too
      short all are judged on the same part of the images.

All flags of the main command are taken too. Those of the data, --weights, --seed, --precision and
--cache_dir decide what is compared; the others go to best.flags."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Ranks networks; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _rank(given, output))


def _rank(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line(_HELP)
        return
    started = time.monotonic()
    values = flags.FlagValues()
    for name, default in (("backbones", "small"), ("image_sizes", ""), ("budget", "")):
        flags.DEFINE_string(name, default, "", flag_values=values)
    config = config_from_flags(arguments, values=values)
    candidates = read_candidates(config, backbones=values.backbones, image_sizes=values.image_sizes)
    deadline = started + read_budget(values.budget)
    store = find_store(candidates[0])
    run_dir = pathlib.Path(config.run_dir)
    check_free(run_dir, "best.flags", what="a finished ranking", overwrite=config.overwrite)
    with writable_directory(run_dir, field="run_dir"):
        make_writable(store, field="cache_dir")
        with environment.ready(config.precision, config.seed, output):
            _compare(candidates, config, deadline, output)
    output.line(f"Done in {format_duration(time.monotonic() - started)}; all files in {run_dir}.")


def _compare(
    candidates: Sequence[Config], config: Config, deadline: float, output: Progress
) -> None:
    # Only now, since these import Keras, which takes its backend when it is imported.
    from kerastl.data.opening import open_data  # noqa: PLC0415
    from kerastl.data.reading import reading_errors  # noqa: PLC0415
    from kerastl.selection.ranking import rank  # noqa: PLC0415
    from kerastl.selection.ranking_files import (  # noqa: PLC0415
        FILES,
        RankingFiles,
        tell_row,
        tell_table,
    )

    splits = open_data(candidates[0], None, output)
    run_dir = pathlib.Path(config.run_dir)
    remove_files(run_dir, FILES)
    files = RankingFiles(run_dir, source_name=splits.source.name)

    def on_row(row: "Row") -> None:
        files.add(row)
        output.line(tell_row(row))

    with reading_errors():
        rank(candidates, splits, output, deadline=deadline, on_row=on_row)
    tell_table(files.rows, output)
    if all(row.reason for row in files.rows):
        raise KerastlError(f"backbones: none could be judged; the first: {files.rows[0].reason}")
    best = files.finish()
    output.line(
        f"Best: {best.config.backbone} with {best.config.weights} at {best.config.image_size} px. "
        "Train it with "
        f"python -m kerastl.main --flagfile={shlex.quote(str(run_dir / 'best.flags'))}"
    )


if __name__ == "__main__":
    sys.exit(main())
