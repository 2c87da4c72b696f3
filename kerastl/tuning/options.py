"""How a search goes about it, as frozen values; imports neither absl nor Keras."""

import dataclasses
import math

from kerastl.errors import UsageError, bad_value, unknown_name

TUNERS = ("random", "bayesian", "hyperband", "grid")
# What is compared on the validation images -> whether more of it is better.
OBJECTIVES = {
    "val_accuracy": "max",
    "val_loss": "min",
    "val_balanced_accuracy": "max",
    "val_macro_f1": "max",
}
_MOST = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What a search is asked to do, the space and the runs' own flags aside.

    Attributes:
        tuner: Who proposes settings: `random`; `bayesian` models the objective; `hyperband` gives
            many settings a few epochs and the best of them more; `grid` tries every combination.
        objective: What the trials are compared by.
        max_trials: Trials at the most, the flags as they are given among them.
        executions_per_trial: Trainings of each trial, with different seeds; their mean counts.
        budget: Seconds for all; no trial is begun that is not expected to end within them.
        final_run: Whether the best settings are trained and tested in the end.

    Raises:
        UsageError: If a value is wrong; the message names the field.
    """

    tuner: str = "random"
    objective: str = "val_accuracy"
    max_trials: int = 20
    executions_per_trial: int = 1
    budget: float = math.inf
    final_run: bool = True

    def __post_init__(self) -> None:
        """Refuses what is wrong, before anything is read."""
        if self.tuner not in TUNERS:
            raise unknown_name("tuner", self.tuner, TUNERS, what="a tuner")
        if self.objective not in OBJECTIVES:
            raise unknown_name("objective", self.objective, OBJECTIVES, what="an objective")
        for name in ("max_trials", "executions_per_trial"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise UsageError(f"{name}={value!r}: is not a whole number. Give a whole number.")
            if not 1 <= value <= _MOST:
                raise bad_value(
                    name, value, f"must be at least 1 and at most {_MOST}", "The default is 20 or 1"
                )
        if not self.budget > 0:
            raise bad_value("budget", self.budget, "is no time", "Give seconds above 0")

    @property
    def best_by(self) -> str:
        """The same objective as a run names it, which chooses the best epoch of a trial."""
        return self.objective.removeprefix("val_")

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if OBJECTIVES[self.objective] == "max" else -1
