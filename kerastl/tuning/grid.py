"""Every combination of a search space's values, in a fixed order."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kerastl.tuning.hyperparameters import as_drawn
from kerastl.tuning.space import Space


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
