"""`kerastl backbones`: lists the pretrained networks, and which are on this machine."""

import dataclasses
import re

from kerastl.commands.command import Command, Given
from kerastl.errors import bad_value
from kerastl.model.backbones import Backbone
from kerastl.model.sources.table import list_rows
from kerastl.progress import Progress, count_of
from kerastl.settings import SettingGroup, describe, setting

_HEADER = (
    *("network", "source", "parameters", "image size", "scaling", "pooling", "licence", "here"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackbonesFlags(SettingGroup):
    """The command's own flags."""

    match: str = setting("", help="Only networks with this in their name.")
    here: bool = setting(False, help="Only networks whose weights are on this machine.")


def _backbones(given: Given, output: Progress) -> None:
    flags = BackbonesFlags(**given.values)
    rows = [row for row in list_rows() if re.search(re.escape(flags.match), row.name, re.I)]
    if not rows:
        raise bad_value(
            "match", flags.match, "is in the name of no network", "Leave it out to see them all"
        )
    places = {row.name: row.find_weights() for row in rows}
    shown = [row for row in rows if places[row.name] or not flags.here]
    lines = [_HEADER, *(_cells(row, places[row.name]) for row in shown)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        line = "  ".join(map(str.ljust, cells, widths))
        output.line(line.rstrip())
    output.line(
        f"{count_of(len(shown), 'network')}. No licence is named that could not be confirmed: look "
        "at the network's page."
    )


def _cells(row: Backbone, place: str) -> tuple[str, ...]:
    parameters = f"{row.parameters / 1e6:.1f} M" if row.parameters else ""
    here = ("bundled" if place == "bundled" else "yes") if place else ""
    about = (row.library, parameters, row.sizes, row.scaled, row.sees, row.licence)
    return (row.name, *about, here)


COMMAND = Command(
    name="backbones",
    about="Lists the pretrained networks that have a name, with their parameters, the image sizes "
    "that they take, and whether their weights are on this machine. A file of your own and a "
    "preset of KerasHub elsewhere are networks too; see --backbone of kerastl train.",
    call=_backbones,
    flags=describe(BackbonesFlags),
)
