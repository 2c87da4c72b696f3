"""Commands that train again after a run, in a directory of their own."""

import itertools
import pathlib
import shlex
from collections.abc import Iterable

from kerastl.config import DEFAULT, FOLLOWS
from kerastl.outputs.directories import RunFile
from kerastl.report.contents import Contents

# Begins where a setting comes from that a recipe has chosen.
RECIPE = "recipe "


def train_again(contents: Contents, name: str, *flags: str) -> str:
    """Returns what trains with the flags of a run and some others; empty where no command can.

    Args:
        contents: The run.
        name: Ends the name of the new run's directory.
        *flags: The others.
    """
    return _train(contents, name, [f"--flagfile={contents.path / RunFile.FLAGS}", *flags])


def train_longer(contents: Contents) -> str:
    """Returns what lets the recipe choose anew, for twice the time; empty where no command can.

    The flags of a run have what its recipe chose; so these are those that were given.
    """
    recorded = contents.receipt.get("flags", {})
    origins = {name: str(about.get("from", DEFAULT)) for name, about in recorded.items()}
    recipes = [origin.split()[1] for origin in origins.values() if origin.startswith(RECIPE)]
    if contents.config is None or not recipes:
        return ""
    config = contents.config.changed("", recipe=recipes[0])
    minutes = round(2 * config.run_seconds / 60) or 1
    anew = (f"--recipe={recipes[0]}", f"--budget={minutes}m")
    given = [
        flag
        for flag in contents.config.to_flags()
        if (origin := origins.get(_name_of(flag), DEFAULT)) not in (DEFAULT, FOLLOWS)
        and not origin.startswith(RECIPE)
    ]
    return _train(contents, "longer", [*given, *anew])


def _train(contents: Contents, name: str, flags: Iterable[str]) -> str:
    if contents.config is None or contents.config.source_kind.is_passed_in:
        return ""
    # The last one counts.
    words = {_name_of(flag): flag for flag in (*flags, f"--run_dir={_unused(contents.path, name)}")}
    return f"kerastl train {' '.join(map(shlex.quote, words.values()))}"


def _name_of(flag: str) -> str:
    return flag.removeprefix("--").partition("=")[0]


def _unused(path: pathlib.Path, name: str) -> pathlib.Path:
    """Returns a directory beside a run that is not there yet: a finished run is not trained on."""
    numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    paths = (path.with_name(f"{path.resolve().name}-{name}{number}") for number in numbers)
    return next(one for one in paths if not one.exists())
