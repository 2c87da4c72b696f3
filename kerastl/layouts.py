"""What `--layout` says: what the folders of each level name, from the top."""

from typing import Final

AUTO: Final = "auto"
SPLIT, CLASS, GROUP, FOLDER, FILE = LEVELS = ("split", "class", "group", "folder", "file")
# The most common of all combinations.
USUAL: Final = (
    *("class", "split/class", "class/split", "folder/class", "class/group", "group/class"),
    *("split/class/group", "file", "split/file"),
)


def levels_of(form: str) -> list[str]:
    """Returns what each level names, the highest first."""
    return form.split("/")


def why_wrong(form: str) -> str:
    """Returns what is wrong with a layout, as a predicate; empty for nothing."""
    levels = levels_of(form)
    if form == AUTO:
        return ""
    if set(levels) - {*LEVELS}:
        return "is not words for levels with slashes between"
    if FILE in levels:
        if FILE in levels[:-1]:
            return "has levels below the files"
        if CLASS in levels:
            return "has the class twice, in a folder and in the names of files"
    elif CLASS not in levels:
        return "has no level for the class"
    twice = [level for level in (SPLIT, GROUP) if levels.count(level) > 1]
    return f"has two levels for the {twice[0]}" if twice else ""


def join(*levels: str) -> str:
    """Joins levels or several of them to a layout; empty ones are left out."""
    return "/".join(filter(None, levels))


def without_groups(form: str) -> str:
    """Returns a layout whose level of groups names nothing; one below all others is left out."""
    levels = [FOLDER if level == GROUP else level for level in levels_of(form)]
    while levels[-1] == FOLDER:
        levels.pop()
    return join(*levels)
