"""An unfinished run in a directory: whether the same flags are given again, and what they became.

Imports neither TensorFlow nor NumPy.
"""

import dataclasses
import os
import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from kerastl.config import Config
from kerastl.data_sources import DATA_SOURCES
from kerastl.errors import UsageError, bad_value, first_line
from kerastl.settings import SETTINGS, Decides, OutputSettings, StoreSettings
from kerastl.settings.field import AUTO
from kerastl.settings.recipe import MANUAL
from kerastl.training.pace import UNDECIDED

# Begins a comment of flags.txt that keeps a flag as it was given, where a recipe chose others.
GIVEN = "given: "
# Changed flags that an error lists.
_SHOWN = 12


@dataclasses.dataclass(frozen=True)
class Opened:
    """A run directory that is open for a run.

    Attributes:
        config: What to run; that of an unfinished run, with every choice of its recipe, if there is
            one to go on with.
        goes_on: Whether there is.
        notes: The comments in its flags.
    """

    config: Config
    goes_on: bool = False
    notes: tuple[str, ...] = ()

    def settle(self, epochs: int, reason: str) -> "Opened":
        """Takes how many epochs of fine-tuning there are after all, and the reason if any."""
        config = self.config.changed(self.config.origin("finetune_epochs"), finetune_epochs=epochs)
        notes = [note for note in self.notes if not note.startswith(UNDECIDED)]
        return dataclasses.replace(self, config=config, notes=(*notes, *filter(None, [reason])))

    def choose(self, chosen: Config, reasons: Sequence[str]) -> "Opened":
        """Takes what a recipe has chosen, and its reasons; the flags as given become notes."""
        return dataclasses.replace(
            self,
            config=chosen,
            notes=(*reasons, *_given_notes(self.config)) if reasons else self.notes,
        )


def _given_notes(given: Config) -> Iterator[str]:
    for name, text in _flags(given).items():
        setting = SETTINGS[name]
        is_default = setting.default is not None and setting.from_text(text) == setting.default
        if name in given.given or not is_default:
            yield f"{GIVEN}--{name}={text}"


def find_unfinished(
    flags: pathlib.Path, config: Config, *, is_trained: bool, made_in: str = ""
) -> Opened | None:
    """Finds the unfinished run that a config goes on with.

    Args:
        flags: Its `flags.txt`.
        config: The flags that are given now.
        is_trained: Whether only its export is left, which may be another.
        made_in: Where its relative paths begin; by default in the working directory.

    Returns:
        The run; None where it may be overwritten and differs.

    Raises:
        UsageError: If it may not be, and differs or cannot be read.
    """
    now = _flags(config)
    try:
        known, given, notes = _read(flags, now, made_in)
    except (OSError, ValueError, UsageError) as error:
        if config.overwrite:
            return None
        problem = f"whose {flags.name} cannot be used ({first_line(error)})"
        raise refused(config.run_dir, problem) from error
    free = [
        *config.deciding(Decides.NOTHING, of=OutputSettings),
        *config.deciding(Decides.NOTHING, of=StoreSettings),
        *(config.deciding(Decides.OUTPUT) if is_trained else ()),
    ]
    changed = _changes(_flags(given), now, free)
    # Its flags.txt has the same.
    if not changed or not _changes(_flags(known), now, free):
        return Opened(_complete(config, known, free), goes_on=True, notes=notes)
    if config.overwrite:
        return None
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    problem = f"of other flags: {'; '.join(changed[:_SHOWN])}{more}"
    raise refused(config.run_dir, problem, "Repeat its flags to go on, choose")


def refused(run_dir: str, problem: str, advice: str = "Choose") -> UsageError:
    """Builds the error for an unfinished run that cannot go on."""
    return bad_value(
        "run_dir",
        run_dir,
        f"holds an unfinished run {problem}",
        f"{advice} another directory, or start over with --overwrite",
    )


def _read(
    flags: pathlib.Path, now: Mapping[str, str], made_in: str
) -> tuple[Config, Config, tuple[str, ...]]:
    """Reads the config of a run, that which was given for it, and the comments."""
    lines = flags.read_text("utf-8").splitlines()
    text = "".join(f"{_respell(line, now, made_in)}\n" for line in lines)
    known, notes = Config.from_flags(text.splitlines()), Config.read_comments(text)
    given = [note.removeprefix(GIVEN) for note in notes if note.startswith(GIVEN)]
    return known, Config.from_flags(given) if given else known, notes


def _respell(line: str, now: Mapping[str, str], made_in: str) -> str:
    """Writes a path as its flag has it now, if it leads to what it led to."""
    before, _, flag = line.partition("--")
    name, _, value = flag.partition("=")
    if name not in now or _place(name, value, made_in) != _place(name, now[name], ""):
        return line
    return f"{before}--{name}={now[name]}"


def _place(name: str, value: str, directory: str) -> tuple[str, str]:
    """Returns where a value leads, with the kind of a data set; other values stay as they are."""
    kind, _, path = value.partition(":") if name == "dataset" else ("", "", value)
    is_path = SETTINGS[name].is_path or (kind in DATA_SOURCES and DATA_SOURCES[kind].is_path)
    if not (path and is_path):
        return "", value
    return kind, os.path.realpath(os.path.join(directory, path))


def _complete(given: Config, known: Config, free: Collection[str]) -> Config:
    """Puts what a run has chosen for a config into it."""
    values = {name: getattr(known, name) for name in SETTINGS if name not in free}
    chosen = {name: value for name, value in values.items() if value != getattr(given, name)}
    where = AUTO if given.recipe == MANUAL else f"recipe {given.recipe}"
    return given.changed(where, **chosen) if chosen else given


def _changes(was: Mapping[str, str], now: Mapping[str, str], free: Collection[str]) -> list[str]:
    """Lists the settings whose flags differ, with the old and the new value."""
    return [
        f"{name} was {_word(was, name)} and is {_word(now, name)}"
        for name in SETTINGS
        if name not in free and was.get(name) != now.get(name)
    ]


def _word(values: Mapping[str, str], name: str) -> str:
    return (values[name] or "empty") if name in values else "not given"


def _flags(one: Config) -> dict[str, str]:
    parts = (flag.removeprefix("--").partition("=") for flag in one.to_flags())
    return {name: text for name, _, text in parts}
