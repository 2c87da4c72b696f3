"""The flag `--budget` of the commands that can stop in time."""

import dataclasses
from typing import Any

from kerastl.progress import read_duration
from kerastl.settings import SettingGroup, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetFlag(SettingGroup):
    """The flag as it is given; functions take seconds."""

    budget: str = setting(
        "", help="Time for the whole command, such as 90s, 10m or 2h; empty for no limit."
    )


def pop_budget(values: dict[str, Any]) -> float:
    """Removes the budget from a command's values; returns it in seconds."""
    flag = BudgetFlag(budget=values.pop("budget", BudgetFlag.budget))
    return read_duration(flag.budget, field="budget")
