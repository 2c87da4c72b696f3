"""`kerastl rank`: compares pretrained networks on the data set's own images."""

import dataclasses
import time

from kerastl import api
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress, format_duration, read_duration
from kerastl.selection.candidates import SMALL
from kerastl.settings import SettingGroup, describe, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankFlags(SettingGroup):
    """The command's own flags."""

    backbones: str = setting(
        "small",
        help="Networks of keras.applications, with commas; NAME=FILE gives one its own weights. "
        f"small stands for {', '.join(SMALL)}; all for every network that accepts the size.",
    )
    image_sizes: str = setting(
        "",
        help="Sides of the input in pixels, with commas; every network is evaluated at each. "
        "Empty for that of --image_size.",
    )
    budget: str = setting(
        "",
        help="A time such as 90s, 10m or 2h; empty for no limit. The cheapest network comes "
        "first. If the time is too short for all images, all networks use the same part of them.",
    )


def _rank(given: Given, output: Progress) -> None:
    started = time.monotonic()
    flags = RankFlags(**given.values)
    ranking = api.rank(
        given.config,
        backbones=flags.backbones,
        image_sizes=flags.image_sizes,
        budget=read_duration(flags.budget, field="budget"),
        progress=output,
    )
    output.line(ranking.sentence())
    seconds = format_duration(time.monotonic() - started)
    output.line(f"Done in {seconds}; all files in {ranking.run_dir}.")


COMMAND = Command(
    name="rank",
    about="Compares pretrained networks on the training images: each computes their features "
    "once, and a linear probe on the features is tested on images that it was not fitted to. A "
    "later run with the same flags reads the same features. Writes ranking.csv, ranking.svg and "
    "best.flags to run_dir; kerastl train runs best.flags as it is.\n\n"
    "All flags of kerastl train are accepted too. The flags of the data, --weights, --seed, "
    "--precision and --cache_dir decide what is compared; the others go to best.flags.",
    call=_rank,
    flags=describe(RankFlags),
    has_config=True,
)
