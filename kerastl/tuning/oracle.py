"""Who proposes settings: keras-tuner's oracles, made to survive what happens to long searches.

Of keras-tuner's own state only the running trials and what an oracle has to remember are read back;
what a finished trial was and gave is in the search's own files.
"""

import contextlib
import dataclasses
import json
import pathlib
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from threadpoolctl import threadpool_limits

from kerastl.errors import KerastlError
from kerastl.tuning.hypermodel import as_drawn, declare
from kerastl.tuning.options import OBJECTIVES, SearchOptions
from kerastl.tuning.space import Space
from kerastl.tuning.trials import COMPLETED
from kerastl.tuning.trials import Trial as Finished
from kerastl.writing import replace_text

PROJECT = "keras_tuner"
FIRST = "0000"
# keras-tuner's own count of failures would end a search in its middle.
_NEVER = 1_000_000
_MOST_COLLISIONS = 1000
# A worker that has not been heard of for so long is lost; workers call every few seconds.
SECONDS_UNTIL_LOST = 15.0


class Oracle(keras_tuner.Oracle):
    """What every oracle here does beside proposing.

    The first trial is the flags as given. A trial ends once. Files appear whole or not at all, and
    trials that were cut off are given out again with the same values.
    """

    trials: dict[str, Trial]
    start_order: list[str]
    end_order: list[str]
    _given: Mapping[str, Any]
    _fits: bool
    _limit: int

    def begin(self, space: Space, directory: pathlib.Path, *, limit: int) -> None:
        """Says what the first trial is, where the state goes, and how many trials there may be."""
        self._given = as_drawn(space, space.config)
        self._fits = space.has(space.config)
        self._first = [as_drawn(space, values) for values in space.first]
        self._limit = limit
        # keras-tuner's own limit would be in the names of the trials' folders.
        self.max_trials = None
        # keras-tuner would take a space for exhausted after 20 draws of what was tried.
        self._max_collisions = _MOST_COLLISIONS
        self._heard: dict[str, float] = {}
        self._set_project_dir(str(directory), PROJECT)
        self.verbose = 0

    def propose_for(self, trial_id: str) -> dict[str, Any]:
        """Asks keras-tuner's oracle; nothing that was tried is proposed again."""
        response: dict[str, Any] = super().populate_space(trial_id)
        values = response.get("values")
        if values and self._duplicate(values):
            values = self._random_values()
            response = {"status": "RUNNING" if values else "STOPPED", "values": values}
        return response

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Gives a new trial its values, or says that there is none."""
        if int(trial_id) >= self._limit:
            return {"status": TrialStatus.STOPPED, "values": None}
        if trial_id == FIRST:
            return {"status": TrialStatus.RUNNING, "values": dict(self._given)}
        if int(trial_id) <= len(self._first):
            return {"status": TrialStatus.RUNNING, "values": self._first[int(trial_id) - 1]}
        # Threads only get into each other's way in matrices as small as these.
        with threadpool_limits(1), warnings.catch_warnings():
            # Of a Gaussian process that did not settle, which nobody can act on.
            warnings.simplefilter("ignore")
            return self.propose_for(trial_id)

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Gives a worker its trial; the last one has to wait for what others may not finish."""
        started = time.monotonic()
        trial = super().create_trial(tuner_id)
        # Proposing may take its time, in which nobody can be heard.
        took = time.monotonic() - started
        self._heard = {name: at + took for name, at in self._heard.items()}
        self._heard[tuner_id] = time.monotonic()
        if trial.status == TrialStatus.STOPPED and self.ongoing_trials:
            self.tuner_ids.add(tuner_id)
            trial.status = TrialStatus.IDLE
        return trial

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Ends a trial, once: a worker that was taken for lost may end it a second time."""
        if trial.trial_id in self.end_order:
            return
        if trial.trial_id in self._retry_queue:
            self._retry_queue.remove(trial.trial_id)
        super().end_trial(trial)

    @keras_tuner.synchronized
    def release_lost(self) -> list[str]:
        """Puts back the trials of workers that are not heard of; gives the workers' names."""
        now = time.monotonic()
        lost = [name for name, at in self._heard.items() if now - at > SECONDS_UNTIL_LOST]
        for name in lost:
            del self._heard[name]
            self.tuner_ids.discard(name)
            if trial := self.ongoing_trials.pop(name, None):
                self._retry_queue.append(trial.trial_id)
        return lost

    @keras_tuner.synchronized
    def stop(self) -> None:
        """Gives out no more trials."""
        self._limit = 0
        self._retry_queue.clear()

    @keras_tuner.synchronized
    def is_over(self) -> bool:
        """Says whether nothing runs or waits, and every worker has been told to stop."""
        return not (self.ongoing_trials or self._retry_queue or self.tuner_ids)

    def save(self) -> None:
        """Writes what has to be remembered."""
        self._write(self._get_oracle_fname(), self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        self._write(f"{self._get_trial_dir(trial.trial_id)}/trial.json", trial.get_state())

    def _write(self, path: str, state: Mapping[str, Any]) -> None:
        replace_text(pathlib.Path(path), json.dumps(state), field="run_dir")

    def resume(self, finished: Mapping[int, Finished], space: Space) -> None:
        """Takes up a search where it ended.

        Args:
            finished: What is known of finished trials, by their numbers.
            space: Where their values are from.

        Raises:
            KerastlError: If what had to be remembered cannot be read.
        """
        project = pathlib.Path(self._project_dir)
        path = pathlib.Path(self._get_oracle_fname())
        begun = {int(folder.name.removeprefix("trial_")) for folder in project.glob("trial_*")}
        if not (finished or path.exists()):
            return
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            state |= {"ongoing_trials": {}, "retry_queue": []}
            self.set_state(state)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KerastlError(
                f"{path}: is damaged ({error}). Its search cannot go on; start anew with "
                "--overwrite."
            ) from error
        for number in range(max([*begun, *finished], default=-1) + 1):
            trial_id = f"{number:04d}"
            if number >= self._limit and number not in finished:
                continue  # Begun when there were to be more trials.
            if number in finished:
                self.trials[trial_id] = self._ended(trial_id, finished[number], space)
            else:
                self.trials[trial_id] = self._cut_off(trial_id, project)
                self._retry_queue.insert(0, trial_id)
                self.end_order = [name for name in self.end_order if name != trial_id]
            self._record_values(self.trials[trial_id])

    def _ended(self, trial_id: str, finished: Finished, space: Space) -> Trial:
        hyperparameters = self.hyperparameters.copy()
        # keras-tuner's own have all digits, and what hyperband has added.
        drawn = as_drawn(space, finished.values)
        hyperparameters.values = self._read_values(trial_id) or self.in_space(drawn)
        completed = finished.status == COMPLETED
        trial = Trial(hyperparameters, trial_id=trial_id)
        trial.status = TrialStatus.COMPLETED if completed else TrialStatus.FAILED
        trial.score = finished.scores[self.objective.name] if completed else None
        return trial

    def in_space(self, values: dict[str, Any]) -> dict[str, Any]:
        """Makes values with few digits such as could have been proposed."""
        return values

    def _cut_off(self, trial_id: str, project: pathlib.Path) -> Trial:
        hyperparameters = self.hyperparameters.copy()
        values = self._read_values(trial_id) or self.populate_space(trial_id).get("values")
        hyperparameters.values = values or dict(self._given)
        return Trial(hyperparameters, trial_id=trial_id, status=TrialStatus.RUNNING)

    def _read_values(self, trial_id: str) -> dict[str, Any]:
        path = pathlib.Path(self._get_trial_dir(trial_id), "trial.json")
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            return dict(state["hyperparameters"]["values"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}


class _Random(Oracle, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Hyperband(Oracle, keras_tuner.oracles.HyperbandOracle):
    pass


class _Bayesian(Oracle, keras_tuner.oracles.BayesianOptimizationOracle):
    def get_state(self) -> dict[str, Any]:
        """Adds the random numbers, which keras-tuner begins anew."""
        kind, keys, *rest = self._random_state.get_state()
        return {**super().get_state(), "random_state": [kind, keys.tolist(), *rest]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up what `get_state` gave."""
        super().set_state(state)
        kind, keys, *rest = state["random_state"]
        self._random_state.set_state((kind, np.array(keys, np.uint32), *rest))

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        with self._without_foreign():
            return super()._vectorize_trials()  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _without_foreign(self) -> Iterator[None]:
        """Hides the first trial where it lies outside the space."""
        everything = self.trials
        if not self._fits:
            self.trials = {name: trial for name, trial in everything.items() if name != FIRST}
        try:
            yield
        finally:
            self.trials = everything


class _Grid(Oracle, keras_tuner.oracles.GridSearchOracle):
    _populate_next: list[str]

    def begin(self, space: Space, directory: pathlib.Path, *, limit: int) -> None:
        """Has nothing to try first: a grid has its own order, and all of it is tried."""
        super().begin(dataclasses.replace(space, first=()), directory, limit=limit)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Begins with the flags as given where the grid has them."""
        if trial_id == FIRST and self._fits:
            return self.propose_for(trial_id)
        return super().populate_space(trial_id)

    def propose_for(self, trial_id: str) -> dict[str, Any]:
        """Gives the next combination; keras-tuner would begin only with its first trial."""
        order = self.start_order
        if not self._order():
            self.start_order = []
        try:
            return dict(keras_tuner.oracles.GridSearchOracle.populate_space(self, trial_id))
        finally:
            self.start_order = order

    def in_space(self, values: dict[str, Any]) -> dict[str, Any]:
        """Takes the nearest numbers of the grid."""
        grid = {one.name: np.array(one.values) for one in self.hyperparameters.space}
        return {
            name: value
            if isinstance(value, str)
            else grid[name][np.abs(grid[name] - value).argmin()].item()
            for name, value in values.items()
        }

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Ends a trial; one that is not of the grid has no next combination."""
        super().end_trial(trial)
        self._populate_next = [name for name in self._populate_next if name in self._order()]

    def get_state(self) -> dict[str, Any]:
        """Adds where the grid has come to, which keras-tuner forgets."""
        return {
            **super().get_state(),
            "order": self._order(),
            "populate_next": list(self._populate_next),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up what `get_state` gave."""
        super().set_state(state)
        for name in state["order"]:
            self._ordered_ids.insert(name)
        # Those that ended after the state was written are among them once more, which is no harm.
        self._populate_next = list(dict.fromkeys([*state["populate_next"], *state["order"]]))

    def _order(self) -> list[str]:
        """Lists the trials of the grid in the order of their combinations."""
        names: list[str] = []
        links = self._ordered_ids
        place = links._next_index[None]
        while place is not None:
            # It has no other way to be read.
            names.append(links._memory[place])
            place = links._next_index[place]
        return names


_ORACLES = {"random": _Random, "bayesian": _Bayesian, "hyperband": _Hyperband, "grid": _Grid}


def build_oracle(
    options: SearchOptions, space: Space, directory: pathlib.Path, *, max_epochs: int
) -> Oracle:
    """Makes the oracle of a search.

    Args:
        options: Which one, for what objective, for how many trials.
        space: What it proposes of.
        directory: Where its state goes, in a directory of its own.
        max_epochs: Epochs of the longest trial, which hyperband divides.
    """
    hyperparameters = keras_tuner.HyperParameters()
    declare(hyperparameters, space)
    extra: dict[str, Any] = {}
    if options.tuner == "hyperband":
        extra["max_epochs"] = max_epochs
        # Again and again, until there are as many trials as there may be.
        extra["hyperband_iterations"] = _NEVER
    if options.tuner == "bayesian":
        # keras-tuner would draw three times as many at random as there are flags.
        extra["num_initial_points"] = max(3, options.max_trials // 4)
    oracle = _ORACLES[options.tuner](
        objective=keras_tuner.Objective(options.objective, OBJECTIVES[options.objective]),
        hyperparameters=hyperparameters,
        allow_new_entries=False,
        # keras-tuner takes 0 for none.
        seed=space.config.seed + 1,
        max_consecutive_failed_trials=_NEVER,
        **extra,
    )
    oracle.begin(space, directory, limit=options.max_trials)
    return oracle
