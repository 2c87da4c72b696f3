"""Proposes the values to try next, with keras-tuner's oracles and only their documented methods.

Each proposal creates a new oracle and replays the log of the search through `create_trial`,
`update_trial` and `end_trial`. So a proposal depends only on the log, and an interrupted search
continues as if it had never stopped.
"""

import tempfile
from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from threadpoolctl import threadpool_limits

from kerastl.environment import ignored_warnings
from kerastl.tuning.event_log import Begun, Ended, History
from kerastl.tuning.hyperparameters import (
    as_drawn,
    declare,
    max_epochs,
    next_combination,
    share_of_epochs,
)
from kerastl.tuning.search_options import OBJECTIVES, SearchOptions
from kerastl.tuning.space import Space
from kerastl.tuning.task import without_variables

Values = Mapping[str, Any]

# keras-tuner's own limits would end a search early.
_UNLIMITED = 1_000_000
# keras-tuner considers a space exhausted after 20 draws of values that were tried.
_ATTEMPTS = 50


class Proposals:
    """Proposes the baseline flags, then what the space tries first, then what a tuner draws."""

    def __init__(self, space: Space, options: SearchOptions) -> None:
        """Stores what proposals depend on besides the log."""
        self._space = space
        self._options = options

    def propose(self, history: History) -> Values | None:
        """Returns the values of the next trial; None if there are none, or none for now.

        Once a running trial has ended, there may be some again.
        """
        number = len(history.begun)
        if number >= self._options.max_trials:
            return None
        if number == 0:
            return as_drawn(self._space, self._space.config)
        if self._options.tuner == "grid":
            return next_combination(self._space, history.begun.values())
        if number <= len(self._space.first):
            return as_drawn(self._space, self._space.first[number - 1])
        # Threads only slow down matrices as small as these. Users can do nothing about a Gaussian
        # process that did not converge.
        with threadpool_limits(1), ignored_warnings():
            values = self._draw(self._options.tuner, history)
            if self._options.tuner == "bayesian" and values in (None, *history.begun.values()):
                values = self._draw("random", history)
            if self._options.tuner == "hyperband" and values is None:
                values = self._whole(history)
            return values

    def _whole(self, history: History) -> Values | None:
        """Returns the best settings that had only a share of their epochs, to train for all.

        In a space of fewer settings than hyperband begins with, it would end before it gives any
        more epochs.
        """
        settings = {
            number: {name: value for name, value in values.items() if name in self._space}
            for number, values in history.begun.items()
        }
        short = {
            number
            for number, values in history.begun.items()
            if share_of_epochs(values, self._space) < 1
        }
        if not short.isdisjoint(history.unfinished):
            # Their scores decide, and hyperband may go on with them.
            return None
        known = [settings[number] for number in settings.keys() - short]
        scores = {
            event.number: self._options.sign * event.score
            for event in history.events
            if isinstance(event, Ended) and event.score is not None
        }
        left = [number for number in short & scores.keys() if settings[number] not in known]
        return settings[max(left, key=lambda number: (scores[number], -number))] if left else None

    def _draw(self, tuner: str, history: History) -> Values | None:
        oracle = self._build(tuner, len(history.begun))
        with tempfile.TemporaryDirectory() as directory, without_variables():
            # The documented way to give an oracle a directory for its own files.
            BaseTuner(oracle, directory=directory, project_name="replayed")
            running = self._replay(oracle, history)
            if tuner == "bayesian":
                self._end_with_worst(oracle, running, history)
            trial = oracle.create_trial("next")
        is_running = trial.status == TrialStatus.RUNNING
        return dict(trial.hyperparameters.values) if is_running else None

    def _build(self, tuner: str, number: int) -> "_Oracle":
        hyperparameters = keras_tuner.HyperParameters()
        declare(hyperparameters, self._space)
        # keras-tuner replaces a seed of 0.
        seed = self._space.config.seed + 1
        options: dict[str, Any] = {}
        if tuner == "hyperband":
            # In rounds, until there are enough trials.
            options = {"max_epochs": max_epochs(self._space), "hyperband_iterations": _UNLIMITED}
        else:
            # Earlier proposals are not drawn again, so each trial needs its own random numbers.
            seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) // 2 + 1
            options["max_trials"] = _UNLIMITED
        if tuner == "bayesian":
            # keras-tuner would first draw three at random for each setting.
            options["num_initial_points"] = max(3, self._options.max_trials // 4)
        objective = self._options.objective
        oracle: _Oracle = _ORACLES[tuner](
            objective=keras_tuner.Objective(objective, OBJECTIVES[objective]),
            hyperparameters=hyperparameters,
            allow_new_entries=False,
            seed=seed,
            max_consecutive_failed_trials=_UNLIMITED,
            **options,
        )
        oracle.verbose = 0
        return oracle

    def _replay(self, oracle: "_Oracle", history: History) -> dict[int, Trial]:
        """Replays a log to an oracle; returns the trials that still run, by number."""
        running: dict[int, Trial] = {}
        first = 0 if self._options.tuner == "grid" else len(self._space.first)
        # A Gaussian process cannot use values outside its space.
        is_skipped = oracle.is_a_model and not self._space.has(self._space.config)
        for event in history.events:
            if is_skipped and event.number == 0:
                continue
            if isinstance(event, Begun):
                oracle.known = event.values
                oracle.was_proposed = event.number > first
                running[event.number] = oracle.create_trial(str(event.number))
            else:
                _end(oracle, running.pop(event.number), event.score)
        oracle.known = None
        return running

    def _end_with_worst(
        self, oracle: "_Oracle", running: Mapping[int, Trial], history: History
    ) -> None:
        """Ends running trials with the worst score so far, so that the next one differs.

        This is the constant liar, https://hal.science/hal-00260579; keras-tuner would predict with
        its Gaussian process, which is not fitted yet.
        """
        scores = [
            event.score
            for event in history.events
            if isinstance(event, Ended) and event.score is not None
        ]
        worst = min(scores, key=lambda score: self._options.sign * score, default=0.0)
        for trial in running.values():
            _end(oracle, trial, worst)


def _end(oracle: "_Oracle", trial: Trial, score: float | None) -> None:
    if score is None:
        trial.status = TrialStatus.FAILED
    else:
        oracle.update_trial(trial.trial_id, {oracle.objective.name: score})
        trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


class _Oracle(keras_tuner.Oracle):
    """Assigns trials of the log the values that they had.

    Attributes:
        known: Those values; None for a trial that is to be proposed.
        was_proposed: Whether an oracle proposed them, rather than the space.
        counts_proposals: Whether it must repeat its own proposals, because it counts them, as
            hyperband does.
        is_a_model: Whether it fits a model to the values of all trials.
    """

    known: Values | None = None
    was_proposed = True
    counts_proposals = False
    is_a_model = False

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of a trial, from the log or as keras-tuner proposes them."""
        answer: dict[str, Any] = {}
        if self.known is None or (self.counts_proposals and self.was_proposed):
            answer = self._populate(trial_id)
        if self.known is None:
            return answer
        return {"status": TrialStatus.RUNNING, "values": dict(self.known)}

    def save(self) -> None:
        """Writes nothing: the log is the state."""

    def _populate(self, trial_id: str) -> dict[str, Any]:
        for _ in range(_ATTEMPTS):
            answer: dict[str, Any] = super().populate_space(trial_id)
            if answer["status"] != TrialStatus.STOPPED:
                break
        return answer


class _Random(_Oracle, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(_Oracle, keras_tuner.oracles.BayesianOptimizationOracle):
    is_a_model = True


class _Hyperband(_Oracle, keras_tuner.oracles.HyperbandOracle):
    counts_proposals = True


_ORACLES: dict[str, Any] = {"random": _Random, "bayesian": _Bayesian, "hyperband": _Hyperband}
