"""Trials, one after the other, as the oracle proposes them."""

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial as Proposed
from keras_tuner.engine.trial import TrialStatus

from kerastl.config import Config
from kerastl.errors import KerastlError
from kerastl.progress import Progress, format_duration
from kerastl.tuning.evidence import Standing
from kerastl.tuning.hypermodel import config_of
from kerastl.tuning.isolation import Runner, TrialFailed
from kerastl.tuning.machines import calling
from kerastl.tuning.options import SearchOptions
from kerastl.tuning.search_files import SearchFiles
from kerastl.tuning.space import Space
from kerastl.tuning.trial_run import Answer
from kerastl.tuning.trials import COMPLETED, FAILED, Trial, TrialFiles

_SECONDS_BETWEEN_QUESTIONS = 1.0
# So many that nothing but the flags can be at fault.
_FAILURES_AT_START = 3


class Board:
    """What is known of all trials so far, in files and on the screen."""

    def __init__(
        self,
        space: Space,
        options: SearchOptions,
        trials: TrialFiles,
        files: SearchFiles,
        progress: Progress,
        deadline: float,
    ) -> None:
        """Begins with the trials that are there.

        Args:
            space: What is searched.
            options: How.
            trials: The trials' own files.
            files: What is made of all of them.
            progress: Gets a line for each trial.
            deadline: When no more trials are begun, by `time.monotonic`.
        """
        self.space = space
        self.options = options
        self.files = trials
        self.progress = progress
        self.trials = trials.read()
        self.standings: list[Standing] = []
        self._summary = files
        self._deadline = deadline
        self._seconds: list[float] = []
        self._known = len(self.trials)
        self._started = time.monotonic()
        if self.trials:
            self._write()

    def add(self, trial: Trial) -> None:
        """Takes a trial that has ended.

        Raises:
            KerastlError: If it is one of the first, and all of them have failed.
        """
        if not self._summary.are_kept:
            self.trials |= self.files.read(known=self.trials)
        self.trials[trial.number] = trial
        self._seconds.append(trial.seconds)
        self._write()
        self.progress.line(self._line(trial))
        if self._summary.are_kept:
            self._check_start()

    def look(self) -> None:
        """Takes what other machines have added."""
        for trial in self.files.read(known=self.trials).values():
            self.add(trial)

    @property
    def num_added(self) -> int:
        """How many trials it has taken."""
        return len(self._seconds)

    def has_time(self) -> bool:
        """Says whether another trial, and what follows the last, should end within the budget.

        The final run and its comparison train the best settings and the flags as given again.
        """
        if not self._seconds:
            return time.monotonic() < self._deadline
        again = {0, *(standing.trial.number for standing in self.standings[:1])} & set(self.trials)
        reserve = sum(self.trials[number].seconds for number in again)
        if not self.options.final_run:
            reserve = 0.0
        return time.monotonic() + max(self._seconds[-3:]) + reserve < self._deadline

    def finish(self) -> None:
        """Waits until the files have all trials; see `SearchFiles.finish`."""
        self._summary.finish()

    def _write(self) -> None:
        self.standings = self._summary.write(list(self.trials.values()))

    def _check_start(self) -> None:
        failed = [trial for _, trial in sorted(self.trials.items()) if trial.status == FAILED]
        if len(failed) == len(self.trials) >= _FAILURES_AT_START:
            raise KerastlError(
                f"The first {len(failed)} trials have all failed. Trial {failed[0].number}: "
                f"{failed[0].reason}"
            )

    def _line(self, trial: Trial) -> str:
        head = f"trial {trial.number} of {self.options.max_trials}"
        values = "the flags as given" if trial.number == 0 else _in_words(trial)
        if trial.status == FAILED:
            return f"{head} failed: {trial.reason}  ({values})"
        name = self.options.objective
        best = self.standings[0].trial
        best_words = "the best so far"
        if best is not trial:
            best_words = f"best {best.scores[name]:.4f} (trial {best.number})"
        return (
            f"{head}: {name} {trial.scores[name]:.4f}, {best_words}  {values}  "
            f"{format_duration(trial.seconds)}{self._time_left()}"
        )

    def _time_left(self) -> str:
        left = self.options.max_trials - len(self.trials)
        # By the clock, since several machines may be at work.
        took = time.monotonic() - self._started
        seconds = left * took / max(len(self.trials) - self._known, 1)
        seconds = min(seconds, self._deadline - time.monotonic())
        return f"  about {format_duration(seconds)} left" if left and seconds > 0 else ""


def run_trials(board: Board, oracle: Any, runner: Runner, role: str, *, max_epochs: int) -> bool:
    """Runs trials until there are no more.

    Args:
        board: Takes them.
        oracle: Proposes them; keras-tuner's, or a worker's way to the chief's.
        runner: Trains.
        role: What this process is called.
        max_epochs: Epochs of the longest trial.

    Returns:
        Whether it was time that ended it.

    Raises:
        KerastlError: If the first trials have all failed.
    """
    while board.has_time():
        proposed = oracle.create_trial(role)
        if proposed.status == TrialStatus.STOPPED:
            return False
        if proposed.status == TrialStatus.IDLE:
            time.sleep(_SECONDS_BETWEEN_QUESTIONS)
            continue
        with calling(oracle, role):
            trial = _run(board, proposed, runner, max_epochs)
        # First, since a trial without its file is done again, and one with it is not.
        board.files.write(trial)
        if trial.status == COMPLETED:
            oracle.update_trial(proposed.trial_id, trial.scores)
            proposed.status = TrialStatus.COMPLETED
        else:
            proposed.status, proposed.message = TrialStatus.FAILED, trial.reason
        oracle.end_trial(proposed)
        board.add(trial)
    return True


def _run(board: Board, proposed: Proposed, runner: Runner, max_epochs: int) -> Trial:
    number = int(proposed.trial_id)
    started = time.monotonic()
    try:
        config = (
            board.space.config
            if number == 0
            else config_of(proposed.hyperparameters.values, board.space, max_epochs=max_epochs)
        )
    except KerastlError as error:
        return Trial(
            number=number,
            status=FAILED,
            reason=str(error),
            values={
                name: value
                for name, value in proposed.hyperparameters.values.items()
                if name in board.space.dimensions
            },
            config=board.space.config,
        )
    config = dataclasses.replace(config, best_by=board.options.best_by)
    about: dict[str, Any] = {
        "number": number,
        "values": board.space.values_of(config),
        "config": config,
    }
    log_path = board.files.log_path(number)
    log_path.unlink(missing_ok=True)
    answers: list[Answer] = []
    try:
        for execution in range(board.options.executions_per_trial):
            repeated = dataclasses.replace(config, seed=config.seed + execution)
            answers.append(_train(board, number, repeated, runner))
    except TrialFailed as failed:
        seconds = time.monotonic() - started
        return Trial(**about, status=FAILED, reason=str(failed), seconds=seconds)
    return Trial(
        **about,
        status=COMPLETED,
        scores={
            name: float(np.mean([answer.scores[name] for answer in answers]))
            for name in answers[0].scores
        },
        seconds=time.monotonic() - started,
        predicted=np.stack([answer.predicted for answer in answers]),
        losses=np.stack([answer.losses for answer in answers]),
    )


def _train(board: Board, number: int, config: Config, runner: Runner) -> Answer:
    answer = runner.answer(
        config,
        board.files.log_path(number),
        lambda text: board.progress.status(f"trial {number}: {text}"),
    )
    # Training stops at a loss that is not finite; this is for what comes of it otherwise.
    if not all(math.isfinite(value) for value in answer.scores.values()):
        raise TrialFailed("its scores are not finite")
    return answer


def _in_words(trial: Trial) -> str:
    return " ".join(
        f"{name}={value if value != '' else '(empty)'}" for name, value in trial.values.items()
    )


def best_words(standings: Sequence[Standing], objective: str) -> str:
    """Says which trial is the best, and which it does not clearly beat."""
    best = standings[0].trial
    ties = [str(standing.trial.number) for standing in standings[1:] if standing.is_tie]
    others = f"not clearly better than trial{'s' if len(ties) > 1 else ''} {', '.join(ties)}"
    return (
        f"Best: trial {best.number}, {objective} {best.scores[objective]:.4f}, "
        f"{others if ties else 'clearly better than every other'}."
    )
