"""Assigns trials to processes, any number of them, through files.

A lock of the directory is held to read the log, propose and append; a lock of each trial for as
long as it runs. A process that is killed frees its locks, and another one runs its trial again.
"""

import contextlib
import dataclasses
import enum
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.locks import Held, take, try_to_take
from kerastl.tuning.directory import SearchFile
from kerastl.tuning.event_log import Begun, Ended, EventLog, History, Opened, Repeated
from kerastl.tuning.proposals import Proposals
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.trials import Trial, TrialFiles


class NoTrial(enum.Enum):
    """Why there is no trial for a process."""

    FOR_NOW = "others run the last ones, or decide what comes next"
    LEFT = "there are no more"


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A trial for this process, which must release its lock when the trial ends."""

    number: int
    values: Mapping[str, Any]
    lock: Held


class Assignments:
    """Assigns trials and records their results; raises KerastlError if the log is damaged."""

    def __init__(
        self,
        directory: pathlib.Path,
        proposals: Proposals,
        files: TrialFiles,
        options: SearchOptions,
    ) -> None:
        """Stores the parts of a search; reads nothing yet."""
        self._log = EventLog(directory / SearchFile.EVENTS)
        self._lock_path = directory / SearchFile.EVENTS_LOCK
        self._proposals = proposals
        self._files = files
        self._options = options
        self._proposed_at = -1

    def open(self) -> None:
        """Allows processes to claim trials, including those whose files are damaged."""
        with self._locked() as history:
            whole = self._files.read()
            for number in history.begun:
                if number not in whole and number not in history.unfinished:
                    self._log.append(Repeated(number))
            self._log.append(Opened(True))

    def close(self) -> None:
        """Stops assigning trials."""
        with self._locked() as history:
            if history.is_open:
                self._log.append(Opened(False))

    def is_open(self) -> bool:
        """Returns whether trials are being assigned."""
        with self._locked() as history:
            return history.is_open

    def claim(self, worker: str) -> Assignment | NoTrial:
        """Assigns a trial to a process: one that another process lost, or a new one."""
        with self._locked() as history:
            if not history.is_open:
                return NoTrial.LEFT
            return self._lost(history) or self._new(self._log.read(), worker)

    def finish(self, trial: Trial) -> None:
        """Writes a trial that this process was assigned."""
        # First, since a trial with files is not repeated.
        self._files.write(trial)
        with self._locked() as history:
            # The search may have started over in the meantime.
            if trial.number in history.unfinished:
                self._end(trial)

    def is_over(self) -> bool:
        """Returns whether no trial is running and none is left to run."""
        with self._locked() as history:
            unfinished = self._unfinished(history)
            if not history.is_open:
                return not any(map(self._runs, unfinished))
            # A proposal takes a moment, so it is made only once for the same log.
            if unfinished or len(history.events) == self._proposed_at:
                return False
            self._proposed_at = len(history.events)
            return self._proposals.propose(history) is None

    def _lost(self, history: History) -> Assignment | None:
        """Assigns a trial whose process was killed."""
        for number in self._unfinished(history):
            if lock := self._hold(number):
                trial = self._files.find(number)
                if trial is None:
                    return Assignment(number, history.begun[number], lock)
                # It was killed just after writing the files.
                self._end(trial)
                lock.release()
        return None

    def _new(self, history: History, worker: str) -> Assignment | NoTrial:
        number = len(history.begun)
        values = self._proposals.propose(history)
        if values is None:
            return NoTrial.FOR_NOW if self._unfinished(history) else NoTrial.LEFT
        lock = self._hold(number)
        if lock is None:
            # The search started over while a trial of this number ran.
            return NoTrial.FOR_NOW
        self._log.append(Begun(number, values, worker))
        return Assignment(number, values, lock)

    def _unfinished(self, history: History) -> list[int]:
        # Some may have begun under a larger max_trials.
        return [number for number in history.unfinished if number < self._options.max_trials]

    def _runs(self, number: int) -> bool:
        if lock := self._hold(number):
            lock.release()
        return lock is None

    def _hold(self, number: int) -> Held | None:
        """Takes the lock of a trial; None if a living process has it."""
        return try_to_take(self._files.lock_path(number))

    def _end(self, trial: Trial) -> None:
        self._log.append(Ended(trial.number, trial.scores.get(self._options.objective)))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[History]:
        lock = take(self._lock_path)
        try:
            yield self._log.read()
        finally:
            lock.release()
