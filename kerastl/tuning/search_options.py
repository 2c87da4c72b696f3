"""How a search proceeds, as a frozen value; imports neither absl nor Keras."""

import dataclasses

from kerastl.settings.field import Decides, SettingGroup, Within, setting

TUNERS = ("random", "bayesian", "hyperband", "grid")
# Score on the validation images -> which direction is better.
OBJECTIVES = {
    "val_accuracy": "max",
    "val_loss": "min",
    "val_balanced_accuracy": "max",
    "val_macro_f1": "max",
}
_MOST = Within(1, 10_000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchOptions(SettingGroup):
    """How a search proceeds, apart from its space and the flags of its runs.

    Example:
        >>> SearchOptions(tuner="grid").max_trials
        20

    Raises:
        UsageError: If a value is wrong; the message names the field.
    """

    topic = "Search"

    tuner: str = setting(
        "random",
        help="random draws settings; bayesian models the objective; hyperband gives many settings "
        "few epochs and the best of them more; grid tries every combination.",
        choices=TUNERS,
        decides=Decides.TRAINING,
    )
    objective: str = setting(
        "val_accuracy",
        help="Score by which trials are compared on the validation images: {choices}.",
        choices=tuple(OBJECTIVES),
        decides=Decides.TRAINING,
    )
    max_trials: int = setting(
        20, help="Largest number of trials; the first has your flags.", within=_MOST
    )
    executions_per_trial: int = setting(
        1,
        help="Trainings of each trial, with different seeds; their mean counts.",
        within=_MOST,
        decides=Decides.TRAINING,
    )
    final_run: bool = setting(True, help="Train and test the best settings at the end, in run_dir.")

    @property
    def best_by(self) -> str:
        """The same objective as a run names it, which chooses the best epoch of a trial."""
        return self.objective.removeprefix("val_")

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if OBJECTIVES[self.objective] == "max" else -1
