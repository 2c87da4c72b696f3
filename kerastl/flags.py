"""Makes flags of settings, and settings of a command's arguments."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from absl import flags

from kerastl.config import Config
from kerastl.errors import UsageError, closest
from kerastl.flagfile import expand_flag_files
from kerastl.settings import SETTINGS, TOPICS
from kerastl.settings.field import type_words

_DEFINERS = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
}
# What absl calls the types, and what a person does.
_TYPE_WORDS = {"int": type_words(int), "float": type_words(float), "bool": type_words(bool)}
# Flags that are no part of Config; absl's own --flagfile is expanded before it sees it.
_HELP = frozenset({"--help", "-help", "-h", "--h"})
_OTHER = {"flagfile": "Read flags from a file, one a line; later flags win.", "help": "Show this."}


def config_from_flags(
    arguments: Sequence[str], *, values: flags.FlagValues | None = None
) -> Config:
    """Parses a command's arguments, flag files included.

    Args:
        arguments: What the command was given.
        values: Flags that the command has beside the main command's; they are set too.

    Raises:
        UsageError: If a flag is unknown or malformed, or a value is wrong.
    """
    values = flags.FlagValues() if values is None else values
    define_flags(SETTINGS, values)
    parse(values, arguments)
    # A required flag that is missing is refused by the config, like one that is empty.
    given: dict[str, Any] = {
        name: "" if values[name].value is None else values[name].value for name in SETTINGS
    }
    return Config(**given)


def define_flags(names: Iterable[str], values: flags.FlagValues) -> None:
    """Defines flags of the main command in `values`, for it or for another command."""
    for name in names:
        setting = SETTINGS[name]
        _DEFINERS[setting.kind](name, setting.default, "", flag_values=values)


def parse(values: flags.FlagValues, arguments: Sequence[str], *, takes: str = "") -> list[str]:
    """Sets the flags defined in `values` from a command's arguments, flag files included.

    Args:
        values: The flags that there are.
        arguments: What the command was given.
        takes: What arguments without a flag stand for; empty where there are none.

    Returns:
        The arguments without a flag.

    Raises:
        UsageError: If an argument is no such flag, or a value is of the wrong kind.
    """
    known = [*values, *_OTHER]
    expanded = expand_flag_files(arguments)
    # absl would drop the flags that this one names, misspelt ones too.
    if any(re.match(r"--?undefok(=|$)", argument) for argument in expanded):
        raise _unknown_flag("undefok", known)
    try:
        left_over = values(["kerastl", *expanded])[1:]
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(error.flagname, known) from error
    except flags.IllegalFlagValueError as error:
        raise _wrong_kind(str(error), values) from error
    # A value for --nooverwrite is a ValueError to absl.
    except (flags.Error, ValueError) as error:
        raise _wrong_form(str(error)) from error
    if left_over and not takes:
        raise UsageError(f"argument={left_over[0]!r}: is not a flag. Flags look like --name=value.")
    return list(left_over)


def wants_help(arguments: Sequence[str]) -> bool:
    """Says whether help is asked for, on the command line or in a flag file.

    Raises:
        UsageError: If a flag file cannot be read, and the command line does not ask.
    """
    return bool(_HELP.intersection(arguments)) or bool(
        _HELP.intersection(expand_flag_files(arguments))
    )


def help_text(command: str) -> str:
    """Lists the flags by topic with their defaults."""
    lines = [
        f"usage: {command} --flagfile=FILE [--flag=value ...]",
        "",
        "Trains an image classifier on top of a pretrained network, evaluates it and exports it.",
    ]
    for topic, settings in TOPICS.items():
        lines += ["", f"{topic}:", *_describe({name: settings[name].help for name in settings})]
    lines += ["", "Other:", *_describe(_OTHER)]
    return "\n".join(lines)


def describe_flags(names: Sequence[str], *, default: str) -> list[str]:
    """Lists flags of the main command for another one, whose default is said in words."""
    return list(_describe({name: SETTINGS[name].help for name in names}, default))


def _describe(entries: Mapping[str, str], default: str = "") -> Iterator[str]:
    for name, meaning in entries.items():
        yield f"  --{name}{f' (default: {default})' if default else _default_text(name)}"
        yield from textwrap.wrap(meaning, 74, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _default_text(name: str) -> str:
    if name not in SETTINGS:
        return ""
    default = SETTINGS[name].default
    if default is None:
        return " (required)"
    return f" (default: {default})" if default != "" else " (default: empty)"


def _unknown_flag(name: str, known: Sequence[str]) -> UsageError:
    near = closest(name.removeprefix("no"), known) or closest(name, known)
    advice = f"Did you mean --{near[0]}? " if near else ""
    return UsageError(f"--{name}: is not a flag. {advice}See --help for all.")


def _wrong_form(message: str) -> UsageError:
    # absl says "Missing value for flag --seed" and "--nooverwrite=1 does not take an argument".
    missing = re.fullmatch(r"Missing value for flag --(\w+)", message)
    if missing:
        return UsageError(f"{missing[1]}='': has no value. Write --{missing[1]}=VALUE.")
    needless = re.fullmatch(r"(--no\w+)=.* does not take an argument", message)
    if needless:
        return UsageError(f"{needless[1]}: takes no value. Write {needless[1]} alone.")
    return UsageError(f"{message}. See --help.")


def _wrong_kind(message: str, values: flags.FlagValues) -> UsageError:
    # absl says "flag --batch_size=abc: invalid literal for int() with base 10: 'abc'".
    name, _, rest = message.removeprefix("flag --").partition("=")
    value = rest.split(": ")[0]
    words = _TYPE_WORDS[values[name].flag_type()]
    return UsageError(f"{name}={value!r}: is not {words}. Give {words}.")
