"""The learning curve's command: `kerastl learning_curve` says what more images would bring."""

import pathlib
import sys
import time
from collections.abc import Sequence

from kerastl import environment
from kerastl.commands.flags import wants_help
from kerastl.commands.guard import guard
from kerastl.commands.legacy import config_from_flags
from kerastl.config import Config
from kerastl.model.backbones import check_weights, find_backbone
from kerastl.outputs.directories import (
    check_free,
    make_writable,
    writable_directory,
)
from kerastl.progress import Progress, format_duration
from kerastl.selection.candidates import find_store, read_candidates

_HELP = """usage: kerastl learning_curve --flagfile=FILE [--flag=value ...]

Says what accuracy twice and four times the training images would bring, in all and for each
class: a linear probe on the features of the pretrained network learns from 5, 10, 25, 50 and 100 %
of the training images and is judged on others of them, and a power law goes on from there. The
features are those that a run with the same flags reads. Writes learning_curve.csv and
learning_curve.svg to run_dir.

All flags of the main command are taken. Those of the data, --backbone, --weights, --image_size,
--seed, --precision and --cache_dir decide the curve."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures a learning curve; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _learning_curve(given, output))


def _learning_curve(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line(_HELP)
        return
    started = time.monotonic()
    config = config_from_flags(arguments)
    # As one that is ranked: known, large enough, and not random.
    find_backbone(config.backbone, image_size=config.image_size)
    read_candidates(config, backbones=config.backbone, image_sizes="")
    check_weights(config.weights)
    store = find_store(config)
    run_dir = pathlib.Path(config.run_dir)
    check_free(
        run_dir, "learning_curve.csv", what="a finished learning curve", overwrite=config.overwrite
    )
    with writable_directory(run_dir, field="run_dir"):
        make_writable(store, field="cache_dir")
        with environment.ready(config.precision, config.seed, output):
            sentence = _measure(config, output)
    output.line(f"Done in {format_duration(time.monotonic() - started)}; all files in {run_dir}.")
    output.line(sentence)


def _measure(config: Config, output: Progress) -> str:
    # Only now, since it imports Keras, which takes its backend when it is imported.
    from kerastl.selection.learning_curve import measure_learning_curve  # noqa: PLC0415

    return measure_learning_curve(config, source=None, progress=output).sentence()


if __name__ == "__main__":
    sys.exit(main())
