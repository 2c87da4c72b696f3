"""Settings of the recipe, which chooses what is not given."""

import dataclasses
import math
import re

from kerastl.errors import bad_value
from kerastl.settings.base import Settings
from kerastl.settings.field import setting

MANUAL = "manual"
# Recipes that choose, with the seconds of a run that is given no budget.
BUDGETS = {"auto": 600.0, "head": 600.0, "fast": 150.0, "best": 3600.0}
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecipeSettings(Settings):
    """What chooses the settings of training that are not given."""

    topic = "Recipe"

    recipe: str = setting(
        "auto",
        help="auto chooses the size and the settings of the phases for your images and the "
        "budget; fast does so for a model that predicts twice as fast, best for an hour. "
        "head trains only a new head. manual uses your settings and the defaults; so does "
        "auto if you give a setting of the phases. A setting that you give stays.",
        choices=(*BUDGETS, MANUAL),
        also="preset presets quality",
    )
    budget: str = setting(
        "",
        help="Time for the whole command, such as 90s, 10m or 2h. Without one there is no limit, "
        "and a recipe chooses for 10m (fast: 150s, best: 1h).",
        also="time time_limit max_time timeout time_budget max_hours",
    )

    @property
    def run_seconds(self) -> float:
        """The time of a run in seconds, which decides what its recipe chooses."""
        return self.budget_seconds if self.budget else BUDGETS.get(self.recipe, math.inf)

    @property
    def budget_seconds(self) -> float:
        """The budget in seconds, infinite if none is given."""
        return read_duration(self.budget)

    def _check(self) -> None:
        super()._check()
        read_duration(self.budget)


def read_duration(text: str) -> float:
    """Parses a budget such as 90s, 10m or 2h, in seconds; infinite if empty.

    Raises:
        UsageError: If it is not a time.
    """
    if not text:
        return math.inf
    match = re.fullmatch(r"(\d+|\d*\.\d+)([smh])", text.strip())
    if match is None or not float(match[1]):
        raise bad_value("budget", text, "is not a time", "Give one, as in 90s, 10m or 2h")
    return float(match[1]) * _SECONDS[match[2]]
