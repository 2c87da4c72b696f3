"""`kerastl doctor`: whether kerastl works here."""

import dataclasses

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress
from kerastl.settings import SETTINGS, SettingGroup, describe, repeated


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorFlags(SettingGroup):
    """The command's own flags."""

    cache_dir: str = repeated(
        SETTINGS["cache_dir"], help="Feature store to look at; auto for the user's."
    )


def _doctor(given: Given, output: Progress) -> None:
    flags = DoctorFlags(**given.values)
    kerastl.doctor(cache_dir=flags.cache_dir, progress=output).check()


COMMAND = Command(
    name="doctor",
    about="Checks whether kerastl works here: versions, devices, extras, cache, disk and memory. "
    "Then it trains, exports and trains again on pictures that are included, for about a minute, "
    "to show that frozen weights stay as they are, exports predict as the trained model does, "
    "splits share no picture, and a run repeats bit for bit. Each gets ok, or the cause and what "
    "to do. It needs no network. The exit code is 1 if one of these fails.",
    call=_doctor,
    flags=describe(DoctorFlags),
)
