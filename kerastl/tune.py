"""The tune command: `kerastl tune` searches for the best settings with keras-tuner."""

import re
import sys
import time
from collections.abc import Sequence

from absl import flags

from kerastl.api import tune
from kerastl.commands.flagfile import expand_flag_files
from kerastl.commands.flags import wants_help
from kerastl.commands.guard import guard
from kerastl.commands.legacy import config_from_flags, tell_test
from kerastl.config import Config
from kerastl.errors import UsageError, bad_value
from kerastl.progress import Progress, format_duration, read_duration
from kerastl.tuning.search_options import OBJECTIVES, TUNERS, SearchOptions
from kerastl.tuning.space import SEARCHABLE

_DEFAULTS = SearchOptions()
_HELP = f"""usage: kerastl tune --flagfile=FILE [--flag=value ...]

Searches for the settings that are best on the validation images, with keras-tuner. The first trial
is the flags as they are given. Trials share the feature store and never see the test images; the
best settings are trained and tested in the end. A search that was stopped goes on with the same
command. Writes trials.csv, best.flags, importance.csv and trials.svg to RUN_DIR/tuning; the main
command runs best.flags as it is.

  --search_space=FILE (default: fine-tuning with AdamW; rate, epochs, depth, dropout, mirrored
      copies, and a third more pixels; what was best by hand comes first)
      A flag file with ranges in place of values:
        --head_learning_rate=log(0.0001,0.1)     equal ratios are equally likely
        --dropout=uniform(0,0.5)                 equal differences are
        --finetune_epochs=int(0,4)               whole numbers, both ends included
        --augment=choice("",flip)                one of these
      A flag that others make pointless is left out where they do, as finetune_learning_rate with
      finetune_epochs=0. A backbone may bring its weights: choice(MobileNetV2=FILE,ResNet50).
      Searchable: {", ".join(SEARCHABLE[:9])},
      {", ".join(SEARCHABLE[9:])}.
  --tuner={"|".join(TUNERS)} (default: {_DEFAULTS.tuner})
      Draw at random; model the objective; give many settings few epochs and the best of them more;
      or try every combination.
  --objective={"|".join(OBJECTIVES)} (default: {_DEFAULTS.objective})
  --max_trials (default: {_DEFAULTS.max_trials})
      Trials at the most, the flags as given among them.
  --executions_per_trial (default: {_DEFAULTS.executions_per_trial})
      Trainings of each trial, with different seeds; their mean counts.
  --budget (default: no limit)
      A time such as 30m or 2h, the final run included; no trial begins that would not end in it.
  --final_run, --nofinal_run (default: on)
      Train and test the best settings in the end, into run_dir.

All flags of the main command are taken too. A search on several machines is keras-tuner's: start
the same command with a shared run_dir and its variables KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP
and KERASTUNER_ORACLE_PORT on each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Searches; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _tune(given, output))


def _tune(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line(_HELP)
        return
    started = time.monotonic()
    config, space, options = read_flags(arguments)
    found = tune(config, space, options, progress=output)
    output.line(f"Done in {format_duration(time.monotonic() - started)}.")
    if found is not None and found.run is not None:
        tell_test(found.run, output)


def read_flags(
    arguments: Sequence[str],
) -> tuple[Config, dict[str, str] | None, SearchOptions]:
    """Parses the command's arguments, flag files included.

    Returns:
        The flags as given, the ranges of the search space, None for the default, and how to search.

    Raises:
        UsageError: If a flag is unknown or malformed, or a value is wrong.
    """
    values = flags.FlagValues()
    flags.DEFINE_string("search_space", "", "", flag_values=values)
    flags.DEFINE_string("tuner", _DEFAULTS.tuner, "", flag_values=values)
    flags.DEFINE_string("objective", _DEFAULTS.objective, "", flag_values=values)
    flags.DEFINE_integer("max_trials", _DEFAULTS.max_trials, "", flag_values=values)
    flags.DEFINE_integer(
        "executions_per_trial", _DEFAULTS.executions_per_trial, "", flag_values=values
    )
    flags.DEFINE_string("budget", "", "", flag_values=values)
    flags.DEFINE_boolean("final_run", _DEFAULTS.final_run, "", flag_values=values)
    config = config_from_flags(arguments, values=values)
    options = SearchOptions(
        tuner=values.tuner,
        objective=values.objective,
        max_trials=values.max_trials,
        executions_per_trial=values.executions_per_trial,
        budget=read_duration(values.budget, field="budget"),
        final_run=values.final_run,
    )
    space = _read_space_file(values.search_space) if values.search_space else None
    return config, space, options


def _read_space_file(path: str) -> dict[str, str]:
    """Reads a flag file with ranges; a later line wins, as in any flag file."""
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


if __name__ == "__main__":
    sys.exit(main())
