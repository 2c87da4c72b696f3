"""`kerastl rank`: compares pretrained networks on the data set's own images."""

import time

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress, format_duration
from kerastl.selection.candidates import RankOptions
from kerastl.settings import SETTINGS, describe


def _rank(given: Given, output: Progress) -> None:
    started = time.monotonic()
    ranking = kerastl.rank(given.config, progress=output, **given.values)
    output.line(ranking.sentence())
    seconds = format_duration(time.monotonic() - started)
    output.line(f"Done in {seconds}; all files in {ranking.run_dir}.")


COMMAND = Command(
    name="rank",
    about="Compares pretrained networks on the training images. Each computes their features "
    "once, and a linear probe on the features is tested on images that it was not fitted to. A "
    "later run with the same flags reads the same features. Writes ranking.csv, ranking.svg and "
    "best.flags to run_dir; kerastl train runs best.flags as it is.\n\n"
    "With a budget the cheapest network comes first, and if the time is too short for all images, "
    "all networks use the same part of them. All flags of kerastl train are accepted too: those of "
    "the data, the images and the model decide what is compared; the others go to best.flags.",
    call=_rank,
    flags=describe(RankOptions) | {"budget": SETTINGS["budget"]},
    has_config=True,
)
