"""Reads a command's arguments, strictly."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kerastl.commands.flagfile import expand_flag_files
from kerastl.errors import UsageError, closest
from kerastl.settings import Setting

# Every command has these two. Flag files are expanded before the rest is parsed.
FLAG_FILE = Setting(
    name="flagfile", help="Read flags from a file, one flag per line; later flags win."
)
HELP = Setting(name="help", help="Show this help.")
_HELP_FORMS = frozenset({"--help", "-help", "-h", "--h"})


def parse(
    settings: Iterable[Setting], arguments: Sequence[str], *, has_arguments: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Reads a command's arguments, flag files included; of a flag given twice the last one counts.

    Args:
        settings: Describe the command's flags.
        arguments: The command's arguments.
        has_arguments: Whether arguments that are not flags are allowed.

    Returns:
        The values of the flags that were given, by name, and the arguments that are not flags.

    Raises:
        UsageError: If an argument is not one of the flags or has the wrong form.
    """
    known = {setting.name: setting for setting in settings}
    texts: dict[str, str] = {}
    left: list[str] = []
    remaining = iter(expand_flag_files(arguments))
    for argument in remaining:
        if argument == "--":
            left += remaining
        elif argument == "-" or not argument.startswith("-"):
            left.append(argument)
        else:
            name, text = _read_flag(argument, remaining, known)
            texts[name] = text
    if left and not has_arguments:
        raise UsageError(f"argument={left[0]!r}: is not a flag. Flags look like --name=value.")
    return {name: known[name].from_text(text) for name, text in texts.items()}, left


def wants_help(arguments: Sequence[str]) -> bool:
    """Reports whether `--help` is given, on the command line or in a flag file.

    Raises:
        UsageError: If a flag file cannot be read and the command line has no `--help`.
    """
    return bool(_HELP_FORMS.intersection(arguments)) or bool(
        _HELP_FORMS.intersection(expand_flag_files(arguments))
    )


def _read_flag(
    argument: str, remaining: Iterator[str], known: Mapping[str, Setting]
) -> tuple[str, str]:
    """Returns a flag's name and the text of its value, which may be the next argument."""
    name, equals, text = argument.removeprefix("-").removeprefix("-").partition("=")
    is_switch = {setting.name: setting.kind is bool for setting in known.values()}
    positive = name.removeprefix("no")
    if name not in known and name != positive and is_switch.get(positive):
        if equals:
            raise UsageError(f"--{name}: takes no value. Write --{name} alone.")
        return positive, "false"
    if name not in known:
        raise _unknown_flag(name, [*known, FLAG_FILE.name, HELP.name])
    if not equals:
        given = "true" if is_switch[name] else next(remaining, None)
        if given is None:
            raise UsageError(f"{name}='': has no value. Write --{name}=VALUE.")
        return name, given
    return name, text


def _unknown_flag(name: str, known: Sequence[str]) -> UsageError:
    near = closest(name.removeprefix("no"), known) or closest(name, known)
    advice = f"Did you mean --{near[0]}? " if near else ""
    return UsageError(f"--{name}: is not a flag. {advice}See --help for all.")
