"""Reads a command's arguments with absl, strictly."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from absl import flags

from kerastl.commands.flagfile import Argument, expand_flag_files
from kerastl.config import Origin
from kerastl.errors import UsageError, bad_value
from kerastl.settings import Setting
from kerastl.settings.data import find_meant
from kerastl.settings.field import did_you_mean, find_near, wrong_type

# Every command has these two. Flag files are expanded before absl parses the rest.
FLAG_FILE = Setting(
    name="flagfile", help="Read flags from a file, one flag per line; later flags win."
)
HELP = Setting(name="help", help="Show this help.")
_HELP_FORMS = frozenset({"--help", "-help", "-h", "--h"})


def define_flag(setting: Setting, values: flags.FlagValues) -> None:
    """Defines the flag of a setting in `values`; its value is text, or a bool."""
    define = flags.DEFINE_boolean if setting.kind is bool else flags.DEFINE_string
    define(setting.name, None, "", flag_values=values)


def read_values(settings: Iterable[Setting], values: flags.FlagValues) -> dict[str, Any]:
    """Returns the values of the settings whose flags were given, by name.

    Raises:
        UsageError: If a value is of the wrong kind.
    """
    return {
        setting.name: setting.from_text(str(values[setting.name].value))
        for setting in settings
        if values[setting.name].present
    }


def find_origins(arguments: Sequence[Argument], values: flags.FlagValues) -> dict[str, Origin]:
    """Finds where each flag in `values` was given; of several places the last.

    Args:
        arguments: The arguments that `parse` has read, expanded.
        values: The flags that it has set.
    """
    origins = {}
    for argument in arguments:
        name = argument.lstrip("-").partition("=")[0]
        for each in (name, name.removeprefix("no")):
            if argument.startswith("-") and each in values and values[each].present:
                origins[each] = Origin(argument.where)
    return origins


def parse(
    values: flags.FlagValues,
    arguments: Sequence[str],
    settings: Mapping[str, Setting],
    *,
    has_arguments: bool = False,
) -> list[str]:
    """Sets the flags defined in `values` from a command's arguments, flag files included.

    Args:
        values: The defined flags.
        arguments: The command's arguments.
        settings: The settings that the flags are of, by name.
        has_arguments: Whether arguments that are not flags are allowed.

    Returns:
        The arguments that are not flags.

    Raises:
        UsageError: If an argument is not one of the flags or has the wrong form.
    """
    known = {one.name: one for one in (*settings.values(), FLAG_FILE, HELP)}
    expanded = expand_flag_files(arguments)
    # absl would ignore unknown flags that this one names.
    if any(re.match(r"--?undefok(=|$)", argument) for argument in expanded):
        raise _unknown_flag("undefok", known)
    try:
        left_over = values(["kerastl", *expanded])[1:]
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(error.flagname, known) from error
    except flags.IllegalFlagValueError as error:
        raise _not_boolean(str(error)) from error
    # A value for --nooverwrite is a ValueError to absl.
    except (flags.Error, ValueError) as error:
        raise _wrong_form(str(error)) from error
    if left_over and not has_arguments:
        raise _no_flag(left_over[0], settings)
    return list(left_over)


def wants_help(arguments: Sequence[str]) -> bool:
    """Reports whether `--help` is among the arguments."""
    return not _HELP_FORMS.isdisjoint(arguments)


def _unknown_flag(name: str, known: Mapping[str, Setting]) -> UsageError:
    advice = did_you_mean([f"--{one}" for one in find_near(name, known)])
    return UsageError(f"--{name}: is not a flag. {advice}See --help for all.")


def _no_flag(argument: str, settings: Collection[str]) -> UsageError:
    meant = find_meant(argument) if "dataset" in settings else ""
    advice = f"Did you mean --dataset={meant}? " if meant else ""
    return bad_value("argument", argument, "is not a flag", f"{advice}Flags look like --name=value")


def _wrong_form(message: str) -> UsageError:
    # absl reports "Missing value for flag --seed" and "--nooverwrite=1 does not take an argument".
    missing = re.fullmatch(r"Missing value for flag --(\w+)", message)
    if missing:
        return UsageError(f"{missing[1]}='': has no value. Write --{missing[1]}=VALUE.")
    needless = re.fullmatch(r"(--no\w+)=.* does not take an argument", message)
    if needless:
        return UsageError(f"{needless[1]}: takes no value. Write {needless[1]} alone.")
    return UsageError(f"{message}. See --help.")


def _not_boolean(message: str) -> UsageError:
    # absl reports "flag --overwrite=maybe: Non-boolean argument to boolean flag".
    name, _, rest = message.removeprefix("flag --").partition("=")
    return wrong_type(name, rest.split(": ")[0], bool)
