"""A command: how its arguments are read, and its help."""

import dataclasses
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from absl import flags

from kerastl.commands.flagfile import Argument, expand_flag_files
from kerastl.commands.flags import (
    FLAG_FILE,
    HELP,
    define_flag,
    find_origins,
    parse,
    read_values,
    wants_help,
)
from kerastl.config import Config
from kerastl.errors import bad_value
from kerastl.progress import Progress
from kerastl.settings import SETTINGS, TOPICS, Setting

_WIDTH, _INDENT = 88, 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Given:
    """The arguments of a command.

    Attributes:
        config: The run's settings, None for a command without them.
        values: The command's own flags that were given, apart from those in `config`.
        arguments: Arguments that are not flags.
    """

    config: Any
    values: dict[str, Any]
    arguments: tuple[str, ...]

    def first_and_paths(self, name: str, example: str) -> tuple[str, list[str]]:
        """Returns the first argument that is not a flag, and the others, which are paths.

        Raises:
            UsageError: If there are no paths.
        """
        first, *paths = self.arguments or ("",)
        if not paths:
            problem = f"required after the {name}" if first else f"required, and a {name} first"
            raise bad_value("paths", "", f"are {problem}", f"Give both, as in {example}")
        return first, paths

    def only_argument(self, name: str, example: str) -> str:
        """Returns the one argument that is not a flag.

        Raises:
            UsageError: If there is none, or more than one.
        """
        if len(self.arguments) == 1:
            return self.arguments[0]
        problem = f"is {len(self.arguments)} arguments, not one" if self.arguments else "is missing"
        raise bad_value(name, " ".join(self.arguments), problem, f"Give one, as in {example}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """A command of `kerastl`.

    Attributes:
        name: The word after `kerastl`.
        about: What it does, for `--help`.
        call: Does it: one call of the package, and what is printed.
        flags: The flags that its help lists, settings of a run among them.
        has_config: Whether it takes every setting of a run too.
        arguments: Usage text for the positional arguments; empty if there are none.
        defaults: The defaults of its flags in words; empty where they are those of the settings.
    """

    name: str
    about: str
    call: Callable[[Given, Progress], None]
    flags: dict[str, Setting] = dataclasses.field(default_factory=dict)
    has_config: bool = False
    arguments: str = ""
    defaults: str = ""

    def run(self, arguments: Sequence[str], output: Progress) -> None:
        """Runs the command with its arguments, or prints its help.

        Raises:
            UsageError: If a flag is unknown or malformed, or a value is wrong.
        """
        # A flag file is read once: it may be a pipe. Help is shown even if it cannot be read.
        expanded = arguments if wants_help(arguments) else expand_flag_files(arguments)
        if wants_help(expanded):
            output.line(self.help())
        else:
            self.call(self.read(expanded), output)

    def read(self, arguments: Sequence[str]) -> Given:
        """Reads a command's arguments, flag files included.

        Raises:
            UsageError: If a flag is unknown or malformed, or a value is wrong.
        """
        values = flags.FlagValues()
        expanded = expand_flag_files(arguments)
        of_config = SETTINGS if self.has_config else {}
        own = {name: flag for name, flag in self.flags.items() if name not in of_config}
        every = of_config | own
        for setting in every.values():
            define_flag(setting, values)
        left = parse(values, expanded, every, has_arguments=bool(self.arguments))
        return Given(
            config=_read_config(expanded, values) if self.has_config else None,
            values=read_values(own.values(), values),
            arguments=tuple(left),
        )

    def help(self) -> str:
        """Lists the command's flags with their defaults."""
        form = "[--flagfile=FILE] " * self.has_config + "[--flag=value ...]"
        usage = " ".join(filter(None, ["usage: kerastl", self.name, self.arguments, form]))
        paragraphs = [
            textwrap.wrap(text, _WIDTH, break_on_hyphens=False) for text in self.about.split("\n\n")
        ]
        lines = [usage]
        for paragraph in paragraphs:
            lines += ["", *paragraph]
        if self.flags:
            lines += ["", *describe(self.flags.values(), self.defaults)]
        elif self.has_config:
            for topic, settings in TOPICS.items():
                lines += ["", f"{topic}:", *describe(settings.values())]
            lines += ["", "Other:", *describe([FLAG_FILE, HELP], " ")]
        return "\n".join(lines)


def _read_config(arguments: Sequence[Argument], values: flags.FlagValues) -> Config:
    # A required flag that is missing is refused by the config, like one that is empty.
    required = {name: "" for name, setting in SETTINGS.items() if setting.default is None}
    given = read_values(SETTINGS.values(), values)
    return Config(**required | given, origins=find_origins(arguments, values))


def describe(settings: Iterable[Setting], default: str = "") -> Iterator[str]:
    """Yields the lines of a help text about some flags.

    Args:
        settings: The flags.
        default: Their defaults in words, a space for flags that have none.
    """
    for setting in settings:
        yield f"  --{setting.name} ({_default_text(setting, default)})".removesuffix(" ()")
        indent = " " * _INDENT
        yield from textwrap.wrap(
            setting.help,
            _WIDTH - _INDENT,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )


def _default_text(setting: Setting, default: str) -> str:
    if default:
        return f"default: {default}" if default.strip() else ""
    if setting.default is None:
        return "required"
    return "default: empty" if setting.default == "" else f"default: {setting.default}"
