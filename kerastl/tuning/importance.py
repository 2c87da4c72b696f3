"""Measures which settings mattered, by how much worse the objective is predicted without each."""

import dataclasses
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
    """Measures by permutation, on trials that the forest has not seen.

    The method is scikit-learn's,
    https://scikit-learn.org/stable/modules/permutation_importance.html, with a random forest. Where
    a setting has no effect, it takes the value of a random trial in which it has: a special value
    would reveal the setting that it depends on.

    Returns:
        The settings that were tried with more than one value, the most important first; empty with
        fewer than `FEWEST` completed trials.
    """
    completed = [trial for trial in trials if trial.status == COMPLETED]
    table = np.array(
        [[_number(trial, name, space) for name in space.dimensions] for trial in completed]
    )
    if len(completed) < FEWEST:
        return []
    rng = np.random.default_rng(0)
    for column in table.T:
        missing = np.isnan(column)
        if not missing.all():
            column[missing] = rng.choice(column[~missing], missing.sum())
    varied = [len(np.unique(column)) > 1 for column in table.T]
    names = [name for name, is_varied in zip(space.dimensions, varied, strict=True) if is_varied]
    if not names:
        return []
    table = table[:, varied]
    scores = np.array([trial.scores[options.objective] for trial in completed])
    rises = []
    for fold, (train, test) in enumerate(KFold(_FOLDS, shuffle=True, random_state=0).split(table)):
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
    by_setting = np.concatenate(rises, axis=1)
    found = [
        Importance(name, float(values.mean()), float(values.std(ddof=1)))
        for name, values in zip(names, by_setting, strict=True)
    ]
    return sorted(found, key=lambda importance: -importance.value)


def _number(trial: Trial, name: str, space: Space) -> float:
    """Returns a value as a number: the index of a choice, NaN if the flag had no effect."""
    if name not in trial.values:
        return math.nan
    dimension, value = space.dimensions[name], trial.values[name]
    if not isinstance(dimension, Choice):
        return float(value)
    # The first trial may have a value that the space lacks.
    return float(dimension.values.index(value)) if value in dimension.values else -1.0
