"""A search space as keras-tuner's hyperparameters, and every combination of their values."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras_tuner

from kerastl.config import Config
from kerastl.tuning.space import Choice, Space

# Hyperband adds the epochs of a trial to its values.
_EPOCHS = "tuner/epochs"


def declare(hyperparameters: keras_tuner.HyperParameters, space: Space) -> None:
    """Registers the ranges of a space, each under the condition on which it has an effect.

    The baseline flags are the defaults where the ranges have them.
    """
    given = space.values_of(space.config)
    for name, dimension in space.dimensions.items():
        with contextlib.ExitStack() as stack:
            if condition := space.condition_of(name):
                parent, active = condition
                values = [_drawn(space, parent, value) for value in active]
                stack.enter_context(hyperparameters.conditional_scope(parent, values))
            start = given[name] if given.get(name) in dimension else dimension.to_check[0]
            if isinstance(dimension, Choice):
                texts = [str(value) for value in dimension.values]
                hyperparameters.Choice(name, texts, default=str(start), ordered=False)
            elif dimension.is_whole:
                hyperparameters.Int(name, dimension.low, dimension.high, default=start)
            else:
                sampling = "log" if dimension.is_log else "linear"
                hyperparameters.Float(
                    name, dimension.low, dimension.high, sampling=sampling, default=start
                )


def as_drawn(space: Space, given: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a config or a trial as keras-tuner would have drawn them."""
    values = space.values_of(given) if isinstance(given, Config) else given
    return {name: _drawn(space, name, value) for name, value in values.items()}


def _drawn(space: Space, name: str, value: Any) -> Any:
    # keras-tuner's choices have one type each, so all are texts.
    return str(value) if isinstance(space.dimensions[name], Choice) else value


def given_epochs(
    requested: Mapping[str, int], values: Mapping[str, Any], space: Space
) -> dict[str, int]:
    """Returns the epochs of each phase that a trial has, a share of them by hyperband.

    Args:
        requested: The epochs of each phase in its settings.
        values: What keras-tuner has drawn for it, and hyperband added.
        space: The ranges that are searched.
    """
    share = share_of_epochs(values, space)
    return {phase: math.ceil(epochs * share) for phase, epochs in requested.items()}


def share_of_epochs(values: Mapping[str, Any], space: Space) -> float:
    """Returns the share of its epochs that hyperband gives to a trial, 1 for all of them."""
    longest = max_epochs(space)
    epochs: int = values.get(_EPOCHS, longest)
    return min(1.0, epochs / longest)


def max_epochs(space: Space) -> int:
    """Counts the epochs of the longest trial, of which hyperband gives others a share."""

    def most(name: str) -> int:
        dimension = space.dimensions.get(name)
        given = getattr(space.config, name)
        return int(max(dimension.to_check)) if dimension else int(given)

    return sum(map(most, space.config.epochs))


def next_combination(space: Space, tried: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Returns the first combination that was not tried; None if all were.

    The baseline flags come first for each setting; the last setting varies fastest.
    """
    known = [dict(values) for values in tried]
    for combination in _combinations(space, list(space.dimensions), {}):
        values = as_drawn(space, combination)
        if values not in known:
            return values
    return None


def _combinations(
    space: Space, names: list[str], chosen: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yields the combinations of some settings, given the values of those before them."""
    if not names:
        yield chosen
        return
    name, *others = names
    if not space.matters(name, chosen):
        yield from _combinations(space, others, chosen)
        return
    given = space.values_of(space.config).get(name)
    samples = [value for value in space.dimensions[name].samples if value != given]
    if given is not None and given in space.dimensions[name]:
        samples.insert(0, given)
    for value in samples:
        yield from _combinations(space, others, {**chosen, name: value})
