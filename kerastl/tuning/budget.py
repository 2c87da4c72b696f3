"""How much time a search has left."""

import time
from collections.abc import Iterable

from kerastl.progress import format_duration
from kerastl.tuning.trials import Trial


class Budget:
    """Decides from the time of past trials whether there is time for another."""

    def __init__(self, deadline: float, *, final_run: bool) -> None:
        """Starts the clock; everything must be over at `deadline`, by `time.monotonic`."""
        self._deadline = deadline
        self._final_run = final_run
        self._seconds: list[float] = []
        self._started = time.monotonic()

    @property
    def num_trials(self) -> int:
        """Number of trials that it has counted."""
        return len(self._seconds)

    def count(self, trial: Trial) -> None:
        """Counts a trial that ended."""
        self._seconds.append(trial.seconds)

    def allows_another(self, repeated: Iterable[Trial]) -> bool:
        """Returns whether another trial, and what follows the last, should end in time.

        Args:
            repeated: Trials that the final run and its comparison train again.
        """
        if not self._seconds:
            return time.monotonic() < self._deadline
        reserve = sum(trial.seconds for trial in repeated) if self._final_run else 0.0
        return time.monotonic() + max(self._seconds[-3:]) + reserve < self._deadline

    def words_left(self, num_left: int) -> str:
        """Returns an estimate of the time that some more trials take, empty if none are left."""
        # By the clock, since several machines may take part.
        took = time.monotonic() - self._started
        seconds = num_left * took / max(self.num_trials, 1)
        seconds = min(seconds, self._deadline - time.monotonic())
        return f"  about {format_duration(seconds)} left" if num_left and seconds > 0 else ""
