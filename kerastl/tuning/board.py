"""The trials so far: read from their files, ranked, printed, summarized; and the time left."""

import time
from collections.abc import Iterable, Sequence

from kerastl.errors import KerastlError
from kerastl.progress import Progress, format_duration
from kerastl.tuning.search_files import SearchFiles
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.significance import RankedTrial
from kerastl.tuning.trials import FAILED, Trial, TrialFiles

# Enough failures that only the flags can be the reason.
_FAILURES_AT_START = 3


class Budget:
    """Decides from the time of past trials whether there is time for another."""

    def __init__(self, *, began: float, deadline: float, final_run: bool) -> None:
        """Starts the clock of this process; see `Task` for the times."""
        self.num_trials = 0
        self._began = began
        self._deadline = deadline
        self._final_run = final_run
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """What the search has taken so far, in all its processes."""
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float:
        """What is left of the budget, infinite without one."""
        return max(0.0, self._deadline - time.monotonic())

    def count(self) -> None:
        """Counts a trial that ended in the time of this process."""
        self.num_trials += 1

    def allows_another(self, trials: Sequence[Trial], repeated: Iterable[Trial]) -> bool:
        """Returns whether another trial, and what follows the last, should end in time.

        Args:
            trials: Those that ended, in that order, by earlier processes too.
            repeated: Those that the final run and its comparison train again.
        """
        seconds = max((trial.seconds for trial in trials[-3:]), default=0.0)
        reserve = sum(trial.seconds for trial in repeated) if self._final_run else 0.0
        return seconds + reserve < self.seconds_left

    def words_left(self, num_left: int) -> str:
        """Returns an estimate of the time that some more trials take, empty if none are left."""
        # By the clock, since several machines may take part.
        took = time.monotonic() - self._started
        seconds = num_left * took / max(self.num_trials, 1)
        seconds = min(seconds, self.seconds_left)
        return f"  about {format_duration(seconds)} left" if num_left and seconds > 0 else ""


class Board:
    """All trials that ended, on this machine and others.

    Attributes:
        trials: Those trials, by number.
        ranking: The completed ones, the best first.
    """

    def __init__(
        self,
        trial_files: TrialFiles,
        search_files: SearchFiles,
        budget: Budget,
        options: SearchOptions,
        progress: Progress,
    ) -> None:
        """Begins with the trials that have files; `progress` gets a line for each new one."""
        self.trials = trial_files.read()
        self.ranking: list[RankedTrial] = []
        self._trial_files = trial_files
        self._search_files = search_files
        self._budget = budget
        self._options = options
        self._progress = progress
        if self.trials:
            self._write()

    def add(self, trial: Trial) -> None:
        """Adds a trial that ended; raises KerastlError if the first trials have all failed."""
        if not self._search_files.are_kept:
            self.trials |= self._trial_files.read(known=self.trials)
        self.trials[trial.number] = trial
        self._budget.count()
        self._write()
        self._progress.line(self._line(trial))
        if self._search_files.are_kept:
            self._check_start()

    def update(self) -> None:
        """Adds the trials that other processes have written."""
        for trial in self._trial_files.read(known=self.trials).values():
            self.add(trial)

    def has_time(self) -> bool:
        """Returns whether another trial, and what follows the last, should end in time."""
        repeated = {0, *(ranked.trial.number for ranked in self.ranking[:1])}
        return self._budget.allows_another(
            list(self.trials.values()),
            [trial for number, trial in self.trials.items() if number in repeated],
        )

    def finish(self) -> None:
        """Waits until the tables have all trials; see `SearchFiles.finish`."""
        self._search_files.finish()

    def _write(self) -> None:
        self.ranking = self._search_files.write(list(self.trials.values()), self._budget.seconds)

    def _check_start(self) -> None:
        failed = [trial for _, trial in sorted(self.trials.items()) if trial.status == FAILED]
        if len(failed) == len(self.trials) >= _FAILURES_AT_START:
            raise KerastlError(
                f"trials: the first {len(failed)} have all failed. Trial {failed[0].number}: "
                f"{failed[0].reason}"
            )

    def _line(self, trial: Trial) -> str:
        head = f"trial {trial.number} of {self._options.max_trials}"
        values = "your flags" if trial.number == 0 else _in_words(trial)
        if trial.status == FAILED:
            return f"{head} failed: {trial.reason}  ({values})"
        name = self._options.objective
        best = self.ranking[0].trial
        best_words = "the best so far"
        if best is not trial:
            best_words = f"best {best.scores[name]:.4f} (trial {best.number}{_if_short(best)})"
        left = self._budget.words_left(self._options.max_trials - len(self.trials))
        return (
            f"{head}: {name} {trial.scores[name]:.4f}, {best_words}  {values}"
            f"{_if_short(trial)}  {format_duration(trial.seconds)}{left}"
        )


def _if_short(trial: Trial) -> str:
    return f", {trial.epochs_in_words}" if trial.is_short else ""


def _in_words(trial: Trial) -> str:
    return " ".join(
        f"{name}={value if value != '' else '(empty)'}" for name, value in trial.values.items()
    )


def best_words(ranking: Sequence[RankedTrial], objective: str) -> str:
    """Names the best trial, and those that it is not clearly better than."""
    best = ranking[0].trial
    ties = [str(ranked.trial.number) for ranked in ranking[1:] if ranked.is_tie]
    others = f"not clearly better than trial{'s' if len(ties) > 1 else ''} {', '.join(ties)}"
    return (
        f"Best: trial {best.number}, {objective} {best.scores[objective]:.4f}{_if_short(best)}, "
        f"{others if ties else 'clearly better than every other'}."
    )
