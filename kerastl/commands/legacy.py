"""Flags of the commands that are not rows of the table yet."""

from collections.abc import Sequence
from typing import Any

from absl import flags

from kerastl.commands import flags as reading
from kerastl.commands.command import describe
from kerastl.commands.flags import define_flag, read_values
from kerastl.commands.lines import test_lines
from kerastl.config import Config
from kerastl.progress import Progress
from kerastl.settings import SETTINGS


def config_from_flags(
    arguments: Sequence[str], *, values: flags.FlagValues | None = None
) -> Config:
    """Parses a command's arguments."""
    values = flags.FlagValues() if values is None else values
    define_flags(SETTINGS, values)
    parse(values, arguments)
    required = {name: "" for name, setting in SETTINGS.items() if setting.default is None}
    return Config(**required | read_values(SETTINGS.values(), values))


def define_flags(names: Any, values: flags.FlagValues) -> None:
    """Defines flags of the main command."""
    for name in names:
        define_flag(SETTINGS[name], values)


def describe_flags(names: Sequence[str], *, default: str) -> list[str]:
    """Lists flags of the main command."""
    return list(describe([SETTINGS[name] for name in names], default))


def parse(values: flags.FlagValues, arguments: Sequence[str], *, takes: str = "") -> list[str]:
    """Sets the flags."""
    return reading.parse(values, arguments, has_arguments=bool(takes))


def tell_test(result: Any, output: Progress) -> None:
    """Writes the last lines."""
    for line in test_lines(result.metrics):
        output.line(line)
