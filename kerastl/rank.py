"""The rank command: `kerastl rank` compares pretrained networks on a data set's own images."""

import pathlib
import sys
import time
from collections.abc import Sequence

from absl import flags

from kerastl import environment
from kerastl.commands.flags import wants_help
from kerastl.commands.guard import guard
from kerastl.commands.legacy import config_from_flags
from kerastl.config import Config
from kerastl.outputs.directories import (
    check_free,
    make_writable,
    writable_directory,
)
from kerastl.progress import Progress, format_duration, read_duration
from kerastl.selection.candidates import SMALL, find_store, read_candidates

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
    deadline = started + read_duration(values.budget, field="budget")
    store = find_store(candidates[0])
    run_dir = pathlib.Path(config.run_dir)
    check_free(run_dir, "best.flags", what="a finished ranking", overwrite=config.overwrite)
    with writable_directory(run_dir, field="run_dir"):
        make_writable(store, field="cache_dir")
        with environment.ready(config.precision, config.seed, output):
            _compare(candidates, deadline, output)
    output.line(f"Done in {format_duration(time.monotonic() - started)}; all files in {run_dir}.")


def _compare(candidates: Sequence[Config], deadline: float, output: Progress) -> None:
    # Only now, since it imports Keras, which takes its backend when it is imported.
    from kerastl.selection.ranking import rank  # noqa: PLC0415

    ranking = rank(candidates, deadline=deadline, source=None, progress=output)
    output.line(ranking.sentence())


if __name__ == "__main__":
    sys.exit(main())
