"""Trials, one after the other: claim one, train it, report it."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kerastl.config import Config
from kerastl.errors import KerastlError
from kerastl.progress import Progress
from kerastl.tuning.assignments import Assignment, Assignments, NoTrial
from kerastl.tuning.board import Board
from kerastl.tuning.hyperparameters import given_epochs
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import Space
from kerastl.tuning.training_process import Runner, TrialFailed
from kerastl.tuning.trials import COMPLETED, FAILED, Scored, Trial, TrialFiles

SECONDS_BETWEEN_CLAIMS = 1.0
# Longest wait for a chief to restart.
SECONDS_TO_WAIT_FOR_CHIEF = 300.0


@dataclasses.dataclass(frozen=True)
class TrialRunner:
    """Runs one trial after another; `progress` gets the status of each training."""

    space: Space
    options: SearchOptions
    files: TrialFiles
    runner: Runner
    progress: Progress

    def run(self, assigned: Assignment) -> Trial:
        """Trains a trial's values `executions_per_trial` times; a failure is a result too."""
        started = time.monotonic()
        number = assigned.number
        values = {name: assigned.values[name] for name in assigned.values if name in self.space}
        about: dict[str, Any] = {"number": number, "values": values, "config": self.space.config}
        self.files.log_path(number).unlink(missing_ok=True)
        try:
            config = self._settings_of(assigned)
            requested = config.epochs
            about["values"] = self.space.values_of(config)
            about["epochs_requested"] = sum(requested.values())
            epochs: dict[str, Any] = given_epochs(requested, assigned.values, self.space)
            about["config"] = config = config.changed("search", **epochs)
            scored = [
                self._train(number, dataclasses.replace(config, seed=config.seed + index))
                for index in range(self.options.executions_per_trial)
            ]
        except (KerastlError, TrialFailed) as failed:
            seconds = time.monotonic() - started
            return Trial(**about, status=FAILED, reason=str(failed), seconds=seconds)
        return Trial(
            **about,
            status=COMPLETED,
            scores={
                name: float(np.mean([one.scores[name] for one in scored]))
                for name in scored[0].scores
            },
            seconds=time.monotonic() - started,
            predicted=np.stack([one.predicted for one in scored]),
            losses=np.stack([one.losses for one in scored]),
        )

    def _settings_of(self, assigned: Assignment) -> Config:
        config = self.space.config
        if assigned.number > 0:
            config = self.space.config_for(assigned.values)
        return config.changed("search", best_by=self.options.best_by)

    def _train(self, number: int, config: Config) -> Scored:
        scored: Scored = self.runner.train(
            config,
            self.files.log_path(number),
            lambda text: self.progress.status(f"trial {number}: {text}"),
        )
        # Training stops at a loss that is not finite, but the scores may be so anyway.
        if not all(math.isfinite(value) for value in scored.scores.values()):
            raise TrialFailed("its scores are not finite")
        return scored


def run_trials(
    board: Board, assignments: Assignments, trial_runner: TrialRunner, *, name: str
) -> bool:
    """Runs trials as the process `name`, until none are left.

    Returns:
        Whether the budget ended it.
    """
    while board.has_time():
        assigned = assignments.claim(name)
        if assigned is NoTrial.LEFT:
            return False
        if assigned is NoTrial.FOR_NOW:
            time.sleep(SECONDS_BETWEEN_CLAIMS)
            continue
        try:
            trial = trial_runner.run(assigned)
            assignments.finish(trial)
        finally:
            assigned.lock.release()
        board.add(trial)
    return True


def watch_trials(board: Board, assignments: Assignments) -> bool:
    """Reports the trials of other processes until none are left.

    Returns:
        Whether the budget ended it.
    """
    timed_out = False
    while not assignments.is_over():
        time.sleep(SECONDS_BETWEEN_CLAIMS)
        board.update()
        if not timed_out and not board.has_time():
            timed_out = True
            assignments.close()
    board.update()
    return timed_out


def wait_for_chief(is_ready: Callable[[], bool], *, run_dir: str) -> None:
    """Waits until the chief of a search is ready; raises KerastlError if that takes too long."""
    deadline = time.monotonic() + SECONDS_TO_WAIT_FOR_CHIEF
    while not is_ready():
        if time.monotonic() > deadline:
            raise KerastlError(
                f"run_dir={run_dir!r}: no search is open here. Start the same command with "
                "KERASTUNER_TUNER_ID=chief; it continues the search."
            )
        time.sleep(SECONDS_BETWEEN_CLAIMS)
