"""Reads a search space from the texts of its ranges, and checks it; imports no Keras."""

import contextlib
import csv
import dataclasses
import functools
import math
import re
from collections.abc import Mapping
from typing import Any

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError, bad_value, unknown_name
from kerastl.model.backbones import check_weights
from kerastl.model.sources.table import find_row
from kerastl.settings import SETTINGS, Auto
from kerastl.settings.recipe import MANUAL
from kerastl.tuning.space import SEARCHABLE, Choice, Range, Space

_FORM = re.compile(r"(choice|uniform|log|int)\s*\((.*)\)", re.DOTALL)
_FORMS = "choice(A,B), uniform(LOW,HIGH), log(LOW,HIGH) or int(LOW,HIGH)"
_refusal = functools.partial(bad_value, "search_space")


def read_space(ranges: Mapping[str, str], config: Config) -> Space:
    """Reads a search space.

    Args:
        ranges: Flag -> its values, as in `{"dropout": "uniform(0,0.5)", "augment":
            'choice("",flip)'}`. A backbone may name its weights, as in `choice(A=FILE,B)`.
        config: The baseline flags; each value of the ranges must be valid with them.

    Raises:
        UsageError: If a range is missing or malformed, a flag is unknown or cannot be searched, or
            a value is outside the flag's limits.
    """
    if not ranges:
        raise _refusal("", "is empty", "Give a range, as in --dropout=uniform(0,0.5)")
    for name in ranges:
        if name not in SETTINGS:
            raise unknown_name("search_space", name, SEARCHABLE, what="a flag")
        if name not in SEARCHABLE:
            raise _refusal(
                name,
                "cannot be searched: it changes no results, or the images on which trials are "
                "compared",
                f"Give it as a plain flag. Searchable: {', '.join(SEARCHABLE)}",
            )
    if config.recipe not in (MANUAL, "head"):
        # Once the recipe has chosen, the space is read again. It fine-tunes where that matters.
        config = dataclasses.replace(config, finetune_epochs=config.finetune_epochs or 1)
    dimensions = {name: _read(name, ranges[name]) for name in SEARCHABLE if name in ranges}
    space = Space(config, dimensions)
    for name, dimension in dimensions.items():
        _check(space, name, dimension)
    return space


def _read(name: str, text: str) -> Choice | Range:
    match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise _refusal(f"{name}={text}", "is not a range", f"Write {_FORMS}")
    form, inside = match[1], match[2].strip()
    parts = next(csv.reader([inside], skipinitialspace=True), [])
    if form != "choice":
        return _read_range(name, text, form, parts)
    if not parts:
        raise _refusal(f"{name}={text}", "has no value", "Write choice(A,B)")
    try:
        values = [SETTINGS[name].from_text(part.strip()) for part in parts]
    except UsageError as error:
        raise UsageError(f"search_space={name}: {error}") from error
    if any(isinstance(value, Auto) for value in values):
        raise _refusal(
            f"{name}={text}", "holds auto", f"Give numbers, or --{name}=auto for all trials"
        )
    return Choice(tuple(dict.fromkeys(values)))


def _read_range(name: str, text: str, form: str, parts: list[str]) -> Range:
    refusal = functools.partial(_refusal, f"{name}={text}")
    kind = SETTINGS[name].kind
    if kind not in (int, float):
        raise refusal("is a range, but the flag takes no number", "Write choice(A,B)")
    if (form == "int") != (kind is int):
        takes = "int(LOW,HIGH)" if kind is int else "uniform(LOW,HIGH) or log(LOW,HIGH)"
        raise refusal("is of the wrong kind", f"Write {takes}")
    try:
        low, high = (kind(part) for part in parts)
    except ValueError as error:
        raise refusal("does not have two numbers", f"Write {form}(LOW,HIGH)") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise refusal("is not ascending", "Write the lower number first")
    if form == "log" and low <= 0:
        raise refusal("has no logarithm", "Start above 0, or write uniform(LOW,HIGH)")
    return Range(low, high, is_log=form == "log", is_whole=form == "int")


def _parent_value(space: Space, name: str) -> dict[str, Any]:
    """Returns a value of the flag's parent with which it matters, if the parent is searched."""
    needs = SETTINGS[name].needs
    if needs is None:
        return {}
    condition = space.condition_of(name)
    given = getattr(space.config, needs.parent)
    active = condition[1] if condition else [given] if needs.holds(given) else []
    if not active:
        raise _refusal(
            name,
            f"never matters, as {needs.parent} is never {needs.words}",
            f"Leave it out, or let {needs.parent} be {needs.words}",
        )
    return {needs.parent: active[-1]} if needs.parent in space.dimensions else {}


def _check(space: Space, name: str, dimension: Choice | Range) -> None:
    """Builds a config with each end of a range, or each value of a choice."""
    parent = _parent_value(space, name)
    others = {other: known.to_check[-1] for other, known in space.dimensions.items()}
    for value in dimension.to_check:
        try:
            config = space.config_for({**parent, name: value})
        except KerastlError as error:
            # It may be valid only with another value of a flag that is searched too.
            with contextlib.suppress(KerastlError):
                space.config_for({**others, **parent, name: value})
                continue
            raise UsageError(f"search_space={name}: {error}") from error
        if name == "backbone":
            try:
                find_row(config.backbone)
            except UsageError as error:
                raise UsageError(f"search_space={name}: {error}") from error
            check_weights(config.weights)
