"""Measures which settings mattered, by how much worse the objective is predicted without each."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.model_selection import KFold

from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import Choice, Space
from kerastl.tuning.trials import COMPLETED, Trial

# With fewer trials a forest fits noise.
FEWEST = 10
_FOLDS = 5
TREES = 30
SHUFFLES = 3
# Not a setting, but what hyperband gives to a trial: of its epochs, from 0 to 1.
SHARE = "share_of_epochs"


@dataclasses.dataclass(frozen=True)
class Importance:
    """How much one setting mattered.

    Attributes:
        name: The setting.
        value: Increase in the error of predicting the objective, in units of the objective, when
            the setting is shuffled among the trials.
        deviation: Standard deviation of that over the folds and shuffles.
    """

    name: str
    value: float
    deviation: float


def measure_importance(
    trials: Sequence[Trial], space: Space, options: SearchOptions
) -> list[Importance]:
    """Measures by permutation, on trials of settings that the forest has not seen.

    The method is scikit-learn's,
    https://scikit-learn.org/stable/modules/permutation_importance.html, with a random forest. Where
    a setting has no effect, it takes the value of a random trial in which it has: a special value
    would reveal the setting that it depends on. Trials with fewer epochs than others differ in
    `SHARE` too, so that what the epochs did is not taken for what a setting did.

    Returns:
        The settings that were tried with more than one value, and `SHARE` if there was more than
        one, the most important first; empty with fewer than `FEWEST` completed trials.
    """
    completed = [trial for trial in trials if trial.status == COMPLETED]
    if len(completed) < FEWEST:
        return []
    names, table = _varied(completed, space)
    by_settings = _same_settings(completed)
    num_folds = min(_FOLDS, len(by_settings))
    if not names or num_folds == 1:
        return []
    scores = np.array([trial.scores[options.objective] for trial in completed])
    folds = [
        [np.concatenate([by_settings[place] for place in places]) for places in parts]
        for parts in KFold(num_folds, shuffle=True, random_state=0).split(by_settings)
    ]
    found = [
        Importance(name, float(rises.mean()), float(rises.std(ddof=1)))
        for name, rises in zip(names, _rises(table, scores, folds), strict=True)
    ]
    return sorted(found, key=lambda importance: -importance.value)


def _rises(
    table: np.ndarray, scores: np.ndarray, folds: Sequence[Sequence[np.ndarray]]
) -> np.ndarray:
    """Returns how much each column's shuffles raise the error, float64 (columns, all shuffles)."""
    rises = []
    for fold, (train, test) in enumerate(folds):
        forest = RandomForestRegressor(TREES, random_state=fold).fit(table[train], scores[train])
        rises.append(
            permutation_importance(
                forest,
                table[test],
                scores[test],
                scoring="neg_mean_absolute_error",
                n_repeats=SHUFFLES,
                random_state=fold,
            ).importances
        )
    return np.concatenate(rises, axis=1)


def _varied(trials: Sequence[Trial], space: Space) -> tuple[list[str], np.ndarray]:
    """Returns what differs between trials, as names and float64 (trials, names)."""
    rng = np.random.default_rng(0)
    table = np.array(
        [[_number(trial, name, space) for name in space.dimensions] for trial in trials]
    )
    for column in table.T:
        missing = np.isnan(column)
        if not missing.all():
            column[missing] = rng.choice(column[~missing], missing.sum())
    shares = [trial.share_of_epochs for trial in trials]
    names, table = [*space.dimensions, SHARE], np.column_stack([table, shares])
    varied = [len(np.unique(column)) > 1 for column in table.T]
    return list(itertools.compress(names, varied)), table[:, varied]


def _same_settings(trials: Sequence[Trial]) -> list[list[int]]:
    """Returns the places of the trials of each settings, which hyperband trains repeatedly."""
    places: dict[str, list[int]] = {}
    for place, trial in enumerate(trials):
        places.setdefault(str(trial.values), []).append(place)
    return list(places.values())


def _number(trial: Trial, name: str, space: Space) -> float:
    """Returns a value as a number: the index of a choice, NaN if the flag had no effect."""
    if name not in trial.values:
        return math.nan
    dimension, value = space.dimensions[name], trial.values[name]
    if not isinstance(dimension, Choice):
        return float(value)
    # The first trial may have a value that the space lacks.
    return float(dimension.values.index(value)) if value in dimension.values else -1.0
