"""`kerastl tune`: searches for the best settings with keras-tuner."""

import dataclasses
import os
import re
import time

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.commands.flagfile import expand_flag_files
from kerastl.errors import UsageError, bad_value
from kerastl.progress import Progress, format_duration
from kerastl.result import test_lines
from kerastl.settings import SETTINGS, SettingGroup, describe, setting
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import SEARCHABLE


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneFlags(SettingGroup):
    """The command's own flags beside those of `SearchOptions`."""

    search_space: str = setting(
        "",
        help="A flag file with ranges instead of values; empty for fine-tuning with AdamW, over "
        "learning rate, epochs, depth, dropout, mirrored views and a third more pixels.",
        is_path=True,
    )


def _tune(given: Given, output: Progress) -> None:
    started = time.monotonic()
    values = dict(given.values)
    flags = TuneFlags(search_space=values.pop("search_space", TuneFlags.search_space))
    options = SearchOptions(**values)
    space = _read_space_file(flags.search_space) if flags.search_space else None
    found = kerastl.tune(given.config, space, options, progress=output)
    output.line(f"Done in {format_duration(time.monotonic() - started)}.")
    if found is not None and found.run is not None:
        for line in test_lines(found.run.metrics):
            output.line(line)


def _read_space_file(path: str) -> dict[str, str]:
    """Reads a flag file with ranges; a later line wins, as in any flag file."""
    if "=" in path and not os.path.exists(path):
        raise bad_value(
            "search_space",
            path,
            "is a range, not a file",
            "Write it into a file, a line for each flag, as in --dropout=uniform(0,0.5), and give "
            "its path",
        )
    try:
        lines = expand_flag_files([f"--flagfile={path}"])
    except UsageError as error:
        raise UsageError(re.sub("^flagfile=", "search_space=", str(error))) from error
    if not lines:
        raise bad_value(
            "search_space", path, "has no range", "Give one, as in --dropout=uniform(0,0.5)"
        )
    pairs = (line.lstrip("-").partition("=") for line in lines)
    return {name: value for name, _, value in pairs}


COMMAND = Command(
    name="tune",
    about="Searches for the settings that are best on the validation images, with keras-tuner. "
    "Trial 0 uses your flags. Trials share the feature store and never see the test "
    "images; the best settings are trained and tested at the end. A search that was stopped "
    "continues with the same command. Writes trials.csv, best.flags, importance.csv and trials.svg "
    "to RUN_DIR/tuning; kerastl train runs best.flags as it is.\n\n"
    "A search space has lines such as --head_learning_rate=log(0.0001,0.1), equal ratios being "
    "equally likely; --dropout=uniform(0,0.5); --finetune_epochs=int(0,4), both ends included; "
    '--augment=choice("",flip). A flag that has no effect with the values of others is left out '
    "there, such as finetune_learning_rate with finetune_epochs=0. Backbones may have their "
    "own weights: choice(MobileNetV2=FILE,ResNet50). Searchable: "
    f"{', '.join(SEARCHABLE)}.\n\n"
    "All flags of kerastl train are accepted too. To search on several machines, start the same "
    "command with a shared run_dir and keras-tuner's variables KERASTUNER_TUNER_ID, "
    "KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT on each.",
    call=_tune,
    flags=describe(SearchOptions) | describe(TuneFlags) | {"budget": SETTINGS["budget"]},
    has_config=True,
)
